"""From a trained estimator to a registered version."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infernet.models.store import read_manifest, verify_files
from infernet.protocol.manifest import Manifest, compute_manifest_hash
from infernet.workflows.evaluation import Evaluation
from infernet.workflows.flavours import Converted, convert
from infernet.workflows.manifests import MODEL_FILE, build_manifest
from infernet.workflows.metrics import compute_scores, format_score
from infernet.workflows.plots import encode_png
from infernet.workflows.predictions import Model
from infernet.workflows.preparation import Prepared
from infernet.workflows.progress import Progress
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
from infernet.workflows.runs import Run
from infernet.workflows.workflow import TrainingWorkflow, compute_code_hash

_QUICK_S = 1.0
"""Of trainings that are over sooner there are learning curves."""


@dataclass(frozen=True, slots=True)
class TrainedVersion:
    """What came of a training.

    Attributes:
        version: MLflow's number.
        manifest_hash: 64 hex digits.
        score: by `metric`, on the held-out rows.
        champion: the version that the alias stands for now.
        ended_at: where Ctrl-C ended the training, None where it did not.
        resumed_from: the run whose training it went on with, None where it began at the beginning.
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
    resumed_from: str | None = None

    @property
    def is_champion(self) -> bool:
        return self.champion == self.version


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
            self.took_s < _QUICK_S and self.progress.ended_at is None,
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
        version = registry.register(self.workflow.name, logged, self.run.id, tags, once=self.once)
        if version.run_id != self.run.id:  # another trainer was faster
            self.run.tag({"infernet.same_as": version.number})
        return version

    def _promote(self, registry: Registry, version: Version, since: int, *, comparable: bool) -> Version:
        split, metric = self.prepared.split, self.prepared.metric

        def score_again(rival: Version) -> float | None:
            if not comparable and rival.tags.get(SCHEMA_HASH) != self.prepared.schema_hash:
                return None
            with tempfile.TemporaryDirectory(prefix="infernet-") as work:
                folder = registry.fetch_folder(rival, Path(work))
                manifest = read_manifest(folder)
                verify_files(manifest, folder)
                model = Model((folder / MODEL_FILE).read_bytes(), manifest.inputs, manifest.outputs)
            predicted = model.predict(split.held_out.matrix())
            return compute_scores(metric, split.held_out.target.to_numpy(), predicted)[metric.name]

        return registry.promote(version, metric, split.held_out_hash, score_again, since=since)
