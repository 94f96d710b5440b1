"""ONNX Runtime in one place: how a graph is loaded wherever one is read or run, and what it says when it cannot be."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from infernet.errors import NodeMisconfigured

_ELEMENT_TYPES = {"tensor(float)": "float32", "tensor(double)": "float64"}  # named otherwise than by numpy


def open_session(path: Path) -> Any:
    """An `InferenceSession` of one thread that reorders nothing: small models answer fastest so, and sums keep their
    order.

    Raises:
        NodeMisconfigured: `onnx.not_installed`, `model.file_missing`, `model.unreadable`.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # else 1.31 reports to its maker, and leaves a file in /tmp
    try:
        import onnxruntime  # noqa: PLC0415  (heavy, and an extra: its absence is a message, not a traceback)
    except ModuleNotFoundError:
        raise NodeMisconfigured(
            "onnx.not_installed", "ONNX models need onnxruntime: pip install 'infernet[onnx]'"
        ) from None
    if not path.is_file():
        raise NodeMisconfigured("model.file_missing", f"there is no model file {path}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    errors = onnxruntime.capi.onnxruntime_pybind11_state  # they share no base class
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


def read_element_type(node: Any) -> str:
    """The numpy name of what an input or output of a session holds; the runtime's own where that is no tensor."""
    text: str = node.type
    return _ELEMENT_TYPES.get(text, text.removeprefix("tensor(").removesuffix(")"))
