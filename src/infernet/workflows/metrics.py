"""How good predictions are, and which way is better."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infernet.errors import InvalidInput

Values = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure of predictions against the truth.

    Attributes:
        compute: of (truth, predicted), both of shape [rows].
        for_classes: of labels; else of amounts.
    """

    name: str
    compute: Callable[[Values, Values], float]
    for_classes: bool
    higher_is_better: bool = True

    def is_better(self, score: float, than: float) -> bool:
        return score > than if self.higher_is_better else score < than


def _accuracy(truth: Values, predicted: Values) -> float:
    return float((truth == predicted).mean())


def _compute_shares(truth: Values, predicted: Values) -> tuple[list[float], list[float]]:
    """Recall and F1 of each class that occurs in the truth."""
    recalls, f1s = [], []
    for label in np.unique(truth):
        right = int(((truth == label) & (predicted == label)).sum())
        are, said = int((truth == label).sum()), int((predicted == label).sum())
        recalls.append(right / are)
        f1s.append(2 * right / (are + said))
    return recalls, f1s


def _balanced_accuracy(truth: Values, predicted: Values) -> float:
    return float(np.mean(_compute_shares(truth, predicted)[0]))


def _f1(truth: Values, predicted: Values) -> float:
    return float(np.mean(_compute_shares(truth, predicted)[1]))


def _rmse(truth: Values, predicted: Values) -> float:
    return math.sqrt(float(((truth - predicted) ** 2).mean()))


def _mae(truth: Values, predicted: Values) -> float:
    return float(np.abs(truth - predicted).mean())


def _r2(truth: Values, predicted: Values) -> float:
    return 1.0 - float(((truth - predicted) ** 2).sum()) / float(((truth - truth.mean()) ** 2).sum())


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", _accuracy, for_classes=True),
        Metric("balanced_accuracy", _balanced_accuracy, for_classes=True),
        Metric("f1", _f1, for_classes=True),
        Metric("r2", _r2, for_classes=False),
        Metric("rmse", _rmse, for_classes=False, higher_is_better=False),
        Metric("mae", _mae, for_classes=False, higher_is_better=False),
    )
}


def find_metric(metric: str | Metric, *, for_classes: bool) -> Metric:
    """The metric of that name.

    Raises:
        InvalidInput: `workflow.metric`: there is none, or it belongs to the other kind of target.
    """
    found = METRICS.get(metric) if isinstance(metric, str) else metric
    if found is None or found.for_classes is not for_classes:
        kind = "classes" if for_classes else "amounts"
        fitting = ", ".join(known.name for known in METRICS.values() if known.for_classes is for_classes)
        raise InvalidInput(
            "workflow.metric", f"{metric!r} is no metric for a target of {kind}: choose one of {fitting}"
        )
    return found


def compute_scores(metric: Metric, truth: Values, predicted: Values) -> dict[str, float]:
    """The chosen metric first, then the others that fit.

    Raises:
        InvalidInput: `training.metric_nan`.
    """
    fitting = [known for known in METRICS.values() if known.for_classes is metric.for_classes]
    scores = {known.name: known.compute(truth, predicted) for known in (metric, *fitting)}
    if not math.isfinite(scores[metric.name]):
        unfit = int((~np.isfinite(predicted.astype(np.float64))).sum())
        raise InvalidInput(
            "training.metric_nan",
            f"{metric.name} on the held-out rows is {scores[metric.name]}: {unfit} of {len(predicted)} predictions are "
            "no numbers, nothing was registered",
        )
    return {name: score for name, score in scores.items() if math.isfinite(score)}


def format_score(score: float) -> str:
    """As a manifest holds it: six places, no exponent."""
    return f"{score:.6f}"
