"""One training from the data to a registered version: everything is checked before, and registered at once after."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from infernet.errors import InvalidInput
from infernet.models import MANIFEST_FILE
from infernet.protocol.manifest import Manifest, compute_manifest_hash, parse_manifest
from infernet.workflows.content_hash import compute_table_hash
from infernet.workflows.data import Rows, Table, build_rows
from infernet.workflows.evaluation import Evaluation
from infernet.workflows.flavours import Converted, convert
from infernet.workflows.manifests import build_manifest, compute_schema_hash, describe_change
from infernet.workflows.metrics import Metric, compute_scores, find_metric, format_score
from infernet.workflows.plots import encode_png
from infernet.workflows.predictions import Model
from infernet.workflows.progress import Progress, showing_progress, stopping_early
from infernet.workflows.registry import (
    DATA_HASH,
    HELD_OUT_HASH,
    MANIFEST_HASH,
    METRIC,
    SCHEMA_HASH,
    SCORE,
    Registry,
    Version,
)
from infernet.workflows.runs import Run, mark_abandoned_runs, recording
from infernet.workflows.search import Search, Trial
from infernet.workflows.split import Split, build_split, hold_out_later, hold_out_share
from infernet.workflows.tracker import Tracker, needing_extra, open_tracker
from infernet.workflows.workflow import (
    TrainingWorkflow,
    call_train,
    check_workflow,
    compute_code_hash,
    parse_parameters,
    takes,
)

MODEL_FILE = "model.onnx"


@dataclass(frozen=True, slots=True)
class TrainedVersion:
    """What came of a training.

    Attributes:
        version: MLflow's number.
        manifest_hash: 64 hex digits.
        score: by `metric`, on the held-out rows.
        champion: the version that the alias stands for now.
        ended_at: where Ctrl-C ended the training, None where it did not.
    """

    model: str
    version: int
    manifest_hash: str
    metric: str
    score: float
    run_id: str
    champion: int
    params: Mapping[str, Any]
    ended_at: str | None = None

    @property
    def is_champion(self) -> bool:
        return self.champion == self.version


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Checked data, cut in two."""

    table: Table
    split: Split
    data_hash: str
    schema_hash: str
    metric: Metric


def prepare(workflow: TrainingWorkflow) -> Prepared:
    """Load, check and split.

    Raises:
        InvalidInput: what is wrong with the workflow or its data.
    """
    check_workflow(workflow)
    table = _load(workflow)
    left_out = (*workflow.leave_out, *((workflow.time,) if workflow.time else ()))
    rows = build_rows(table, workflow.target, leave_out=left_out, dtype=workflow.feature_dtype)
    metric = find_metric(workflow.metric, for_classes=rows.is_classes)
    split = build_split(rows, _choose_held_out(workflow, table, rows))
    return Prepared(table, split, compute_table_hash(table.frame), compute_schema_hash(rows), metric)


def run_training(
    workflow: TrainingWorkflow,
    params: Mapping[str, Any] | None = None,
    *,
    seed: int = 7,
    tracker: Tracker | None = None,
    search: int = 0,
    new_schema: bool = False,
    once: bool = False,
) -> TrainedVersion:
    """Train, evaluate, convert, log, register; the champion moves where the metric on the held-out rows improves.

    Args:
        params: of the workflow's `train`, over its defaults.
        tracker: MLflow; `open_tracker()` unless given.
        search: how many settings of the workflow's space to try before; the best one is trained.
        new_schema: the data may have other columns than the champion was trained with.
        once: the version that is there already, where this training has made the same model before.

    Raises:
        InvalidInput: what is wrong with the workflow, its data or its model; nothing was registered.
        RetryLater: `registry.unreachable`.
        KeyboardInterrupt: the run is marked KILLED, nothing was registered.
    """
    with needing_extra():
        return _run(workflow, params or {}, seed, tracker or open_tracker(), search, new_schema, once)


