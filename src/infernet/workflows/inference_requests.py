"""Inside a node's worker: an inference workflow between a model and whoever asks, in the model's own encodings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from infernet.compute.onnx_runner import check_schema, find_graph
from infernet.models.store import verify_files
from infernet.onnx_session import open_session
from infernet.protocol.manifest import Manifest, compute_manifest_hash, parse_manifest
from infernet.protocol.model_codec import decode_features, encode_outputs
from infernet.workflows.inference_workflow import load_inference
from infernet.workflows.loaded_model import Columns, LoadedModel


def load_inference_run(
    manifest: str, folder: str, workflow: str, workflow_name: str | None = None
) -> Callable[[bytes], bytes]:
    """What turns features into an output by way of a workflow's own steps. Its answers are the model's outputs, by
    name, encoded as the manifest says; the model is the container's, whatever the workflow's own reference is.

    Raises:
        NodeMisconfigured, InvalidInput: as `load_onnx` and `load_inference`.
    """
    parsed = parse_manifest(manifest.encode())
    verify_files(parsed, Path(folder))
    session = open_session(Path(folder) / find_graph(parsed).path)
    check_schema(parsed, session)
    started = load_inference(Path(workflow), workflow_name)
    started.loaded = LoadedModel(parsed, compute_manifest_hash(parsed).hex(), parsed.name, "", session)
    started.set_up()

    def run(features: bytes) -> bytes:
        return encode_outputs(parsed, started(_name_columns(parsed, decode_features(parsed, features))))

    return run


def _name_columns(manifest: Manifest, arrays: Mapping[str, NDArray[Any]]) -> Columns | NDArray[Any]:
    """Rows by column where the manifest names them; the one array itself where it does not."""
    if len(manifest.inputs) == 1 and manifest.inputs[0].columns is None:
        return arrays[manifest.inputs[0].name]
    rows: dict[str, NDArray[Any]] = {}
    for spec in manifest.inputs:
        values = arrays[spec.name]
        rows |= {spec.name: values} if spec.columns is None else dict(zip(spec.columns, values.T, strict=True))
    return rows
