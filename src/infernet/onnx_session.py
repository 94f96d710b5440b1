"""ONNX Runtime in one place: how a graph is loaded wherever one is read or run, and what it says when it cannot be."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from infernet.errors import NodeMisconfigured

_WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"
_ELEMENT_TYPES = {"tensor(float)": "float32", "tensor(double)": "float64"}  # named otherwise than by numpy


def import_runtime() -> Any:
    """The `onnxruntime` package.

    Raises:
        NodeMisconfigured: `onnx.not_installed`: it is missing, or lacks a library of the system.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # else 1.31 reports to its maker, and leaves a file in /tmp
    try:
        import onnxruntime  # noqa: PLC0415  (heavy, and an extra: its absence is a message, not a traceback)
    except ImportError as error:
        raise NodeMisconfigured(
            "onnx.not_installed", f"ONNX models need onnxruntime ({error}): pip install 'infernet[onnx]'"
        ) from None
    return onnxruntime


def open_session(source: Path | bytes) -> Any:
    """An `InferenceSession` of a file or its content, of one thread that reorders nothing: small models answer fastest
    so, and sums keep their order.

    Raises:
        NodeMisconfigured: `onnx.not_installed`, `model.file_missing`, `model.unreadable`.
    """
    onnxruntime = import_runtime()
    if isinstance(source, Path) and not source.is_file():
        raise NodeMisconfigured("model.file_missing", f"there is no model file {source}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    if isinstance(source, bytes):  # its weights are in it: else it may name files of the folder that we run in
        options.add_session_config_entry(_WEIGHTS_FOLDER, os.devnull)
    loaded = source if isinstance(source, bytes) else str(source)
    try:
        return onnxruntime.InferenceSession(loaded, options, providers=["CPUExecutionProvider"])
    except list_runtime_errors() as error:
        reason = str(error).splitlines()[0]
        name = "the graph" if isinstance(source, bytes) else source
        raise NodeMisconfigured(
            "model.unreadable", f"{name} is not a model that ONNX Runtime loads: {reason}"
        ) from None


def list_runtime_errors() -> tuple[type[Exception], ...]:
    """What the runtime raises where a graph cannot be loaded or run: its errors share no base class."""
    from onnxruntime.capi import onnxruntime_pybind11_state as errors  # noqa: PLC0415

    return (
        errors.Fail,
        errors.InvalidArgument,
        errors.InvalidGraph,
        errors.InvalidProtobuf,
        errors.NoSuchFile,
        errors.NotImplemented,
        errors.RuntimeException,
    )


def read_element_type(node: Any) -> str:
    """The numpy name of what an input or output of a session holds; the runtime's own where that is no tensor."""
    text: str = node.type
    return _ELEMENT_TYPES.get(text, text.removeprefix("tensor(").removesuffix(")"))
