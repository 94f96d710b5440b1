"""Signed transactions of types 0, 1, 2 and 4: what they say, their bytes, who signed them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import coincurve

from infernet.protocol.hashing import keccak
from infernet.vm.rlp import Item, RlpError, decode, encode, encode_int
from infernet.vm.transaction_fields import (
    ACCESS_LIST,
    BLOB,
    FEE_MARKET,
    FIELDS,
    LEGACY,
    SET_CODE,
    Access,
    Authorization,
    read_fields,
)

__all__ = [
    "ACCESS_LIST",
    "BLOB",
    "FEE_MARKET",
    "LEGACY",
    "SECP256K1_ORDER",
    "SET_CODE",
    "Access",
    "Authorization",
    "Transaction",
    "TransactionInvalid",
    "compute_address",
    "compute_floor_gas",
    "compute_intrinsic_gas",
    "compute_signing_hash",
    "decode_transaction",
    "parity_of",
    "parse_transaction",
    "recover_address",
    "recover_sender",
    "seal",
    "sign_authorization",
    "sign_transaction",
    "with_sender",
]

SECP256K1_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141


class TransactionInvalid(ValueError):
    """Bytes that are no transaction, or none of this chain."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """A signed transaction.

    Attributes:
        chain_id: None where a legacy transaction names none (before EIP-155).
        max_fee: wei per gas at most, base fee and tip together; the gas price of types 0 and 1.
        max_priority_fee: the tip in wei per gas at most; the gas price of types 0 and 1.
        to: 20 bytes, None for a deployment.
        v: as signed: 27, 28 or by EIP-155 in a legacy transaction, else the parity 0 or 1.
        hash: keccak of `raw`.
        sender: who signed it; for an impersonated transaction, who was said to have.
        raw: its bytes as they stand in a block (EIP-2718).
    """

    type: int
    chain_id: int | None
    nonce: int
    max_priority_fee: int
    max_fee: int
    gas: int
    to: bytes | None
    value: int
    data: bytes
    access_list: tuple[Access, ...]
    authorizations: tuple[Authorization, ...]
    v: int
    r: int
    s: int
    hash: bytes
    sender: bytes
    raw: bytes

    @property
    def is_signed(self) -> bool:
        """False for an impersonated account's, which chains for development take."""
        return self.s != 0

    def effective_price(self, base_fee: int) -> int:
        """Wei per gas that its sender pays in a block of this base fee."""
        return min(self.max_fee, base_fee + self.max_priority_fee)


def decode_transaction(raw: bytes, chain_id: int) -> Transaction:
    """The transaction in these bytes, with its sender.

    Raises:
        TransactionInvalid: malformed, of a type that is not accepted, of another chain, or not signed as it must be.
    """
    transaction = parse_transaction(raw)
    if transaction.chain_id is not None and transaction.chain_id != chain_id:
        raise TransactionInvalid(f"invalid chain id for signer: have {transaction.chain_id} want {chain_id}")
    return with_sender(transaction, recover_sender(transaction))


def with_sender(transaction: Transaction, sender: bytes) -> Transaction:
    """The same, its sender taken at the caller's word."""
    return replace(transaction, sender=sender)


def parse_transaction(raw: bytes) -> Transaction:
    """The same without its sender, whatever its chain.

    Raises:
        TransactionInvalid: malformed, or of a type that is not accepted.
    """
    kind = raw[0] if raw and raw[0] < 0x80 else LEGACY
    if kind not in FIELDS:
        raise TransactionInvalid("transaction type not supported")
    try:
        values = read_fields(kind, decode(raw[1:] if kind else raw))
    except RlpError as error:
        raise TransactionInvalid(f"rlp: {error}") from None
    return _build(kind, values, raw)


def recover_sender(transaction: Transaction) -> bytes:
    """Who signed it.

    Raises:
        TransactionInvalid: nobody did: r, s or v are outside their range, or no point belongs to them.
    """
    r, s = transaction.r, transaction.s
    if not 0 < r < SECP256K1_ORDER or not 0 < s <= SECP256K1_ORDER // 2 or parity_of(transaction) not in (0, 1):
        raise TransactionInvalid("invalid transaction v, r, s values")
    try:
        return recover_address(compute_signing_hash(transaction), parity_of(transaction), r, s)
    except ValueError:
        raise TransactionInvalid("invalid sender") from None


def recover_address(digest: bytes, parity: int, r: int, s: int) -> bytes:
    """
    Raises:
        ValueError: no point belongs to this signature.
    """
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes((parity,))
    key = coincurve.PublicKey.from_signature_and_message(signature, digest, hasher=None)
    return keccak(key.format(compressed=False)[1:])[12:]


def parity_of(transaction: Transaction) -> int:
    """0 or 1 where the signature is well formed."""
    if transaction.type != LEGACY:
        return transaction.v
    return transaction.v - (27 if transaction.chain_id is None else 35 + 2 * transaction.chain_id)


def compute_signing_hash(transaction: Transaction) -> bytes:
    fields = _unsigned_fields(transaction)
    if transaction.type != LEGACY:
        return keccak(bytes((transaction.type,)) + encode(fields))
    if transaction.chain_id is not None:
        fields += [encode_int(transaction.chain_id), b"", b""]
    return keccak(encode(fields))


