"""Inside a node's worker: an inference workflow between a model and whoever asks, in the model's own encodings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infernet.compute.onnx_runner import check_schema, find_graph
from infernet.errors import JobRejected
from infernet.models.store import verify_files
from infernet.onnx_session import open_session
from infernet.protocol.fixed_point import from_stored, to_stored
from infernet.protocol.manifest import Manifest, TensorSpec, compute_manifest_hash, parse_manifest
from infernet.protocol.model_codec import decode_features, encode_outputs
from infernet.workflows.inference_workflow import load_inference
from infernet.workflows.loaded_model import Columns, LoadedModel


def load_inference_run(
    manifest: str, folder: str, workflow: str, workflow_name: str | None = None
) -> Callable[[bytes], bytes]:
    """What turns features into an output by way of a workflow's own steps. It is given rows and answers by the model's
    outputs as it does elsewhere, numbers in their own unit and classes by name or number; how they travel is the
    manifest's affair. The model is the container's, whatever the workflow's own reference is.

    Raises:
        NodeMisconfigured, InvalidInput: as `load_onnx` and `load_inference`.
    """
    parsed = parse_manifest(manifest.encode())
    verify_files(parsed, Path(folder))
    graph = Path(folder) / find_graph(parsed).path
    session = open_session(graph)
    check_schema(parsed, session)
    started = load_inference(Path(workflow), workflow_name)
    started.loaded = LoadedModel(parsed, compute_manifest_hash(parsed).hex(), parsed.name, "", session, graph)
    started.set_up()
    specs = {spec.name: spec for spec in parsed.outputs}

    def run(features: bytes) -> bytes:
        answers = started(_name_columns(parsed, decode_features(parsed, features)))
        return encode_outputs(parsed, {name: _store(value, specs.get(name)) for name, value in answers.items()})

    return run


def _store(value: Any, spec: TensorSpec | None) -> NDArray[Any]:
    """An answer as the graph would have it."""
    array = np.asarray(value)
    if spec is None or spec.is_float:
        return array
    if spec.classes is not None and array.dtype.kind in "UO":
        numbers = {name: number for number, name in enumerate(spec.classes)}
        if unknown := next((name for name in array.reshape(-1).tolist() if name not in numbers), None):
            raise JobRejected("output.mismatch", f"{spec.name}: {unknown!r} is none of {', '.join(spec.classes)}")
        return np.array([numbers[name] for name in array.reshape(-1).tolist()], spec.dtype).reshape(array.shape)
    is_real = spec.scale and array.dtype.kind == "f"
    return to_stored(array, spec.scale).astype(spec.dtype) if is_real else array


def _name_columns(manifest: Manifest, arrays: Mapping[str, NDArray[Any]]) -> Columns | NDArray[Any]:
    """Rows by column where the manifest names them; the one array itself where it does not."""
    scales = {spec.name: spec.scale for spec in manifest.inputs if not spec.is_float}
    arrays = {name: from_stored(a, scales[name]) if scales.get(name) else a for name, a in arrays.items()}
    if len(manifest.inputs) == 1 and manifest.inputs[0].columns is None:
        return arrays[manifest.inputs[0].name]
    rows: dict[str, NDArray[Any]] = {}
    for spec in manifest.inputs:
        values = arrays[spec.name]
        rows |= {spec.name: values} if spec.columns is None else dict(zip(spec.columns, values.T, strict=True))
    return rows
