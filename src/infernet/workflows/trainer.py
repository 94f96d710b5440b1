"""One training from the data to a registered version: everything is checked before, and registered at once after."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from infernet.workflows.cluster import Cluster, connecting
from infernet.workflows.data import Rows
from infernet.workflows.finished import Finished, TrainedVersion
from infernet.workflows.preparation import Prepared, check_schema, prepare
from infernet.workflows.progress import Progress, showing_progress, stopping_early
from infernet.workflows.registry import Registry
from infernet.workflows.runs import Run, mark_abandoned_runs, recording
from infernet.workflows.search import Search, Trial
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
) -> TrainedVersion:
    """Train, evaluate, convert, log, register; the champion moves where the metric on the held-out rows improves.

    Args:
        params: of the workflow's `train`, over its defaults.
        tracker: MLflow; `open_tracker()` unless given.
        search: how many settings of the workflow's space to try before; the best one is trained.
        ray: a Ray cluster's address, `local` for one on this machine: it trains and searches there.
        new_schema: the data may have other columns than the champion was trained with.
        once: the version that is there already, where this training has made the same model before.

    Raises:
        InvalidInput: what is wrong with the workflow, its data or its model; nothing was registered.
        RetryLater: `registry.unreachable`.
        KeyboardInterrupt: the run is marked KILLED, nothing was registered.
    """
    with needing_extra(), connecting(ray) as cluster:
        return _run(workflow, params or {}, seed, tracker or open_tracker(), search, cluster, new_schema, once)


def _run(
    workflow: TrainingWorkflow,
    params: Mapping[str, Any],
    seed: int,
    tracker: Tracker,
    search: int,
    cluster: Cluster | None,
    new_schema: bool,
    once: bool,
) -> TrainedVersion:
    tracker.check()
    registry = Registry(tracker)
    chosen = parse_parameters(workflow, params)
    prepared = prepare(workflow)
    since = check_schema(registry, workflow, prepared, new_schema)
    mark_abandoned_runs(tracker, tracker.find_experiment(workflow.name))
    with showing_progress() as watch, recording(tracker, workflow, seed) as run:
        run.log_data(prepared.table, prepared.data_hash, prepared.split)
        if search:
            chosen = _search(run, workflow, prepared, chosen, seed, search, Progress(watch), cluster)
        run.log_params({**chosen, "seed": seed})
        progress = Progress(watch)
        started = time.perf_counter()
        train = cluster.train if cluster else train_here
        estimator = train(workflow, prepared.split.train, chosen, seed, progress)
        took_s = time.perf_counter() - started
        run.log_history(progress, took_s)
        watch("converting, logging", 0, None)
        finished = Finished(run, workflow, prepared, chosen, seed, progress, took_s, once)
        return finished.register(registry, estimator, since, comparable=not new_schema)


def _search(
    run: Run,
    workflow: TrainingWorkflow,
    prepared: Prepared,
    params: Mapping[str, Any],
    seed: int,
    trials: int,
    progress: Progress,
    cluster: Cluster | None,
) -> dict[str, Any]:
    at_once = cluster.count_cpus() if cluster else 1
    search = Search(workflow, prepared.split.train, params, prepared.metric, seed, at_once)
    evaluate = partial(cluster.score, search) if cluster else None

    def told(trial: Trial) -> None:
        run.log_trial(f"trial {trial.number}", trial.params, trial.score, trial.error)

    best = search.run(trials, progress, told, evaluate)
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