def _run(
    workflow: TrainingWorkflow,
    params: Mapping[str, Any],
    seed: int,
    tracker: Tracker,
    search: int,
    new_schema: bool,
    once: bool,
) -> TrainedVersion:
    tracker.check()
    registry = Registry(tracker)
    chosen = parse_parameters(workflow, params)
    prepared = prepare(workflow)
    since = _check_schema(registry, workflow, prepared, new_schema)
    mark_abandoned_runs(tracker, tracker.find_experiment(workflow.name))
    with showing_progress() as watch, recording(tracker, workflow, seed) as run:
        run.log_data(prepared.table, prepared.data_hash, prepared.split)
        if search:
            chosen = _search(run, workflow, prepared, chosen, seed, search, Progress(watch))
        run.log_params({**chosen, "seed": seed})
        progress = Progress(watch)
        started = time.perf_counter()
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
) -> dict[str, Any]:
    search = Search(workflow, prepared.split.train, params, prepared.metric, seed)

    def told(trial: Trial) -> None:
        run.log_trial(f"trial {trial.number}", trial.params, trial.score, trial.error)

    best = search.run(trials, progress, told)
    tags = {"infernet.search": f"trial {best.number}, {prepared.metric.name} {best.score} by cross-validation"}
    if progress.ended_at:
        tags["infernet.search_ended_early"] = f"Ctrl-C after {progress.ended_at}"
    run.tag(tags)
    return dict(best.params)


def train(workflow: TrainingWorkflow, rows: Rows, params: Mapping[str, Any], seed: int, progress: Progress) -> Any:
    """The workflow's own `train`, which Ctrl-C ends.

    Raises:
        InvalidInput: `workflow.no_model`.
    """
    with stopping_early(progress, asks=takes(workflow, "progress")):
        return call_train(workflow, rows, params, seed, progress)


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """A run whose training is over."""

    run: Run
    workflow: TrainingWorkflow
    prepared: Prepared
    params: Mapping[str, Any]
    seed: int
    progress: Progress
    took_s: float
    once: bool = False

    def register(self, registry: Registry, estimator: Any, since: int, *, comparable: bool) -> TrainedVersion:
        """Convert, judge, log and register what was trained."""
        split, metric = self.prepared.split, self.prepared.metric
        converted = convert(estimator, split.held_out, export=self.workflow.export)
        model = Model(converted.onnx, converted.inputs, converted.outputs)
        predicted = model.predict(split.held_out.matrix())
        scores = compute_scores(metric, split.held_out.target.to_numpy(), predicted)
        manifest = self._describe(converted, scores)
        self.run.log_scores(scores)
        self.run.log_files("native", converted.native)
        evaluation = Evaluation(
            self.workflow,
            self.params,
            self.seed,
            split,
            metric,
            estimator,
            model,
            predicted,
            self.progress.history,
            self.took_s,
        )
        figures = evaluation.draw()
        self.run.log_files("plots", {f"{name}.png": encode_png(figure) for name, figure in figures.items()})
        version = self._write(registry, converted, manifest, scores)
        champion = self._promote(registry, version, since, comparable=comparable)
        return TrainedVersion(
            version.model,
            version.number,
            version.tags[MANIFEST_HASH],
            metric.name,
            scores[metric.name],
            self.run.id,
            champion.number,
            self.params,
            self.progress.ended_at,
        )

    def _describe(self, converted: Converted, scores: Mapping[str, float]) -> Manifest:
        prepared = self.prepared
        metrics = {
            "rows": str(len(prepared.split.train)),
            "held_out_rows": str(len(prepared.split.held_out)),
            **{f"held_out_{name}": format_score(score) for name, score in scores.items()},
        }
        code = compute_code_hash(self.workflow)
        settings = ", ".join(f"{name}={value}" for name, value in {**self.params, "seed": self.seed}.items())
        return build_manifest(
            self.workflow,
            converted,
            prepared.split.train,
            prepared.table,
            data_hash=prepared.data_hash,
            metrics=metrics,
            source=f"infernet workflow {self.workflow.name} ({settings}; code sha256 {code[:16]})",
        )

    def _write(
        self, registry: Registry, converted: Converted, manifest: Manifest, scores: Mapping[str, float]
    ) -> Version:
        prepared = self.prepared
        tags = {
            MANIFEST_HASH: compute_manifest_hash(manifest).hex(),
            DATA_HASH: prepared.data_hash,
            HELD_OUT_HASH: prepared.split.held_out_hash,
            SCHEMA_HASH: prepared.schema_hash,
            METRIC: prepared.metric.name,
            SCORE: format_score(scores[prepared.metric.name]),
        }
        if self.progress.ended_at:
            tags["infernet.ended_early"] = f"Ctrl-C after {self.progress.ended_at}"
        same = registry.find_same(self.workflow.name, tags[MANIFEST_HASH]) if self.once else None
        if same is not None:
            self.run.tag({**tags, "infernet.same_as": same.number})
            return same
        logged = self.run.log_model(converted, manifest, prepared.split.held_out, scores)
        self.run.tag(tags)
        return registry.register(self.workflow.name, logged, self.run.id, tags)

    def _promote(self, registry: Registry, version: Version, since: int, *, comparable: bool) -> Version:
        split, metric = self.prepared.split, self.prepared.metric

        def score_again(rival: Version) -> float:
            if not comparable and rival.tags.get(SCHEMA_HASH) != self.prepared.schema_hash:
                return -np.inf if metric.higher_is_better else np.inf
            with tempfile.TemporaryDirectory(prefix="infernet-") as work:
                folder = registry.fetch_folder(rival, Path(work))
                manifest = parse_manifest((folder / MANIFEST_FILE).read_bytes())
                model = Model((folder / MODEL_FILE).read_bytes(), manifest.inputs, manifest.outputs)
            predicted = model.predict(split.held_out.matrix())
            return compute_scores(metric, split.held_out.target.to_numpy(), predicted)[metric.name]

        return registry.promote(version, metric, split.held_out_hash, score_again, since=since)


