"""The fields of a transaction: which each type has, and how each is read from RLP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from infernet.vm.rlp import Item, RlpError, decode_int

LEGACY, ACCESS_LIST, FEE_MARKET, BLOB, SET_CODE = range(5)
_U64, _U256 = 2**64, 2**256


@dataclass(frozen=True, slots=True)
class Access:
    """An account and slots that a transaction declares beforehand (EIP-2930)."""

    address: bytes
    slots: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Authorization:
    """An account's signed word that its code is that of `address` (EIP-7702)."""

    chain_id: int
    address: bytes
    nonce: int
    y_parity: int
    r: int
    s: int


def read_fields(kind: int, items: Item) -> dict[str, Any]:
    """The fields of a transaction of this type, by name.

    Raises:
        RlpError: too many, too few, or one that is malformed.
    """
    if isinstance(items, bytes) or len(items) != len(FIELDS[kind]):
        raise RlpError("another number of fields")
    return {name: _READ[name](item) for name, item in zip(FIELDS[kind], items, strict=True)}


def _read_bytes(item: Item) -> bytes:
    if not isinstance(item, bytes):
        raise RlpError("a list where bytes belong")
    return item


def _read_sized(item: Item, size: int) -> bytes:
    if len(_read_bytes(item)) != size:
        raise RlpError(f"{len(item)} bytes where {size} belong")
    return _read_bytes(item)


def _read_to(item: Item) -> bytes | None:
    return _read_sized(item, 20) if item else (_read_bytes(item) or None)


def _read_bounded(bound: int) -> Any:
    def read(item: Item) -> int:
        value = decode_int(item)
        if value >= bound:
            raise RlpError("an integer out of range")
        return value

    return read


def _read_list(item: Item) -> list[Item]:
    if isinstance(item, bytes):
        raise RlpError("bytes where a list belongs")
    return list(item)


def _read_access_list(item: Item) -> tuple[Access, ...]:
    entries = []
    for entry in map(_read_list, _read_list(item)):
        if len(entry) != 2:
            raise RlpError("an access that is no pair")
        slots = tuple(_read_sized(slot, 32) for slot in _read_list(entry[1]))
        entries.append(Access(_read_sized(entry[0], 20), slots))
    return tuple(entries)


def _read_authorizations(item: Item) -> tuple[Authorization, ...]:
    entries = []
    for entry in map(_read_list, _read_list(item)):
        if len(entry) != 6:
            raise RlpError("an authorization of another shape")
        chain_id, address, nonce, parity, r, s = entry
        u256 = _read_bounded(_U256)
        entries.append(
            Authorization(
                u256(chain_id),
                _read_sized(address, 20),
                _read_bounded(_U64)(nonce),
                _read_bounded(256)(parity),
                u256(r),
                u256(s),
            )
        )
    return tuple(entries)


_SIGNATURE = ("v", "r", "s")
_CALL = ("gas", "to", "value", "data")
FIELDS: dict[int, tuple[str, ...]] = {
    LEGACY: ("nonce", "gas_price", *_CALL, *_SIGNATURE),
    ACCESS_LIST: ("chain_id", "nonce", "gas_price", *_CALL, "access_list", *_SIGNATURE),
    FEE_MARKET: ("chain_id", "nonce", "max_priority_fee", "max_fee", *_CALL, "access_list", *_SIGNATURE),
    SET_CODE: (
        *("chain_id", "nonce", "max_priority_fee", "max_fee"),
        *(*_CALL, "access_list", "authorizations", *_SIGNATURE),
    ),
}
_READ: dict[str, Any] = {
    "chain_id": _read_bounded(_U64),
    "nonce": _read_bounded(_U64),
    "gas_price": _read_bounded(_U256),
    "max_priority_fee": _read_bounded(_U256),
    "max_fee": _read_bounded(_U256),
    "gas": _read_bounded(_U64),
    "to": _read_to,
    "value": _read_bounded(_U256),
    "data": _read_bytes,
    "access_list": _read_access_list,
    "authorizations": _read_authorizations,
    "v": _read_bounded(_U256),
    "r": _read_bounded(_U256),
    "s": _read_bounded(_U256),
}
