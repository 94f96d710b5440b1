"""A model's features and outputs between ABI bytes and named arrays, as its manifest declares.

Both are `abi.encode` of one entry for each tensor, in the manifest's order: a `Tensor` struct or an `int256[]`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from infernet.errors import InvalidInput, JobRejected
from infernet.protocol.abi_codec import encode_abi, split_dynamic
from infernet.protocol.fixed_point import compute_rounding_margin, from_stored, to_stored
from infernet.protocol.int256 import INT256_ARRAY, decode_int256s, list_int256s
from infernet.protocol.manifest import Manifest, TensorSpec
from infernet.protocol.tensor import TENSOR_ABI, Tensor, decode_tensor, list_tensor

Arrays = dict[str, NDArray[Any]]
_ABI_TYPES = {"tensor": TENSOR_ABI, "int256[]": INT256_ARRAY}


def encode_features(manifest: Manifest, arrays: Mapping[str, ArrayLike]) -> bytes:
    """Features for a contract or a job. Floats that travel as integers are rounded to the scale, ties to even.

    Raises:
        InvalidInput: `features.mismatch`: an array is missing, unknown, of another shape, or does not fit.
    """
    try:
        return _encode(manifest.inputs, arrays)
    except InvalidInput as error:
        raise InvalidInput("features.mismatch", f"{manifest.name}: {error.message}") from error


def decode_features(manifest: Manifest, features: bytes) -> Arrays:
    """The arrays to run the graph on, with its dtypes and shapes.

    Raises:
        JobRejected: `features.mismatch`: they do not fit the manifest.
    """
    try:
        return _decode(manifest.inputs, features)
    except InvalidInput as error:
        raise JobRejected("features.mismatch", f"the features do not fit {manifest.name}: {error.message}") from error


def encode_outputs(manifest: Manifest, arrays: Mapping[str, ArrayLike]) -> bytes:
    """The model output of what the graph returned, rounded by the manifest's rules.

    Raises:
        JobRejected: `output.mismatch`: not what the manifest declares, not finite, or too large for its encoding.
    """
    try:
        return _encode(manifest.outputs, arrays)
    except InvalidInput as error:
        raise JobRejected("output.mismatch", f"the output of {manifest.name} is refused: {error.message}") from error


def decode_outputs(manifest: Manifest, output: bytes) -> Arrays:
    """A model output as arrays.

    Raises:
        InvalidInput: `output.mismatch`: the bytes do not fit the manifest.
    """
    try:
        return _decode(manifest.outputs, output)
    except InvalidInput as error:
        raise InvalidInput("output.mismatch", f"not an output of {manifest.name}: {error.message}") from error


def check_rounding(manifest: Manifest, arrays: Mapping[str, ArrayLike]) -> None:
    """Check, when a model is published, that its evaluation outputs keep the margins that its rounding declares.

    Of float outputs only: a label's margin is in scores, which the publisher alone sees.

    Raises:
        InvalidInput: `manifest.margin`: a value lies so close to where rounding turns that machines may disagree.
    """
    for spec in manifest.outputs:
        if spec.rounding is None or not spec.is_float:
            continue
        margin = compute_rounding_margin(np.asarray(arrays[spec.name]), spec.rounding.decimals)
        if margin < float(spec.rounding.margin):
            raise InvalidInput(
                "manifest.margin",
                f"{spec.name} of {manifest.name} comes within {margin:.3g} of a rounding boundary, the manifest says "
                f"{spec.rounding.margin}: keep fewer decimals, promise less, or declare determinism 'none'",
            )


def _encode(specs: Sequence[TensorSpec], arrays: Mapping[str, ArrayLike]) -> bytes:
    names = [spec.name for spec in specs]
    if set(names) != set(arrays):
        raise InvalidInput("model.names", f"expected {', '.join(names)}, got {', '.join(arrays) or 'nothing'}")
    values = []
    for spec in specs:
        try:
            values.append(_list_one(spec, np.asarray(arrays[spec.name])))
        except InvalidInput as error:
            raise InvalidInput(error.code, f"{spec.name}: {error.message}") from error
    return encode_abi([_ABI_TYPES[spec.encoding] for spec in specs], values)


def _decode(specs: Sequence[TensorSpec], data: bytes) -> Arrays:
    try:
        parts = split_dynamic(data, len(specs))
    except InvalidInput as error:
        raise _unexpected(specs[0], error) from error
    arrays: Arrays = {}
    for spec, part in zip(specs, parts, strict=True):
        try:
            arrays[spec.name] = _decode_one(spec, part)
        except InvalidInput as error:
            raise _unexpected(spec, error) from error
    return arrays


def _unexpected(spec: TensorSpec, error: InvalidInput) -> InvalidInput:
    return InvalidInput(error.code, f"{spec.name} should be {_describe(spec)}, but {error.message}")


def _list_one(spec: TensorSpec, array: NDArray[Any]) -> Sequence[Any]:
    if not _fits(spec.shape, array.shape):
        raise InvalidInput("model.shape", f"expected shape {_show(spec.shape)}, got {_show(array.shape)}")
    wanted = "iuf" if spec.is_float else "b" if spec.dtype == "bool" else "iu"
    if array.dtype.kind not in wanted:
        raise InvalidInput("model.dtype", f"expected {spec.dtype}, got {array.dtype.name}")
    if spec.travels_as_float:
        return list_tensor(Tensor(_check_finite(_cast(array, spec.dtype))))
    stored = array
    if spec.is_float:
        stored = to_stored(array, spec.scale, spec.rounding.decimals if spec.rounding else None)
    if spec.encoding == "int256[]":
        return list_int256s(stored)
    return list_tensor(Tensor(_cast(stored, spec.tensor_dtype), spec.scale))


def _decode_one(spec: TensorSpec, part: bytes) -> NDArray[Any]:
    if spec.encoding == "int256[]":
        flat = decode_int256s(part)
        stored = flat.reshape(_infer_shape(spec, flat.size))
    else:
        tensor = decode_tensor(part)
        if (tensor.dtype, tensor.scale) != (spec.tensor_dtype, spec.scale) or not _fits(spec.shape, tensor.shape):
            given = f"a Tensor {tensor.dtype} {_show(tensor.shape)} of scale {tensor.scale}"
            raise InvalidInput("model.shape", f"is {given}")
        stored = tensor.values
    if spec.is_float and not spec.travels_as_float:
        return _check_finite(_cast(from_stored(stored, spec.scale), spec.dtype))
    return _cast(stored, spec.dtype)


def _cast(array: NDArray[Any], dtype: str) -> NDArray[Any]:
    """To `dtype`, integers only where every value fits."""
    if dtype.startswith("float"):
        with np.errstate(over="ignore"):
            return array.astype(dtype, copy=False)
    if array.dtype.name == dtype or not array.size:
        return array.astype(dtype, copy=False)
    low, high = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    if array.min() < low or array.max() > high:
        raise InvalidInput("model.range", f"holds a value outside {dtype} ({low} to {high})")
    return array.astype(dtype)


def _check_finite(array: NDArray[Any]) -> NDArray[Any]:
    if not np.isfinite(array).all():
        raise InvalidInput("fixed_point.not_finite", f"holds a value that is not a finite {array.dtype.name}")
    return array


def _infer_shape(spec: TensorSpec, count: int) -> tuple[int, ...]:
    known = math.prod(extent for extent in spec.shape if extent is not None)
    open_extent = count // known
    shape = tuple(open_extent if extent is None else extent for extent in spec.shape)
    if not count or math.prod(shape) != count:
        raise InvalidInput("model.shape", f"has {count} numbers")
    return shape


def _fits(expected: Sequence[int | None], given: Sequence[int]) -> bool:
    return len(expected) == len(given) and all(
        g == e or (e is None and g > 0) for e, g in zip(expected, given, strict=True)
    )


def _describe(spec: TensorSpec) -> str:
    if spec.encoding == "int256[]":
        return f"int256[] of shape {_show(spec.shape)}"
    scale = f" of scale {spec.scale}" if spec.scale else ""
    return f"a Tensor {spec.tensor_dtype} {_show(spec.shape)}{scale}"


def _show(shape: Sequence[int | None]) -> str:
    return "[" + ", ".join("n" if extent is None else str(extent) for extent in shape) + "]"
