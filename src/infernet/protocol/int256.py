"""The plain path: `abi.encode(int256[])`, 32 bytes a number, with a scale that both sides know."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from infernet.errors import InvalidInput
from infernet.protocol.words import WORD, encode_arguments, encode_word, read_length, read_offset

INT256_MIN, INT256_MAX = -(2**255), 2**255 - 1


def encode_int256s(values: ArrayLike) -> bytes:
    """`abi.encode(int256[])` of integers, flattened in C order.

    Raises:
        InvalidInput: `int256.values` when something is not an integer or does not fit.
    """
    return encode_arguments([build_int256s_tail(np.asarray(values))])


def decode_int256s(data: bytes) -> NDArray[Any]:
    """The numbers of `abi.encode(int256[])`, shape [n]: int64, or Python ints (dtype object) where one is larger.

    Raises:
        InvalidInput: `abi.truncated`.
    """
    return read_int256s(data, read_offset(data, 0))


def build_int256s_tail(values: NDArray[Any]) -> bytes:
    """The array's encoding without the leading offset: what `encode_arguments` joins."""
    return encode_word(values.size) + _pack(values.reshape(-1))


def read_int256s(data: bytes, at: int) -> NDArray[Any]:
    """The array whose length word stands at byte `at`. Raises as `decode_int256s` does."""
    count = read_length(data, at, WORD)
    quarters = np.frombuffer(data, ">i8", 4 * count, at + WORD).reshape(count, 4)
    low = quarters[:, 3].astype(np.int64)
    if (quarters[:, :3] == (low >> 63)[:, None]).all():
        return low
    starts = range(at + WORD, at + WORD + count * WORD, WORD)
    return np.array([int.from_bytes(data[i : i + WORD], "big", signed=True) for i in starts], dtype=object)


def _pack(flat: NDArray[Any]) -> bytes:
    if not flat.size:
        return b""
    if flat.dtype == np.uint64:
        quarters = np.zeros((flat.size, 4), ">u8")
        quarters[:, 3] = flat
        return quarters.tobytes()
    if flat.dtype.kind in "iub":
        low = flat.astype(np.int64)
        quarters = np.empty((flat.size, 4), ">i8")
        quarters[:, :3] = (low >> 63)[:, None]
        quarters[:, 3] = low
        return quarters.tobytes()
    return b"".join(_pack_one(item) for item in flat.tolist())


def _pack_one(item: object) -> bytes:
    if not isinstance(item, int) or not INT256_MIN <= item <= INT256_MAX:
        raise InvalidInput("int256.values", f"{item!r:.80} is not an integer that fits int256")
    return item.to_bytes(WORD, "big", signed=True)
