"""The plain path: `abi.encode(int256[])`, 32 bytes a number, with a scale that both sides know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from eth_utils.types import is_integer
from numpy.typing import ArrayLike, NDArray

from infernet.errors import InvalidInput
from infernet.protocol.abi_codec import decode_abi, encode_abi

INT256_ARRAY = "int256[]"
INT256_MIN, INT256_MAX = -(2**255), 2**255 - 1


def encode_int256s(values: ArrayLike) -> bytes:
    """`abi.encode(int256[])` of integers, flattened in C order.

    Raises:
        InvalidInput: `int256.values` when something is not an integer or does not fit.
    """
    return encode_abi([INT256_ARRAY], [list_int256s(np.asarray(values))])


def decode_int256s(data: bytes) -> NDArray[Any]:
    """The numbers of `abi.encode(int256[])`, shape [n]: int64, or Python ints (dtype object) where one is larger.

    Raises:
        InvalidInput: `abi.malformed`.
    """
    (values,) = decode_abi([INT256_ARRAY], data)
    return _as_array(values)


def list_int256s(values: NDArray[Any]) -> list[int]:
    """The array's numbers as `encode_abi` takes them. Raises as `encode_int256s` does."""
    if values.dtype == np.bool_:
        values = values.astype(np.int8)
    numbers: list[Any] = values.reshape(-1).tolist()
    for number in numbers:
        if not is_integer(number) or not INT256_MIN <= number <= INT256_MAX:
            raise InvalidInput("int256.values", f"{number!r:.80} is not an integer that fits int256")
    return numbers


def _as_array(values: Sequence[int]) -> NDArray[Any]:
    try:
        return np.array(values, np.int64)
    except OverflowError:
        return np.array(values, object)
