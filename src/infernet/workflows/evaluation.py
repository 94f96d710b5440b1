"""A trained model judged: its figures on the held-out rows, and the plots of its run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infernet.workflows import plots
from infernet.workflows.metrics import Metric
from infernet.workflows.predictions import Model
from infernet.workflows.progress import Progress
from infernet.workflows.search import predict
from infernet.workflows.split import Split
from infernet.workflows.workflow import TrainingWorkflow, call_train

_PARTS = (0.25, 0.5, 0.75)
_FEWEST_ROWS = 20


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What is known of a model.

    Attributes:
        predicted: the graph's answers for the held-out rows.
        history: what the training reported of itself.
        is_quick: it may be repeated on parts of the rows for a learning curve.
    """

    workflow: TrainingWorkflow
    params: Mapping[str, Any]
    seed: int
    split: Split
    metric: Metric
    estimator: Any
    model: Model
    predicted: NDArray[Any]
    history: Mapping[str, Sequence[tuple[int, float]]]
    is_quick: bool

    def draw(self) -> dict[str, Any]:
        """Figures by name."""
        importances = plots.compute_importances(self.model, self.split.held_out, self.metric, self.seed)
        figures = {"feature_importance": plots.plot_importances(importances, self.metric)}
        truth = self.split.held_out.target.to_numpy()
        if self.split.held_out.is_classes:
            classes = self.split.held_out.classes
            figures["confusion_matrix"] = plots.plot_confusion(truth, self.predicted, classes)
            if (probabilities := self._read_probabilities()) is not None:
                labels = np.asarray(self.estimator.classes_)
                figures["calibration"] = plots.plot_calibration(truth, labels, probabilities)
        else:
            figures["residuals"] = plots.plot_residuals(truth, self.predicted)
            figures["forecast"] = plots.plot_forecast(truth, self.predicted)
        if self.history:
            figures["learning_curve"] = plots.plot_learning(self.history, "step")
        elif self.is_quick:
            figures["learning_curve"] = plots.plot_learning(self._learn_on_parts(), "rows to learn from")
        return figures

    def _read_probabilities(self) -> NDArray[Any] | None:
        if not (hasattr(self.estimator, "predict_proba") and hasattr(self.estimator, "classes_")):
            return None
        by_name, rows = hasattr(self.estimator, "feature_names_in_"), self.split.held_out
        found: NDArray[Any] = np.asarray(self.estimator.predict_proba(rows.features if by_name else rows.matrix()))
        return found

    def _learn_on_parts(self) -> dict[str, list[tuple[float, float]]]:
        """The metric on the held-out rows and on those learned from, after learning from parts of them."""
        rows, judged = self.split.train, self.split.held_out
        order = np.random.default_rng(self.seed).permutation(len(rows))
        name = self.metric.name
        curves: dict[str, list[tuple[float, float]]] = {f"{name}, learned from": [], f"{name}, held out": []}
        for share in (*_PARTS, 1.0):
            part = rows.take(order < share * len(rows))
            if len(part) < _FEWEST_ROWS or (rows.is_classes and set(part.target) != set(rows.target)):
                continue
            estimator = (
                call_train(self.workflow, part, self.params, self.seed, Progress()) if share < 1 else self.estimator
            )
            for curve, of in zip(curves.values(), (part, judged), strict=True):
                found = predict(self.workflow, estimator, of)
                curve.append((len(part), self.metric.compute(of.target.to_numpy(), found)))
        return curves
