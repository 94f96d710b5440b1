"""Inside a worker: an ONNX model behind its manifest's encodings."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from infernet.errors import NodeMisconfigured
from infernet.protocol.manifest import Flavour, Manifest, TensorSpec, check_file, parse_manifest
from infernet.protocol.model_codec import decode_features, encode_outputs

_ONNX_NAMES = {"tensor(float)": "float32", "tensor(double)": "float64"}


def load_onnx(manifest_text: str, folder: str) -> Callable[[bytes], bytes]:
    """Verify the files, load the graph, and give back what turns features into an output.

    Raises:
        NodeMisconfigured: `model.file_missing`, `model.hash_mismatch`, `model.unsupported`, `model.unreadable`,
            `model.schema_mismatch`, `onnx.not_installed`.
    """
    manifest = parse_manifest(manifest_text.encode())
    session = _load_session(manifest, _verify(manifest, Path(folder)))
    _check_side(manifest, "input", manifest.inputs, session.get_inputs(), complete=True)
    _check_side(manifest, "output", manifest.outputs, session.get_outputs(), complete=False)
    names = [spec.name for spec in manifest.outputs]

    def run(features: bytes) -> bytes:
        results = session.run(names, decode_features(manifest, features))
        return encode_outputs(manifest, dict(zip(names, results, strict=True)))

    return run


def _verify(manifest: Manifest, folder: Path) -> Path:
    """Check every file and give back the graph's."""
    for file in manifest.files:
        path = folder / file.path
        if not path.is_file():
            raise NodeMisconfigured(
                "model.file_missing",
                f"{file.path} of {manifest.name} is not in {folder}: put it back or add the model again",
            )
        with path.open("rb") as stream:
            check_file(file, stream, manifest.name)
    graphs = [file.path for file in manifest.files if file.path.endswith(".onnx")]
    if manifest.flavour is not Flavour.ONNX or len(graphs) != 1:
        raise NodeMisconfigured(
            "model.unsupported",
            f"{manifest.name} ({manifest.flavour}, {len(graphs)} .onnx files) cannot be served: "
            "a model container runs exactly one .onnx file",
        )
    return folder / graphs[0]


def _load_session(manifest: Manifest, path: Path) -> Any:
    """One thread and no reordering: small models answer fastest so, and sums keep their order."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # else 1.31 reports to its maker, and leaves a file in /tmp
    try:
        import onnxruntime  # noqa: PLC0415  (an extra: its absence is a message, not a traceback)
    except ModuleNotFoundError:
        raise NodeMisconfigured(
            "onnx.not_installed", "ONNX models need onnxruntime: pip install 'infernet[onnx]'"
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001  (the engine's errors share no base class; this process holds nothing else)
        reason = str(error).splitlines()[0]
        raise NodeMisconfigured("model.unreadable", f"ONNX Runtime cannot load {manifest.name}: {reason}") from None


def _check_side(manifest: Manifest, side: str, specs: tuple[TensorSpec, ...], nodes: Any, *, complete: bool) -> None:
    """The manifest may leave outputs of the graph out, never an input."""
    declared = {spec.name: spec.dtype for spec in specs}
    actual = {node.name: _ONNX_NAMES.get(node.type, node.type[len("tensor(") : -1]) for node in nodes}
    differing = [name for name, dtype in declared.items() if actual.get(name) != dtype]
    missing = sorted(set(actual) - set(declared)) if complete else []
    if differing or missing:
        raise NodeMisconfigured(
            "model.schema_mismatch",
            f"the manifest of {manifest.name} and its graph disagree on {side} {(differing + missing)[0]!r} (manifest: "
            f"{declared}, graph: {actual}): correct the manifest and publish a new version",
        )
