"""The Solidity struct `Tensor { uint8 dtype; uint8 scale; uint32[] shape; bytes values; }` as numpy arrays.

The wire form is `abi.encode(tensor)`. Values are packed without padding, each big-endian: two's complement for
integers, the IEEE 754 bits for floats, one byte of 0 or 1 for booleans. `scale` counts decimal places
(value = stored / 10^scale) and only integers may have one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infernet.errors import InvalidInput
from infernet.protocol.abi_codec import decode_abi, encode_abi

DTYPE_CODES = MappingProxyType(
    {
        "float16": 0,
        "float32": 1,
        "float64": 2,
        "int8": 5,
        "int16": 6,
        "int32": 7,
        "int64": 8,
        "uint8": 9,
        "uint16": 10,
        "uint32": 11,
        "uint64": 12,
        "bool": 15,
    }
)
_NAMES = {code: name for name, code in DTYPE_CODES.items()}
TENSOR_ABI = "(uint8,uint8,uint32[],bytes)"
MAX_RANK = 32
MAX_DIMENSION = 2**32 - 1
_MAX_EMPTY_EXTENT = 2**40


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """An array and its decimal places. The array holds the stored numbers: 1.5 at scale 2 is the integer 150.

    Raises:
        InvalidInput: `tensor.dtype` not one of `DTYPE_CODES`; `tensor.scale` outside 0 … 255 or on a non-integer;
            `tensor.shape` more than 32 dimensions, or one beyond uint32.
    """

    values: NDArray[Any]
    scale: int = 0

    def __post_init__(self) -> None:
        if self.dtype not in DTYPE_CODES:
            raise InvalidInput("tensor.dtype", f"a tensor cannot hold {self.dtype}: use {', '.join(DTYPE_CODES)}")
        _check_scale(self.dtype, self.scale)
        _check_shape(self.values.shape)

    @property
    def dtype(self) -> str:
        return self.values.dtype.name

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape


def encode_tensor(tensor: Tensor) -> bytes:
    """`abi.encode(tensor)`."""
    return encode_abi([TENSOR_ABI], [list_tensor(tensor)])


def decode_tensor(data: bytes) -> Tensor:
    """The inverse of `encode_tensor`. The array is a fresh one in native byte order.

    Raises:
        InvalidInput: `abi.malformed`, `tensor.dtype`, `tensor.scale`, `tensor.shape`, or `tensor.values` when the
            bytes are not what dtype and shape need, or a boolean is neither 0 nor 1.
    """
    ((code, scale, shape, packed),) = decode_abi([TENSOR_ABI], data)
    dtype = _NAMES.get(code)
    if dtype is None:
        raise InvalidInput("tensor.dtype", f"has the unknown dtype code {code}")
    _check_scale(dtype, scale)
    _check_shape(shape)
    return Tensor(_unpack(packed, np.dtype(dtype), shape), scale)


def list_tensor(tensor: Tensor) -> tuple[int, int, tuple[int, ...], bytes]:
    """The struct's values as `encode_abi` takes them."""
    packed = tensor.values.astype(tensor.values.dtype.newbyteorder(">"), copy=False).tobytes()
    return DTYPE_CODES[tensor.dtype], tensor.scale, tensor.shape, packed


def _unpack(packed: bytes, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    needed = math.prod(shape) * dtype.itemsize
    if needed != len(packed):
        size = needed if needed < 2**64 else "more than 2^64"
        raise InvalidInput("tensor.values", f"{dtype.name} {list(shape)} takes {size} bytes, {len(packed)} are there")
    if dtype == np.bool_ and packed.translate(None, b"\x00\x01"):
        raise InvalidInput("tensor.values", "a boolean is neither 0 nor 1")
    return np.frombuffer(packed, dtype.newbyteorder(">")).reshape(shape).astype(dtype)


def _check_scale(dtype: str, scale: int) -> None:
    if not 0 <= scale <= 255:
        raise InvalidInput("tensor.scale", "a scale is a number of decimal places from 0 to 255")
    if scale and "int" not in dtype:
        raise InvalidInput("tensor.scale", f"only integers have a scale: {dtype} with scale {scale}")


def _check_shape(shape: Sequence[int]) -> None:
    if len(shape) > MAX_RANK or any(extent > MAX_DIMENSION for extent in shape):
        raise InvalidInput("tensor.shape", f"at most {MAX_RANK} dimensions, each at most 2^32 - 1")
    if 0 in shape and math.prod(extent for extent in shape if extent) > _MAX_EMPTY_EXTENT:
        raise InvalidInput("tensor.shape", f"an empty tensor of shape {list(shape)} is too large")