def _load(workflow: TrainingWorkflow) -> Table:
    import pandas as pd  # noqa: PLC0415

    loaded = workflow.load()
    if isinstance(loaded, pd.DataFrame):
        return Table(loaded, source=workflow.name)
    if not isinstance(loaded, Table):
        kind = type(loaded).__name__
        raise InvalidInput("workflow.no_table", f"{workflow.name}'s load() returned a {kind}: return a Table")
    return replace(loaded, frame=loaded.frame.reset_index(drop=True))


def _choose_held_out(workflow: TrainingWorkflow, table: Table, rows: Rows) -> Any:
    for name in (*workflow.held_out_by, *((workflow.time,) if workflow.time else ())):
        if name not in table.frame:
            raise InvalidInput("workflow.held_out", f"there is no column {name!r} to hold rows out by")
    if workflow.time is not None:
        return hold_out_later(table.frame[workflow.time], workflow.since)
    keys = table.frame[list(workflow.held_out_by)] if workflow.held_out_by else rows.features
    return hold_out_share(keys, workflow.held_out)


def _check_schema(registry: Registry, workflow: TrainingWorkflow, prepared: Prepared, new_schema: bool) -> int:
    """The newest version's number; 0 where there is none."""
    champion = registry.find_champion(workflow.name)
    versions = registry.list_versions(workflow.name)
    if champion is not None and champion.is_ours and not new_schema:
        was = champion.tags.get(SCHEMA_HASH)
        if was != prepared.schema_hash:
            with tempfile.TemporaryDirectory(prefix="infernet-") as work:
                folder = registry.fetch_folder(champion, Path(work))
                manifest = parse_manifest((folder / MANIFEST_FILE).read_bytes())
            raise InvalidInput(
                "data.schema_changed",
                f"the data has other columns than version {champion.number} of {workflow.name}, which contracts may "
                f"use: {describe_change(manifest, prepared.split.train)}; give the workflow another name, or allow it "
                "by --new-schema",
            )
    return versions[-1].number if versions else 0
