"""What a workflow costs over the same training written with the libraries themselves.

Both load, split, fit, judge, convert, compare the graph with the model, draw three plots, log, register to one store,
in a process that has imported everything. What differs is the layer's own: hashes of the data, checks of it, the
manifest, the second look at the graph as numbers travel, the environment and code of the run, the champion. They take
turns, and the best of each counts. Seconds are the process's own (CPU), on one thread: what else the machine does is no
part of them. The fit is left out of the difference, as it is the same call in both.
"""

# ruff: noqa: PLC0415  (the by-hand side imports as its manuals do)

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.page import Figure, at_most
from infernet.workflows import Rows, Table, TrainingWorkflow, run_training
from infernet.workflows.tracker import Tracker, open_tracker

_ROWS, _COLUMNS, _ROUNDS, _TURNS = 120_000, 100, 150, 2
_WARM_UP_ROUNDS = 5


def build_frame() -> pd.DataFrame:
    """A made-up data set, large enough that to learn it takes long."""
    chance = np.random.default_rng(7)
    features = chance.normal(size=(_ROWS, _COLUMNS)).astype(np.float32)
    score = features[:, :6].sum(axis=1) + features[:, 6] * features[:, 7] + chance.normal(size=_ROWS)
    frame = pd.DataFrame(features, columns=[f"x{place}" for place in range(_COLUMNS)])
    return frame.assign(y=(score > 0).astype(np.int64))


def fit(features: pd.DataFrame, target: pd.Series[Any], rounds: int, took: list[float]) -> Any:
    """The training that both do."""
    from lightgbm import LGBMClassifier

    started = time.process_time()
    model = LGBMClassifier(n_estimators=rounds, num_leaves=63, random_state=7, n_jobs=1, verbose=-1).fit(
        features, target
    )
    took.append(time.process_time() - started)
    return model


class Boosted(TrainingWorkflow):
    """The workflow."""

    name, target = "boosted", "y"

    def __init__(self, took: list[float]) -> None:
        self.took = took

    def load(self) -> Table:
        return Table(build_frame())

    def train(self, rows: Rows, rounds: int = _ROUNDS) -> Any:
        return fit(rows.features, rows.target, rounds, self.took)


def train_plainly(tracker: Tracker, rounds: int, took: list[float]) -> None:
    """The same by hand, as the libraries' manuals do it."""
    import mlflow
    import onnxruntime
    from matplotlib.figure import Figure as Drawing
    from mlflow.models import infer_signature
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType
    from sklearn.calibration import CalibrationDisplay
    from sklearn.inspection import permutation_importance
    from sklearn.metrics import ConfusionMatrixDisplay, accuracy_score, f1_score
    from sklearn.model_selection import train_test_split

    frame = build_frame()
    folder = tracker.uri.removeprefix("sqlite:///").removesuffix("mlflow.db") + "plain"
    features, judged, target, truth = train_test_split(
        frame.drop(columns="y"), frame["y"], test_size=0.2, random_state=7, stratify=frame["y"]
    )
    mlflow.set_tracking_uri(tracker.uri)
    if mlflow.get_experiment_by_name("plain") is None:
        mlflow.create_experiment("plain", folder)
    mlflow.set_experiment("plain")
    with mlflow.start_run():
        model = fit(features, target, rounds, took)
        predicted = model.predict(judged)
        mlflow.log_params(model.get_params())
        mlflow.log_metrics({"accuracy": accuracy_score(truth, predicted), "f1": f1_score(truth, predicted)})
        confusion, calibration, importance = Drawing(), Drawing(), Drawing()
        ConfusionMatrixDisplay.from_predictions(truth, predicted, ax=confusion.subplots())
        CalibrationDisplay.from_estimator(model, judged, truth, ax=calibration.subplots())
        losses = permutation_importance(model, judged[:1000], truth[:1000], n_repeats=1, random_state=7)
        importance.subplots().barh(list(judged.columns), losses.importances_mean)
        for name, figure in (("confusion", confusion), ("calibration", calibration), ("importance", importance)):
            mlflow.log_figure(figure, f"{name}.png")
        graph = convert_lightgbm(
            model, initial_types=[("features", FloatTensorType([None, _COLUMNS]))], zipmap=False, target_opset=15
        )
        session = onnxruntime.InferenceSession(graph.SerializeToString())
        answers = session.run(None, {"features": judged.to_numpy(np.float32)})[0]
        np.testing.assert_array_equal(answers, predicted)
        mlflow.onnx.log_model(
            graph,
            name="model",
            registered_model_name="plain",
            signature=infer_signature(judged.to_numpy(np.float32)[:5], answers[:5]),
            pip_requirements=["onnxruntime"],
        )


async def measure_training() -> list[Figure]:
    """The layer's share of a training of ten seconds and more."""
    beside: dict[str, list[float]] = {"workflow": [], "plain": []}
    fits: list[float] = []
    with tempfile.TemporaryDirectory(prefix="infernet-bench-") as work:
        tracker = open_tracker(f"sqlite:///{Path(work) / 'mlflow.db'}")
        for rounds in (_WARM_UP_ROUNDS, *[_ROUNDS] * _TURNS):
            for name, run in (("plain", train_plainly), ("workflow", _run_workflow)):
                took: list[float] = []
                started = time.process_time()
                run(tracker, rounds, took)
                if rounds == _ROUNDS:
                    beside[name].append(time.process_time() - started - took[0])
                    fits += took
    fit_s, ours_s, theirs_s = min(fits), min(beside["workflow"]), min(beside["plain"])
    percent = 100 * (ours_s - theirs_s) / (fit_s + theirs_s)
    return [
        Figure(
            f"a fit of {fit_s:.0f} s as a workflow: what the layer adds to the same training by hand",
            f"{percent:.1f} % ({ours_s:.2f} s beside the fit, by hand {theirs_s:.2f} s)",
            "≤ 2 %",
            checks=(at_most("% more", percent, 2),),
        )
    ]


def _run_workflow(tracker: Tracker, rounds: int, took: list[float]) -> None:
    run_training(Boosted(took), {"rounds": rounds}, tracker=tracker)
