"""Inside a worker: an ONNX model behind its manifest's encodings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from infernet.errors import NodeMisconfigured
from infernet.onnx_session import open_session, read_element_type
from infernet.protocol.manifest import Flavour, Manifest, ManifestFile, TensorSpec, check_file, parse_manifest


def load_onnx(manifest_text: str, folder: str) -> Callable[[bytes], bytes]:
    """Verify the files, load the graph, and give back what turns features into an output.

    Raises:
        NodeMisconfigured: `model.file_missing`, `model.hash_mismatch`, `model.unsupported`, `model.unreadable`,
            `model.schema_mismatch`, `onnx.not_installed`.
    """
    from infernet.protocol.model_codec import decode_features, encode_outputs  # noqa: PLC0415  (ABI: slow to import)

    manifest = parse_manifest(manifest_text.encode())
    session = open_session(_verify(manifest, Path(folder)))
    check_schema(manifest, session)
    names = [spec.name for spec in manifest.outputs]

    def run(features: bytes) -> bytes:
        results = session.run(names, decode_features(manifest, features))
        return encode_outputs(manifest, dict(zip(names, results, strict=True)))

    return run


def check_schema(manifest: Manifest, session: Any) -> None:
    """Compare a loaded graph's inputs and outputs with the manifest. It may leave outputs out, never an input.

    Raises:
        NodeMisconfigured: `model.schema_mismatch`.
    """
    _check_side(manifest, "input", manifest.inputs, session.get_inputs(), complete=True)
    _check_side(manifest, "output", manifest.outputs, session.get_outputs(), complete=False)


def find_graph(manifest: Manifest) -> ManifestFile:
    """The one .onnx file of a model.

    Raises:
        NodeMisconfigured: `model.unsupported`.
    """
    graphs = [file for file in manifest.files if file.path.endswith(".onnx")]
    if manifest.flavour is not Flavour.ONNX or len(graphs) != 1:
        raise NodeMisconfigured(
            "model.unsupported",
            f"{manifest.name} ({manifest.flavour}, {len(graphs)} .onnx files) cannot be served: "
            "a model container runs exactly one .onnx file",
        )
    return graphs[0]


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
    return folder / find_graph(manifest).path


def _check_side(manifest: Manifest, side: str, specs: tuple[TensorSpec, ...], nodes: Any, *, complete: bool) -> None:
    declared = {spec.name: spec.dtype for spec in specs}
    actual = {node.name: read_element_type(node) for node in nodes}
    differing = [name for name, dtype in declared.items() if actual.get(name) != dtype]
    missing = sorted(set(actual) - set(declared)) if complete else []
    if differing or missing:
        raise NodeMisconfigured(
            "model.schema_mismatch",
            f"the manifest of {manifest.name} and its graph disagree on {side} {(differing + missing)[0]!r} (manifest: "
            f"{declared}, graph: {actual}): correct the manifest and publish a new version",
        )
