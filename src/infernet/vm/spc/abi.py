"""Calldata as an encoder writes them, and no other way.

Solidity reads data in many forms: offsets may overlap, padding may hold anything, bytes may follow. Here each value has
one encoding, so what it decodes to is never larger than the data, and equal calls are equal bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.grammar import ABIType, BasicType, TupleType, parse

from infernet.protocol.abi_codec import malformed
from infernet.protocol.hashing import to_address

_Read = Callable[[bytes, int], tuple[Any, int]]
"""The value that begins at a place, and where it ends."""


@dataclass(frozen=True, slots=True)
class _Kind:
    read: _Read
    head_bytes: int
    is_dynamic: bool = False


class StrictDecoder:
    """Decodes values of fixed types."""

    def __init__(self, types: Sequence[str]) -> None:
        self._kinds = [_build_kind(parse(name)) for name in types]

    def decode(self, data: bytes) -> tuple[Any, ...]:
        """The values, structs and arrays as tuples.

        Raises:
            InvalidInput: `abi.malformed`: anything but their one encoding.
        """
        values, end = _read_sequence(self._kinds, data, 0)
        if end != len(data):
            raise malformed("bytes follow the arguments")
        return values


def _build_kind(kind: ABIType) -> _Kind:
    if kind.arrlist is not None:
        return _build_array(kind)
    if isinstance(kind, TupleType):
        return _build_tuple([_build_kind(component) for component in kind.components])
    assert isinstance(kind, BasicType)  # noqa: S101  (the grammar has no third kind)
    match kind.base:
        case "bytes" if kind.sub is None:
            return _Kind(_read_bytes, 32, is_dynamic=True)
        case "string":
            return _Kind(_read_text, 32, is_dynamic=True)
        case "bytes":
            return _Kind(_build_fixed_bytes(int(kind.sub)), 32)
        case "uint" | "int":
            return _Kind(_build_integer(int(kind.sub), signed=kind.base == "int"), 32)
        case "bool":
            return _Kind(_read_bool, 32)
        case "address":
            return _Kind(_read_address, 32)
    raise TypeError(f"no decoder for {kind.to_type_str()}")


def _build_array(kind: ABIType) -> _Kind:
    item, extents = _build_kind(kind.item_type), kind.arrlist[-1]
    if extents:
        return _build_tuple([item] * extents[0])

    def read(data: bytes, start: int) -> tuple[Any, int]:
        count = _read_word(data, start)
        start += 32
        if count > (len(data) - start) // item.head_bytes:
            raise malformed("an array ends after the end of the data")
        return _read_sequence([item] * count, data, start)

    return _Kind(read, 32, is_dynamic=True)


def _build_tuple(kinds: list[_Kind]) -> _Kind:
    def read(data: bytes, start: int) -> tuple[Any, int]:
        return _read_sequence(kinds, data, start)

    is_dynamic = any(kind.is_dynamic for kind in kinds)
    return _Kind(read, 32 if is_dynamic else sum(kind.head_bytes for kind in kinds), is_dynamic)


def _read_sequence(kinds: Sequence[_Kind], data: bytes, start: int) -> tuple[tuple[Any, ...], int]:
    """Heads, then what they point to, in the same order and without gaps."""
    head, tail, values = start, start + sum(kind.head_bytes for kind in kinds), []
    for kind in kinds:
        if kind.is_dynamic:
            if _read_word(data, head) != tail - start:
                raise malformed("an offset does not point to where its value belongs")
            value, tail = kind.read(data, tail)
            head += 32
        else:
            value, head = kind.read(data, head)
        values.append(value)
    return tuple(values), tail


def _read_word(data: bytes, start: int) -> int:
    word = data[start : start + 32]
    if len(word) != 32:
        raise malformed("it ends too early")
    return int.from_bytes(word, "big")


def _read_bytes(data: bytes, start: int) -> tuple[bytes, int]:
    size_bytes = _read_word(data, start)
    begin = start + 32
    end = begin + size_bytes
    padded_end = end + -size_bytes % 32
    if padded_end > len(data):
        raise malformed("a value ends after the end of the data")
    if any(data[end:padded_end]):
        raise malformed("the padding is not zero")
    return data[begin:end], padded_end


def _read_text(data: bytes, start: int) -> tuple[str, int]:
    raw, end = _read_bytes(data, start)
    try:
        return raw.decode(), end
    except UnicodeDecodeError:
        raise malformed("a string is not UTF-8") from None


def _build_fixed_bytes(size_bytes: int) -> _Read:
    unused = 8 * (32 - size_bytes)

    def read(data: bytes, start: int) -> tuple[bytes, int]:
        word = _read_word(data, start)
        if word & ((1 << unused) - 1):
            raise malformed("the padding is not zero")
        return data[start : start + size_bytes], start + 32

    return read


def _build_integer(bits: int, *, signed: bool) -> _Read:
    low, high = (-(1 << (bits - 1)), 1 << (bits - 1)) if signed else (0, 1 << bits)

    def read(data: bytes, start: int) -> tuple[int, int]:
        value = _read_word(data, start)
        if signed and value >> 255:
            value -= 1 << 256
        if not low <= value < high:
            raise malformed("a number is out of its type's range")
        return value, start + 32

    return read


def _read_bool(data: bytes, start: int) -> tuple[bool, int]:
    value = _read_word(data, start)
    if value > 1:
        raise malformed("a boolean is neither 0 nor 1")
    return bool(value), start + 32


def _read_address(data: bytes, start: int) -> tuple[Any, int]:
    if _read_word(data, start) >> 160:
        raise malformed("an address has more than 20 bytes")
    return to_address(data[start + 12 : start + 32]), start + 32