def sign_transaction(
    kind: int,
    private_key: bytes,
    *,
    chain_id: int,
    nonce: int,
    gas: int,
    max_fee: int,
    max_priority_fee: int = 0,
    to: bytes | None = None,
    value: int = 0,
    data: bytes = b"",
    access_list: tuple[Access, ...] = (),
    authorizations: tuple[Authorization, ...] = (),
) -> Transaction:
    """Sign with RFC 6979's nonce: the same key and fields give the same bytes."""
    tip = max_priority_fee if kind in (FEE_MARKET, SET_CODE) else max_fee
    unsigned = Transaction(
        kind, chain_id, nonce, tip, max_fee, gas, to, value, data, access_list, authorizations, 0, 0, 0, b"", b"", b""
    )
    return sign(unsigned, private_key)


def sign(transaction: Transaction, private_key: bytes) -> Transaction:
    """The same, signed: whatever signature and sender it had are replaced."""
    signature = coincurve.PrivateKey(private_key).sign_recoverable(compute_signing_hash(transaction), hasher=None)
    v = signature[64] + (35 + 2 * (transaction.chain_id or 0) if transaction.type == LEGACY else 0)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    return seal(replace(transaction, v=v, r=r, s=s), compute_address(private_key))


@lru_cache(maxsize=64)
def compute_address(private_key: bytes) -> bytes:
    """Of the account that this key signs for."""
    return keccak(coincurve.PrivateKey(private_key).public_key.format(compressed=False)[1:])[12:]


def sign_authorization(private_key: bytes, *, chain_id: int, address: bytes, nonce: int) -> Authorization:
    """An account's word that its code is that of `address` (EIP-7702)."""
    digest = keccak(b"\x05" + encode([encode_int(chain_id), address, encode_int(nonce)]))
    signature = coincurve.PrivateKey(private_key).sign_recoverable(digest, hasher=None)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    return Authorization(chain_id, address, nonce, signature[64], r, s)


def compute_intrinsic_gas(transaction: Transaction) -> int:
    """What is paid before the first instruction (yellow paper, g0, with EIP-2930, 3860 and 7702)."""
    data, access = transaction.data, transaction.access_list
    gas = 21_000 + 16 * len(data) - 12 * data.count(0)
    if transaction.to is None:
        gas += 32_000 + 2 * ((len(data) + 31) // 32)
    gas += sum(2_400 + 1_900 * len(entry.slots) for entry in access)
    return gas + 25_000 * len(transaction.authorizations)


def compute_floor_gas(transaction: Transaction) -> int:
    """What calldata cost at the least, however little is executed (EIP-7623)."""
    return 21_000 + 40 * len(transaction.data) - 30 * transaction.data.count(0)


def seal(transaction: Transaction, sender: bytes) -> Transaction:
    """With its bytes, its hash and its sender, who is taken at the caller's word."""
    signature: list[Item] = [encode_int(value) for value in (transaction.v, transaction.r, transaction.s)]
    raw = encode(_unsigned_fields(transaction) + signature)
    if transaction.type != LEGACY:
        raw = bytes((transaction.type,)) + raw
    return replace(transaction, raw=raw, hash=keccak(raw), sender=sender)


def _unsigned_fields(tx: Transaction) -> list[Item]:
    fields: list[Item] = [] if tx.type == LEGACY else [encode_int(tx.chain_id or 0)]
    fields.append(encode_int(tx.nonce))
    if tx.type in (FEE_MARKET, SET_CODE):
        fields.append(encode_int(tx.max_priority_fee))
    fields += [encode_int(tx.max_fee), encode_int(tx.gas), tx.to or b"", encode_int(tx.value), tx.data]
    if tx.type != LEGACY:
        fields.append([[entry.address, list(entry.slots)] for entry in tx.access_list])
    if tx.type == SET_CODE:
        fields.append([_authorization_fields(entry) for entry in tx.authorizations])
    return fields


def _authorization_fields(entry: Authorization) -> list[Item]:
    numbers = (entry.nonce, entry.y_parity, entry.r, entry.s)
    return [encode_int(entry.chain_id), entry.address, *map(encode_int, numbers)]


def _build(kind: int, values: dict[str, Any], raw: bytes) -> Transaction:
    if kind in (BLOB, SET_CODE) and values["to"] is None:
        raise TransactionInvalid("a transaction of this type cannot deploy")
    chain_id, price = values.get("chain_id"), values.get("gas_price")
    if kind == LEGACY and values["v"] not in (27, 28):
        chain_id = (values["v"] - 35) // 2
        if chain_id < 0:
            raise TransactionInvalid("invalid transaction v, r, s values")
    return Transaction(
        type=kind,
        chain_id=chain_id,
        nonce=values["nonce"],
        max_priority_fee=values["max_priority_fee"] if price is None else price,
        max_fee=values["max_fee"] if price is None else price,
        gas=values["gas"],
        to=values["to"],
        value=values["value"],
        data=values["data"],
        access_list=values.get("access_list", ()),
        authorizations=values.get("authorizations", ()),
        v=values["v"],
        r=values["r"],
        s=values["s"],
        hash=keccak(raw),
        sender=b"",
        raw=raw,
    )
