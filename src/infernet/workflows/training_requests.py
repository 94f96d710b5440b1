"""Training that contracts ask for: inside a worker, features in, a new version out."""

from __future__ import annotations

import json
import math
import resource
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import structlog

from infernet.errors import InvalidInput, JobRejected, NodeMisconfigured
from infernet.models import ModelStore, StoredModel
from infernet.protocol.abi_codec import encode_abi
from infernet.workflows.registry import Registry
from infernet.workflows.tracker import Tracker, open_tracker
from infernet.workflows.trainer import TrainedVersion, run_training
from infernet.workflows.workflow import TrainingWorkflow, load_workflow, read_parameters

RUNS = "trained/runs"
"""In a model store: the MLflow run of each version that was trained here, in a file named by the manifest hash."""
OUTPUT_ABI = ("string", "bytes32", "int256")
"""Name of the new version, its manifest hash, its metric times 10**18."""
MAX_REQUEST_BYTES = 4096
METRIC_DECIMALS = 18
_DEFAULT_SEED, _SEEDS = 7, 2**32

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """What a contract may choose of a training."""

    seed: int = _DEFAULT_SEED
    params: dict[str, Any] = field(default_factory=dict)


def load_training(
    workflow: str,
    workflow_name: str | None,
    tracking_uri: str,
    model_store: str,
    max_rows: int,
    max_bytes: int,
    memory_bytes: int | None,
) -> Callable[[bytes], bytes]:
    """Load a workflow, and give back what trains it.

    Args:
        workflow: path of its Python file.
        max_rows, max_bytes: the most that `load()` may return.
        memory_bytes: the most address space that this process may take.

    Raises:
        NodeMisconfigured: what is wrong with the file; `workflows.not_installed`, `registry.unusable`.
        RetryLater: `registry.unreachable`.
    """
    limit_memory(memory_bytes)
    try:
        loaded = load_workflow(Path(workflow), workflow_name)
        read_parameters(loaded)
    except InvalidInput as error:
        raise NodeMisconfigured(error.code, error.message) from error
    _limit_data(loaded, max_rows, max_bytes)
    open_tracker(tracking_uri)  # what is wrong is said when the node starts

    def run(features: bytes) -> bytes:
        request = parse_training_request(features, loaded)
        tracker = open_tracker(tracking_uri)
        trained = run_training(
            loaded,
            request.params,
            seed=request.seed,
            tracker=tracker,
            once=True,
            checkpoints=Path(model_store) / "checkpoints",
            notice=lambda line: log.info("training.resumption", workflow=loaded.name, said=line),
        )
        return _encode_output(_store(tracker, trained, Path(model_store)), trained.metric)

    return run


def limit_memory(memory_bytes: int | None) -> None:
    """Whatever asks for more address space fails with a MemoryError, in this process and all that it starts."""
    if memory_bytes is not None:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def parse_training_request(features: bytes, workflow: TrainingWorkflow) -> TrainingRequest:
    """The request in a JSON object: `{"seed": 7, "params": {"C": 0.3}}`, either or both left out for the defaults.

    Raises:
        JobRejected: `training.request`.
    """
    content = _decode(features)
    if unknown := sorted(set(content) - {"seed", "params"}):
        _refuse(f"it has no key {unknown[0]!r}, only seed and params")
    seed, params = content.get("seed", _DEFAULT_SEED), content.get("params", {})
    if type(seed) is not int or not 0 <= seed < _SEEDS:
        _refuse(f"seed must be an integer from 0 to {_SEEDS - 1}")
    if not isinstance(params, dict):
        _refuse("params must be an object")
    known = read_parameters(workflow)
    if strange := sorted(set(params) - set(known)):
        _refuse(f"{workflow.name} has no parameter {strange[0]!r}, it has {', '.join(known) or 'none'}")
    return TrainingRequest(seed, {name: _fit(name, value, known[name]) for name, value in params.items()})


def _decode(features: bytes) -> dict[str, Any]:
    if len(features) > MAX_REQUEST_BYTES:
        _refuse(f"it has {len(features)} bytes, {MAX_REQUEST_BYTES} are read")
    try:
        content = json.loads(features.decode(), object_pairs_hook=_build_object, parse_constant=_refuse)
    except (ValueError, RecursionError):
        _refuse("it is no JSON")
    if not isinstance(content, dict):
        _refuse("it is no JSON object")
    return content


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) < len(pairs):
        _refuse("a key stands in it twice")
    return built


def _fit(name: str, value: Any, default: Any) -> Any:
    """The value as a parameter with that default takes it: one value has one spelling, which the manifest holds."""
    if type(default) is float and type(value) is int and abs(value) <= 2**53:
        value = float(value)
    if type(value) not in (bool, int, float, str) or (default is not None and type(value) is not type(default)):
        kind = "a number, a text, true or false" if default is None else f"a {type(default).__name__}"
        _refuse(f"{name} must be {kind}")
    if isinstance(value, float) and not math.isfinite(value):
        _refuse(f"{name} must be finite")
    return value


def _refuse(reason: str) -> NoReturn:
    raise JobRejected("training.request", f"the features are no training request: {reason}")


def _limit_data(workflow: TrainingWorkflow, max_rows: int, max_bytes: int) -> None:
    load = workflow.load

    def load_within() -> Any:
        loaded = load()
        frame: Any = getattr(loaded, "frame", loaded)
        if hasattr(frame, "memory_usage"):
            rows, size_bytes = len(frame), int(frame.memory_usage(deep=True).sum())
            if rows > max_rows or size_bytes > max_bytes:
                raise JobRejected(
                    "training.too_large",
                    f"load() of {workflow.name} returned {rows} rows of {size_bytes} bytes, the container takes "
                    f"{max_rows} rows and {max_bytes} bytes: set max_rows or max_bytes higher",
                )
        return loaded

    workflow.load = load_within  # type: ignore[method-assign]


def _store(tracker: Tracker, trained: TrainedVersion, root: Path) -> StoredModel:
    """Put the version into this node's store, under its name, and write down the run that made it."""
    registry = Registry(tracker)
    version = next(known for known in registry.list_versions(trained.model) if known.number == trained.version)
    with tempfile.TemporaryDirectory(prefix="infernet-") as work:
        model = ModelStore(root).add(registry.fetch_folder(version, Path(work)))
    runs = root / RUNS
    runs.mkdir(parents=True, exist_ok=True)
    (runs / model.hash).write_text(version.run_id or "", encoding="utf-8")
    return model


def _encode_output(model: StoredModel, metric: str) -> bytes:
    provenance = model.manifest.provenance
    figures = (provenance.metrics if provenance else None) or {}
    scaled = int(Decimal(figures[f"held_out_{metric}"]).scaleb(METRIC_DECIMALS))
    return encode_abi(OUTPUT_ABI, [model.manifest.name, bytes.fromhex(model.hash), scaled])
