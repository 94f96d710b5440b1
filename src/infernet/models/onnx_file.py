"""A manifest for an .onnx file, read from the graph itself."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from infernet.errors import InvalidInput, NodeMisconfigured
from infernet.protocol.manifest import (
    Determinism,
    Flavour,
    Manifest,
    ManifestFile,
    Price,
    Provenance,
    TensorSpec,
    translate_validation,
)
from infernet.protocol.tensor import DTYPE_CODES

_ONNX_NAMES = {"tensor(float)": "float32", "tensor(double)": "float64"}
DEFAULT_SCALE = 6


def build_onnx_manifest(
    path: Path,
    name: str,
    *,
    extra_files: Sequence[Path] = (),
    determinism: Determinism = Determinism.NONE,
    inputs: Sequence[TensorSpec] | None = None,
    outputs: Sequence[TensorSpec] | None = None,
    description: str | None = None,
    price: Price | None = None,
    provenance: Provenance | None = None,
) -> Manifest:
    """Describe a model file. Inputs travel as `Tensor`, outputs as `int256[]`, floats at scale 6, unless told.

    Args:
        extra_files: what the graph loads beside itself (external weights), in the same folder.
        inputs: in place of what the graph says, for another encoding, scale or dtype on the wire.
        outputs: the same for outputs.

    Raises:
        NodeMisconfigured: `onnx.not_installed`; `model.file_missing`; `model.unreadable`.
        InvalidInput: `model.unsupported` for an input or output that is no tensor of numbers; `manifest.invalid`.
    """
    session = _load(path)
    try:
        return Manifest(
            name=name,
            flavour=Flavour.ONNX,
            files=tuple(build_manifest_file(file, path.parent) for file in (path, *extra_files)),
            inputs=tuple(inputs if inputs is not None else map(_build_input, session.get_inputs())),
            outputs=tuple(outputs if outputs is not None else map(_build_output, session.get_outputs())),
            determinism=determinism,
            description=description,
            price=price,
            provenance=provenance,
        )
    except ValidationError as error:
        raise translate_validation(error) from None


def build_manifest_file(path: Path, folder: Path) -> ManifestFile:
    """A file's entry in the manifest, with its hash and size."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return ManifestFile(path=path.relative_to(folder).as_posix(), sha256=digest, size_bytes=path.stat().st_size)


def _load(path: Path) -> Any:
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # else 1.31 reports to its maker, and leaves a file in /tmp
    try:
        import onnxruntime  # noqa: PLC0415  (heavy, and an extra)
    except ModuleNotFoundError:
        raise NodeMisconfigured(
            "onnx.not_installed", "ONNX models need onnxruntime: pip install 'infernet[onnx]'"
        ) from None
    if not path.is_file():
        raise NodeMisconfigured("model.file_missing", f"there is no model file {path}")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    errors = onnxruntime.capi.onnxruntime_pybind11_state
    unreadable = (
        errors.Fail,
        errors.InvalidArgument,
        errors.InvalidGraph,
        errors.InvalidProtobuf,
        errors.NoSuchFile,
        errors.NotImplemented,
        errors.RuntimeException,
    )
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except unreadable as error:
        reason = str(error).splitlines()[0]
        raise NodeMisconfigured(
            "model.unreadable", f"{path} is not a model that ONNX Runtime loads: {reason}"
        ) from None


def _build_input(node: Any) -> TensorSpec:
    dtype = _read_dtype(node)
    return TensorSpec(name=node.name, dtype=dtype, shape=_read_shape(node), encoding="tensor")


def _build_output(node: Any) -> TensorSpec:
    dtype, shape = _read_dtype(node), _read_shape(node)
    if shape.count(None) > 1:
        return TensorSpec(name=node.name, dtype=dtype, shape=shape, encoding="tensor")
    scale = DEFAULT_SCALE if dtype.startswith("float") else 0
    return TensorSpec(name=node.name, dtype=dtype, shape=shape, encoding="int256[]", scale=scale)


def _read_dtype(node: Any) -> Any:
    dtype = _ONNX_NAMES.get(node.type, node.type.removeprefix("tensor(").removesuffix(")"))
    if dtype not in DTYPE_CODES:
        raise InvalidInput("model.unsupported", f"{node.name} is {node.type}: only tensors of numbers are supported")
    return dtype


def _read_shape(node: Any) -> tuple[int | None, ...]:
    return tuple(extent if isinstance(extent, int) and extent > 0 else None for extent in node.shape)
