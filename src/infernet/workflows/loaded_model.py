"""A model by its reference, ready to answer rows: from MLflow's registry or the store, without importing MLflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from infernet.compute.onnx_runner import check_schema, find_graph
from infernet.errors import InvalidInput
from infernet.models.cache import HeldModel, ModelCache
from infernet.models.mlflow_registry import find_registered, parse_reference
from infernet.onnx_session import open_session
from infernet.protocol.fixed_point import to_stored
from infernet.protocol.manifest import Manifest, TensorSpec
from infernet.workflows.batches import run_batches

Columns: TypeAlias = "Mapping[str, ArrayLike]"
"""Rows by column, as a data frame or a dictionary of arrays has them."""
Arrays: TypeAlias = "dict[str, NDArray[Any]]"


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A model in memory.

    Attributes:
        version: in the words of where it was found: `wine version 3`, or its name in the store.
        hash: of its manifest, 64 hex digits.
        run_id: of the MLflow run that made it, empty where none is known.
        graph: the file that `session` was opened from.
        on_progress: told the number of rows of each batch that is answered.
    """

    manifest: Manifest
    hash: str
    version: str
    run_id: str
    session: Any
    graph: Path
    on_progress: Callable[[int], None] | None = None

    def __call__(self, rows: Columns | NDArray[Any]) -> Arrays:
        """Every output of the model for these rows, by name."""
        return self.run(build_features(self.manifest, rows))

    def run(self, features: Mapping[str, NDArray[Any]], on_progress: Callable[[int], None] | None = None) -> Arrays:
        """The same for the arrays that the graph takes. Raises as `run_batches`."""
        names = [spec.name for spec in self.manifest.outputs]
        return run_batches(self.session, features, names, on_progress=on_progress or self.on_progress)


def load_model(reference: str, store: Path, tracking_uri: str) -> LoadedModel:
    """The model that a reference stands for now.

    Args:
        reference: `models:/name@alias`, `models:/name/3`, or a model of the store by name or hash.
        store: where fetched models are kept.
        tracking_uri: of MLflow's registry.

    Raises:
        InvalidInput, NodeMisconfigured, RetryLater: as the registry, the cache and `open_session` say.
    """
    cache = ModelCache(store)
    if not reference.startswith("models:/"):
        model = cache.store.get(reference)
        return _load(HeldModel(model, "", None), model.manifest.name, "")
    found = find_registered(tracking_uri, parse_reference(reference))
    with cache.fetch(found.folder, found.manifest_hash) as held:
        return _load(held, str(found), found.run_id)


def _load(held: HeldModel, version: str, run_id: str) -> LoadedModel:
    manifest = held.model.manifest
    graph = held.model.folder / find_graph(manifest).path
    session = open_session(graph)
    check_schema(manifest, session)
    return LoadedModel(manifest, held.model.hash, version, run_id, session, graph)


def build_features(manifest: Manifest, rows: Columns | NDArray[Any]) -> Arrays:
    """What the graph takes, out of rows by column, or of one array [rows, …] where the model has one input.

    Raises:
        InvalidInput: `features.columns`: a column is missing, or is no numbers.
    """
    if isinstance(rows, np.ndarray):
        if len(manifest.inputs) != 1:
            raise InvalidInput("features.columns", f"{manifest.name} has {len(manifest.inputs)} inputs: give columns")
        return {manifest.inputs[0].name: _cast(manifest.inputs[0], rows)}
    return {spec.name: _stack(manifest, spec, rows) for spec in manifest.inputs}


def list_columns(manifest: Manifest) -> tuple[str, ...] | None:
    """The columns that a model needs, None where its manifest does not name them."""
    named = [spec.columns or (spec.name,) for spec in manifest.inputs]
    if len(manifest.inputs) == 1 and manifest.inputs[0].columns is None:
        return None
    return tuple(column for columns in named for column in columns)


def _stack(manifest: Manifest, spec: TensorSpec, rows: Columns) -> NDArray[Any]:
    names = spec.columns or ((spec.name,) if len(manifest.inputs) > 1 else tuple(rows))
    try:
        columns = [np.asarray(rows[name]) for name in names]
    except KeyError:
        missing = [name for name in names if name not in rows]
        raise InvalidInput(
            "features.columns", f"{manifest.name} needs the column {missing[0]!r}, the rows have {', '.join(rows)}"
        ) from None
    try:
        stacked = columns[0] if len(columns) == 1 and len(spec.shape) == 1 else np.column_stack(columns)
        return _cast(spec, stacked)
    except ValueError as error:
        raise InvalidInput("features.columns", f"{manifest.name}: {str(error).splitlines()[0]}") from None


def _cast(spec: TensorSpec, values: NDArray[Any]) -> NDArray[Any]:
    """To the graph's dtype; numbers that it takes in fixed point are given as they are."""
    if spec.scale and not spec.is_float:
        return to_stored(values.astype(np.float64), spec.scale).astype(spec.dtype)
    return values.astype(spec.dtype, copy=False)
