"""Numbers and bytes as JSON-RPC writes them: quantities, data, addresses, hashes, places on the chain.

Each `decode_` raises `Malformed` with what is wrong; the parameter's name is added where it is known.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from infernet.vm.rpc.errors import Malformed

T = TypeVar("T")

Tag = Literal["latest", "earliest", "pending", "safe", "finalized"]
BlockId = int | bytes | Tag
"""A block as a request names it: its number, its hash, or where it stands."""

MAX_UINT8 = 2**8 - 1
MAX_UINT64 = 2**64 - 1
MAX_UINT256 = 2**256 - 1

_TAGS: frozenset[str] = frozenset({"latest", "earliest", "pending", "safe", "finalized"})
_QUANTITY = re.compile(r"0[xX][0-9a-fA-F]{1,64}", re.ASCII)
_SHOWN_CHARS = 80


def encode_quantity(value: int) -> str:
    return hex(int(value))


def encode_data(data: bytes) -> str:
    return "0x" + data.hex()


def encode_word(value: int) -> str:
    """A number as 32 bytes."""
    return f"0x{value:064x}"


def decode_quantity(value: Any) -> int:
    """A number of at most 256 bits."""
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise Malformed(f"want a number of at most 256 bits as a 0x-prefixed hexadecimal string, not {show(value)}")
    return int(value, 16)


def decode_uint64(value: Any) -> int:
    number = decode_quantity(value)
    if number > MAX_UINT64:
        raise Malformed(f"{show(value)} is larger than 64 bits")
    return number


def decode_uint8(value: Any) -> int:
    number = decode_quantity(value)
    if number > MAX_UINT8:
        raise Malformed(f"{show(value)} is larger than 8 bits")
    return number


def decode_number(value: Any) -> int:
    """A number as the development helpers take it: JSON's own, decimal digits, or a quantity."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 78:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_UINT256:
        return value
    return decode_quantity(value)


def decode_boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Malformed(f"want true or false, not {show(value)}")
    return value


def decode_text(value: Any) -> str:
    if not isinstance(value, str):
        raise Malformed(f"want a string, not {show(value)}")
    return value


def decode_data(value: Any) -> bytes:
    if isinstance(value, str) and value[:2] in ("0x", "0X"):
        try:
            data = bytes.fromhex(value[2:])
        except ValueError:
            data = b""
        if len(data) * 2 == len(value) - 2:  # `fromhex` skips spaces
            return data
    raise Malformed(f"want bytes as a 0x-prefixed string of an even number of hexadecimal digits, not {show(value)}")


def decode_address(value: Any) -> bytes:
    """20 bytes, in any case: checksums are the clients' matter."""
    return _decode_fixed(value, 20, "an address")


def decode_hash(value: Any) -> bytes:
    return _decode_fixed(value, 32, "a hash")


def decode_slot(value: Any) -> bytes:
    """A storage slot: 32 bytes, written in full or as a number."""
    return decode_quantity(value).to_bytes(32, "big")


def decode_block_id(value: Any) -> BlockId:
    """A tag, a number, a hash, or an object with one of the latter two (EIP-1898)."""
    if isinstance(value, dict):
        return _decode_block_object(value)
    if isinstance(value, str) and value in _TAGS:
        return value  # type: ignore[return-value]
    if isinstance(value, str) and len(value) == 66:
        return decode_hash(value)
    return decode_block_number(value)


def decode_block_number(value: Any) -> int | Tag:
    """A tag or a number."""
    if isinstance(value, str) and value in _TAGS:
        return value  # type: ignore[return-value]
    try:
        return decode_uint64(value)
    except Malformed:
        raise Malformed(f"want a block number or one of {', '.join(sorted(_TAGS))}, not {show(value)}") from None


def decode_list(value: Any, decode: Callable[[Any], T]) -> list[T]:
    if not isinstance(value, list):
        raise Malformed(f"want a list, not {show(value)}")
    return [decode(item) for item in value]


def decode_object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Malformed(f"want an object, not {show(value)}")
    return value


def decode_field(source: dict[str, Any], name: str, decode: Callable[[Any], T]) -> T | None:
    """A member of an object; None where it is missing or null."""
    value = source.get(name)
    if value is None:
        return None
    try:
        return decode(value)
    except Malformed as error:
        raise Malformed(f"{name}: {error}") from None


def show(value: object) -> str:
    """A value of a stranger's, short enough for a message."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


def _decode_fixed(value: Any, size: int, what: str) -> bytes:
    data = decode_data(value)
    if len(data) != size:
        raise Malformed(f"{what} has {size} bytes, {show(value)} has {len(data)}")
    return data


def _decode_block_object(value: dict[str, Any]) -> BlockId:
    number = decode_field(value, "blockNumber", decode_block_number)
    block_hash = decode_field(value, "blockHash", decode_hash)
    if (number is None) == (block_hash is None):
        raise Malformed("want one of blockNumber and blockHash")
    return number if block_hash is None else block_hash  # type: ignore[return-value]
