"""Models of strangers, fetched to be judged: what is wrong with one is the same for every node."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infernet.compute.onnx_runner import check_schema, find_graph
from infernet.errors import InvalidInput, NodeMisconfigured
from infernet.models.download import MANIFEST_FILE, download_files, fetch_manifest
from infernet.models.storage import Location
from infernet.onnx_session import list_runtime_errors, open_session
from infernet.protocol.manifest import Manifest

BATCH_ROWS = 8192
_FAULTS = frozenset({
    "model.no_manifest", "model.file_missing", "model.hash_mismatch", "model.unsafe", "model.unsupported",
    "model.unreadable", "model.schema_mismatch", "storage.refused", "storage.unknown_scheme",
})  # fmt: skip
"""Codes that speak of the model, not of this machine."""
_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
_RANDOM = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}
)


class InvalidEntry(Exception):
    """The model is missing, malformed, of another schema or beyond the limits."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where strangers may send this node: the web, and folders of this machine that its operator has named.

    Attributes:
        private_addresses: the web is also what stands in this machine's own networks.
    """

    folders: tuple[Path, ...] = ()
    private_addresses: bool = False

    def locate(self, uri: str) -> Location | None:
        """None for where they may not send it."""
        place = Location(uri, is_foreign=not self.private_addresses)
        if place.scheme != "file":
            return place if place.is_http else None
        path = place.local_path.resolve()
        return place if any(path.is_relative_to(folder.resolve()) for folder in self.folders) else None


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A model that can be run."""

    manifest: Manifest
    _session: Any

    def predict(self, features: NDArray[np.float64]) -> NDArray[Any]:
        """The first output, shape [rows], for features of shape [rows, columns].

        Raises:
            InvalidEntry: the graph fails on them, or answers with another shape.
        """
        given, spec = self._convert(features), self.manifest.outputs[0]
        failures: tuple[type[Exception], ...] = (*list_runtime_errors(), ValueError)
        try:
            parts = [
                np.asarray(self._session.run([spec.name], {self.manifest.inputs[0].name: part})[0])
                for part in np.array_split(given, range(BATCH_ROWS, len(given), BATCH_ROWS))
            ]
        except failures as error:
            raise InvalidEntry(str(error)) from None
        answers: NDArray[Any] = np.concatenate([part.reshape(-1) for part in parts])
        if len(answers) != len(given):
            raise InvalidEntry(f"{len(answers)} answers for {len(given)} rows")
        return answers

    def _convert(self, features: NDArray[np.float64]) -> NDArray[Any]:
        spec = self.manifest.inputs[0]
        if spec.shape[-1:] not in ((features.shape[1],), (None,)) or len(spec.shape) != 2:
            raise InvalidEntry(f"the model takes the shape {list(spec.shape)}")
        if spec.is_float:
            with np.errstate(over="ignore"):
                return features.astype(spec.dtype)
        if spec.dtype == "bool":
            raise InvalidEntry("the model takes truth values")
        scaled, limits = np.rint(features * float(10 ** (spec.scale or 0))), np.iinfo(spec.dtype)
        if scaled.min() < limits.min or scaled.max() > min(limits.max, 2**53):  # what C leaves open differs by machine
            raise InvalidEntry(f"features do not fit {spec.dtype}")
        return scaled.astype(spec.dtype)


def fetch_entry(uri: str, manifest_hash: str, max_bytes: int, places: Places) -> Entry:
    """The model of that manifest hash at that URI: a folder, or the manifest in it.

    Raises:
        InvalidEntry: what is wrong with it, the same for whoever fetches it.
        RetryLater: it cannot be reached.
        NodeMisconfigured: what this machine lacks; `storage.private_address`.
    """
    try:
        return _fetch(places.locate(uri), manifest_hash, max_bytes)
    except (InvalidInput, NodeMisconfigured) as error:
        if isinstance(error, NodeMisconfigured) and error.code not in _FAULTS:
            raise
        raise InvalidEntry(error.message) from error


def _fetch(place: Location | None, manifest_hash: str, max_bytes: int) -> Entry:
    if place is None:
        raise InvalidEntry("it lies where this node does not fetch from")
    folder = place.parent if place.name == MANIFEST_FILE else place
    manifest = fetch_manifest(folder, manifest_hash)
    file = find_graph(manifest)
    if len(manifest.files) != 1 or file.size_bytes > max_bytes or len(manifest.inputs) != 1:
        raise InvalidEntry(f"one graph of {max_bytes} bytes at the most, with one input, is judged")
    with tempfile.TemporaryDirectory(prefix="infernet-") as work:
        download_files(manifest, folder, Path(work))
        graph = (Path(work) / file.path).read_bytes()
    _check_graph(graph)
    session = open_session(graph)
    check_schema(manifest, session)
    return Entry(manifest, session)


def _check_graph(graph: bytes) -> None:
    """Its size bounds its work, and nothing in it is left to chance or lies elsewhere."""
    import onnx  # noqa: PLC0415  (an extra)
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # noqa: PLC0415

    try:
        model = onnx.load_model_from_string(graph)
    except DecodeError as error:
        raise InvalidEntry(f"no graph: {error}") from None
    if model.functions:
        raise InvalidEntry("the graph has functions of its own")
    for node in model.graph.node:
        if node.domain not in _DOMAINS or node.op_type in _RANDOM:
            raise InvalidEntry(f"the operator {node.domain}.{node.op_type}")
        if any(field.g.node or field.graphs for field in node.attribute):
            raise InvalidEntry(f"{node.op_type} holds a graph that may run any number of times")
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _list_tensors(model)):
        raise InvalidEntry("weights outside of the graph")


def _list_tensors(model: Any) -> Iterator[Any]:
    yield from model.graph.initializer
    for sparse in model.graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in model.graph.node:
        for field in node.attribute:
            sparse_tensors: Sequence[Any] = (field.sparse_tensor, *field.sparse_tensors)
            yield from (field.t, *field.tensors)
            yield from (part for one in sparse_tensors for part in (one.values, one.indices))
