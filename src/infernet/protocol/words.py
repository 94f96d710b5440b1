"""Reading and writing the 32-byte words of ABI-encoded dynamic values, bounds first, nothing allocated on trust.

Like Solidity's decoder: offsets may point anywhere inside the data, bytes that nothing points at are ignored.
"""

from __future__ import annotations

from collections.abc import Sequence

from infernet.errors import InvalidInput

WORD = 32


def encode_word(value: int) -> bytes:
    """One unsigned 256-bit word."""
    return value.to_bytes(WORD, "big")


def encode_arguments(tails: Sequence[bytes]) -> bytes:
    """`abi.encode(a, b, …)` of dynamic values, each given by its encoding without the leading offset."""
    heads, at = [], WORD * len(tails)
    for tail in tails:
        heads.append(encode_word(at))
        at += len(tail)
    return b"".join((*heads, *tails))


def read_word(data: bytes, at: int) -> int:
    """The unsigned word at byte `at`.

    Raises:
        InvalidInput: `abi.truncated`: the data ends before it.
    """
    end = at + WORD
    if end > len(data):
        raise InvalidInput("abi.truncated", f"the data ends at byte {len(data)}, a value was expected at {_place(at)}")
    return int.from_bytes(data[at:end], "big")


def read_offset(data: bytes, at: int, base: int = 0) -> int:
    """The absolute position that the offset at byte `at` points to, counted from `base`.

    Raises:
        InvalidInput: `abi.truncated`: the offset, or what it points to, lies outside the data.
    """
    target = base + read_word(data, at)
    if target >= len(data):
        raise InvalidInput("abi.truncated", f"the data ends at byte {len(data)}, an offset points to {_place(target)}")
    return target


def read_length(data: bytes, at: int, item_size_bytes: int) -> int:
    """The length word at byte `at`, after checking that so many items really follow it.

    Raises:
        InvalidInput: `abi.truncated`: fewer follow.
    """
    length = read_word(data, at)
    available = (len(data) - at - WORD) // item_size_bytes
    if length > available:
        raise InvalidInput("abi.truncated", f"{_place(length)} items are announced, the data holds {available}")
    return length


def _place(number: int) -> str:
    return str(number) if number < 1 << 64 else "a number beyond 2^64"
