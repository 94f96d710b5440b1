"""One training from the data to a registered version: everything is checked before, and registered at once after."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from infernet.workflows.cluster import Cluster, connecting
from infernet.workflows.data import Rows
from infernet.workflows.drawer import Notice, choose_folder
from infernet.workflows.finished import Finished, TrainedVersion
from infernet.workflows.preparation import Prepared, check_schema, prepare
from infernet.workflows.progress import Progress, showing_progress, stopping_early
from infernet.workflows.registry import Registry
from infernet.workflows.resumption import Resumption, resuming
from infernet.workflows.runs import mark_abandoned_runs, recording
from infernet.workflows.search import Search
from infernet.workflows.tracker import Tracker, needing_extra, open_tracker
from infernet.workflows.workflow import TrainingWorkflow, call_train, parse_parameters, takes

__all__ = ["TrainedVersion", "run_training"]


def run_training(
    workflow: TrainingWorkflow,
    params: Mapping[str, Any] | None = None,
    *,
    seed: int = 7,
    tracker: Tracker | None = None,
    search: int = 0,
    ray: str | None = None,
    new_schema: bool = False,
    once: bool = False,
    fresh: bool = False,
    checkpoints: Path | None = None,
    notice: Notice = lambda line: None,
) -> TrainedVersion:
    """Train, evaluate, convert, log, register; the champion moves where the metric on the held-out rows improves.

    A training that was killed goes on from its checkpoint, and a search behind its last trial, where the workflow's
    code, the data, the parameters, the seed and the packages are the same.

    Args:
        params: of the workflow's `train`, over its defaults.
        tracker: MLflow; `open_tracker()` unless given.
        search: how many settings of the workflow's space to try before; the best one is trained.
        ray: a Ray cluster's address, `local` for one on this machine: it trains and searches there.
        new_schema: the data may have other columns than the champion was trained with.
        once: the version that is there already, where this training has made the same model before; what goes on from
            a checkpoint is then what would come without.
        fresh: begin at the beginning, whatever checkpoint there is.
        checkpoints: their folder; `choose_folder()` unless given.
        notice: told, in one line, where the training goes on, or why a checkpoint is not used.

    Raises:
        InvalidInput: what is wrong with the workflow, its data or its model; nothing was registered.
        RetryLater: `registry.unreachable`.
        KeyboardInterrupt: the run is marked KILLED, nothing was registered.
    """
    with needing_extra(), connecting(ray) as cluster:
        options = _Options(search, new_schema, once, fresh, checkpoints or choose_folder(), notice)
        return _run(workflow, params or {}, seed, tracker or open_tracker(), cluster, options)


@dataclass(frozen=True, slots=True)
class _Options:
    """What `run_training` says of them."""

    search: int
    new_schema: bool
    once: bool
    fresh: bool
    checkpoints: Path
    notice: Notice


def _run(
    workflow: TrainingWorkflow,
    params: Mapping[str, Any],
    seed: int,
    tracker: Tracker,
    cluster: Cluster | None,
    options: _Options,
) -> TrainedVersion:
    tracker.check()
    registry = Registry(tracker)
    chosen = parse_parameters(workflow, params)
    prepared = prepare(workflow)
    since = check_schema(registry, workflow, prepared, options.new_schema)
    mark_abandoned_runs(tracker, tracker.find_experiment(workflow.name))
    with (
        showing_progress() as watch,
        recording(tracker, workflow, seed) as run,
        resuming(
            run,
            workflow,
            prepared,
            seed,
            options.checkpoints,
            options.notice,
            fresh=options.fresh,
            exact_only=options.once,
        ) as resumption,
    ):
        run.log_data(prepared.table, prepared.data_hash, prepared.split)
        if options.search:
            chosen = _search(resumption, prepared, chosen, seed, options.search, Progress(watch), cluster)
        run.log_params({**chosen, "seed": seed})
        saving = resumption.open_saving(chosen) if takes(workflow, "progress") else None
        progress = Progress(watch, saving=saving)
        started = time.perf_counter()
        train = cluster.train if cluster else train_here
        estimator = train(workflow, prepared.split.train, chosen, seed, progress)
        took_s = time.perf_counter() - started + (saving.found.took_s if saving and saving.found else 0.0)
        run.log_history(progress, took_s)
        watch("converting, logging", 0, None)
        finished = Finished(run, workflow, prepared, chosen, seed, progress, took_s, options.once)
        version = finished.register(registry, estimator, since, comparable=not options.new_schema)
        return replace(version, resumed_from=resumption.resumed_from)


def _search(
    resumption: Resumption,
    prepared: Prepared,
    params: Mapping[str, Any],
    seed: int,
    trials: int,
    progress: Progress,
    cluster: Cluster | None,
) -> dict[str, Any]:
    run, workflow = resumption.run, resumption.workflow
    at_once = cluster.count_cpus() if cluster else 1
    search = Search(workflow, prepared.split.train, params, prepared.metric, seed, at_once)
    evaluate = partial(cluster.score, search, progress) if cluster else None
    kept = resumption.open_trials(params, at_once)
    best = search.run(trials, progress, kept.add, evaluate, kept.known)
    tags = {"infernet.search": f"trial {best.number}, {prepared.metric.name} {best.score} by cross-validation"}
    if progress.ended_at:
        tags["infernet.search_ended_early"] = f"Ctrl-C after {progress.ended_at}"
    run.tag(tags)
    return dict(best.params)


def train_here(workflow: TrainingWorkflow, rows: Rows, params: Mapping[str, Any], seed: int, progress: Progress) -> Any:
    """The workflow's own `train`, which Ctrl-C ends.

    Raises:
        InvalidInput: `workflow.no_model`.
    """
    with stopping_early(progress, asks=takes(workflow, "progress")):
        return call_train(workflow, rows, params, seed, progress)
