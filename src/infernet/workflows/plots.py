"""What a run leaves to look at: where the model errs, how sure it is, what it looks at, whether more data helps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infernet.workflows.metrics import Metric
from infernet.workflows.predictions import Model
from infernet.workflows.tracker import build_missing

if TYPE_CHECKING:
    from infernet.workflows.data import Rows

_MOST_CLASSES = 20
_MOST_BARS = 20
_MOST_ROWS = 1000
_BINS = 10
_DPI = 90


def plot_confusion(truth: NDArray[Any], predicted: NDArray[Any], classes: Sequence[str] | None) -> Any:
    """How often each class was taken for which."""
    labels = np.union1d(truth, predicted)
    counts = np.array([[int(((truth == a) & (predicted == b)).sum()) for b in labels] for a in labels])
    names = [classes[int(label)] if classes else str(label) for label in labels]
    longest = max(map(len, names))
    figure, axes = _draw("Confusion on held-out rows", "predicted", "true", room=min(0.12 + longest / 80, 0.35))
    axes.imshow(counts, cmap="Blues")
    axes.set_xticks(range(len(labels)), names, rotation=90 if longest > 3 else 0)
    axes.set_yticks(range(len(labels)), names)
    if len(labels) <= _MOST_CLASSES:
        for row, column in np.ndindex(*counts.shape):
            colour = "white" if counts[row, column] > counts.max() / 2 else "black"
            axes.text(column, row, counts[row, column], ha="center", va="center", color=colour)
    return figure


def plot_calibration(truth: NDArray[Any], labels: NDArray[Any], probabilities: NDArray[Any]) -> Any:
    """How often an answer of some probability is right.

    Args:
        labels: of the columns of `probabilities`, which has the shape [rows, classes].
    """
    sure = probabilities.max(axis=1)
    right = labels[probabilities.argmax(axis=1)] == truth
    bins = np.clip((sure * _BINS).astype(int), 0, _BINS - 1)
    filled = [place for place in range(_BINS) if (bins == place).any()]
    figure, axes = _draw("Calibration on held-out rows", "probability of the answer", "share of answers that are right")
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    axes.plot([sure[bins == b].mean() for b in filled], [right[bins == b].mean() for b in filled], marker="o")
    for place in filled:
        axes.annotate(str(int((bins == place).sum())), (sure[bins == place].mean(), right[bins == place].mean()))
    return figure


def plot_residuals(truth: NDArray[Any], predicted: NDArray[Any]) -> Any:
    """By how much each prediction misses."""
    figure, axes = _draw("Residuals on held-out rows", "predicted", "true - predicted")
    axes.axhline(0, color="grey", linestyle=":")
    axes.scatter(predicted, truth - predicted, s=8, alpha=0.5)
    return figure


def plot_forecast(truth: NDArray[Any], predicted: NDArray[Any]) -> Any:
    """Truth and prediction, held-out row by held-out row."""
    figure, axes = _draw("Forecast of held-out rows", "row", "target")
    axes.plot(truth[-_MOST_ROWS:], label="true", linewidth=1)
    axes.plot(predicted[-_MOST_ROWS:], label="predicted", linewidth=1)
    axes.legend()
    return figure


def compute_importances(model: Model, rows: Rows, metric: Metric, seed: int) -> dict[str, float]:
    """What the metric loses when a feature's values are shuffled among the rows (Breiman 2001), largest first."""
    features, truth = rows.matrix()[:_MOST_ROWS].copy(), rows.target.to_numpy()[:_MOST_ROWS]
    shuffled = np.random.default_rng(seed).permutation(len(features))
    whole = metric.compute(truth, model.predict(features))
    losses = {}
    for place, name in enumerate(rows.columns):
        kept = features[:, place].copy()
        features[:, place] = kept[shuffled]
        loss = whole - metric.compute(truth, model.predict(features))
        losses[name] = loss if metric.higher_is_better else -loss
        features[:, place] = kept
    return dict(sorted(losses.items(), key=lambda item: -item[1]))


def plot_importances(importances: Mapping[str, float], metric: Metric) -> Any:
    """The features that count most."""
    shown = list(importances.items())[:_MOST_BARS][::-1]
    figure, axes = _draw("Feature importance on held-out rows", f"{metric.name} lost when shuffled", "", room=0.35)
    axes.barh([name for name, _ in shown], [loss for _, loss in shown])
    return figure


def plot_learning(curves: Mapping[str, Sequence[tuple[float, float]]], what: str) -> Any:
    """Curves of (step, value)."""
    figure, axes = _draw("Learning curve", what, "")
    for name, points in curves.items():
        axes.plot(*zip(*points, strict=True), marker="o" if len(points) < _MOST_BARS else None, label=name)
    axes.legend()
    return figure


def encode_png(figure: Any) -> bytes:
    """A figure as an image."""
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi=_DPI)
    return stream.getvalue()


def _draw(title: str, x: str, y: str, *, room: float = 0.12) -> tuple[Any, Any]:
    """A figure with one pair of axes, and some of its width and height left for their labels."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415  (an extra; without pyplot there is no global state)
    except ModuleNotFoundError as error:
        raise build_missing(error) from None
    figure = Figure(figsize=(6, 4.5))  # matplotlib's own layouts draw everything twice
    figure.subplots_adjust(left=room, bottom=min(room, 0.25), right=0.97, top=0.92)
    axes = figure.subplots()
    axes.set(title=title, xlabel=x, ylabel=y)
    return figure, axes
