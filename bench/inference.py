"""What stands between a name in MLflow's registry and an answer, and a million rows, against ONNX Runtime alone."""

# ruff: noqa: PLC0415  (scikit-learn takes seconds; the other figures need none of it)

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.page import Figure, at_least, at_most
from infernet.compute.onnx_runner import find_graph
from infernet.models.store import ModelStore
from infernet.onnx_session import import_runtime
from infernet.workflows.inference_workflow import InferenceWorkflow, start_inference

WINE = """
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from infernet.workflows import Table, TrainingWorkflow


class Wine(TrainingWorkflow):
    name, target, metric = "wine", "target", "accuracy"

    def load(self):
        return Table(load_wine(as_frame=True).frame, source="UCI Wine (scikit-learn)")

    def train(self, rows, C=1.0):
        return make_pipeline(StandardScaler(), LogisticRegression(C=C)).fit(rows.features, rows.target)
"""
INFERNET = str(Path(sys.executable).with_name("infernet"))
REFERENCE = "models:/wine@champion"
COLD_RUNS, WARM_RUNS = 5, 2_000
ROWS, ROUNDS = 1_000_000, 20
SETTLING_S = 0.05
"""ONNX Runtime's threads spin for a while after a call, at the cost of whoever comes next."""


async def measure_inference() -> list[Figure]:
    """A version that was trained and registered as a user does it."""
    with tempfile.TemporaryDirectory(prefix="infernet-bench-") as name:
        folder = Path(name)
        rows = _train(folder)
        cold = _measure_command(folder)
        store = folder / "models"
        workflow = start_inference(REFERENCE, store=store, tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
        graph = ModelStore(store).folder_of(workflow.loaded.hash) / find_graph(workflow.loaded.manifest).path
        return [cold, _measure_one(workflow, rows[:1]), _measure_many(workflow, graph, rows)]


def _train(folder: Path) -> NDArray[np.float32]:
    """The rows that it has learned from."""
    from sklearn.datasets import load_wine

    (folder / "wine.py").write_text(WINE)
    subprocess.run([INFERNET, "train", "wine.py"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    frame = load_wine(as_frame=True).data
    frame.head(1).to_csv(folder / "rows.csv", index=False)
    return np.ascontiguousarray(frame.to_numpy(np.float32))


def _measure_command(folder: Path) -> Figure:
    """The first run fetches the model into the store."""
    command = [INFERNET, "infer", REFERENCE, "rows.csv", "--json"]

    def run() -> None:
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)

    first_s, later_s = _time(run), median(_time(run) for _ in range(COLD_RUNS))
    return Figure(
        f"`infernet infer {REFERENCE}`, the whole command, p50 of {COLD_RUNS}",
        f"{later_s:.2f} s ({first_s:.2f} s with the model's fetching)",
        "≤ 2 s",
        checks=(at_most("s", max(first_s, later_s), 2),),
    )


def _measure_one(workflow: InferenceWorkflow, row: NDArray[np.float32]) -> Figure:
    """By the names of its columns, as a table's row comes."""
    manifest, session = workflow.loaded.manifest, workflow.loaded.session
    columns = dict(zip(manifest.inputs[0].columns or (), row.T, strict=True))
    features, names = workflow.preprocess(columns), [spec.name for spec in manifest.outputs]
    if not np.array_equal(session.run(names, features)[0], np.asarray(workflow(columns)[names[0]])):
        raise RuntimeError("the workflow answers something else than its graph")
    ours_ms, plain_ms = (
        1000 * median(_time(run) for _ in range(WARM_RUNS))
        for run in (lambda: workflow(columns), lambda: session.run(names, features))
    )
    return Figure(
        f"one row through that workflow, over ONNX Runtime alone, p50 of {WARM_RUNS:,}",
        f"+ {ours_ms - plain_ms:.3f} ms ({plain_ms:.3f} ms)",
        "≤ 1 ms",
        checks=(at_most("ms", ours_ms - plain_ms, 1),),
    )


def _measure_many(workflow: InferenceWorkflow, graph: Path, rows: NDArray[np.float32]) -> Figure:
    """In turns, and the best of each counts: what else the machine does is no part of it."""
    manifest, many = workflow.loaded.manifest, np.resize(rows, (ROWS, rows.shape[1]))
    feeds, names = {manifest.inputs[0].name: many}, [spec.name for spec in manifest.outputs]
    plain = import_runtime().InferenceSession(graph, providers=["CPUExecutionProvider"])
    if not np.array_equal(plain.run(names, feeds)[0], workflow(many)[names[0]]):
        raise RuntimeError("the workflow answers something else than its graph")
    turns = [
        (_time_settled(lambda: workflow(many)), _time_settled(lambda: plain.run(names, feeds))) for _ in range(ROUNDS)
    ]
    ours_s, plain_s = map(min, zip(*turns, strict=True))
    share = 100 * plain_s / ours_s
    return Figure(
        f"{ROWS:,} rows of {rows.shape[1]} numbers through that workflow, {os.cpu_count()} processors",
        f"{ROWS / ours_s / 1e6:.1f} million rows a second, {share:.0f} % of one call of ONNX Runtime",
        "≥ 90 %",
        checks=(at_least("% of ONNX Runtime's", share, 90),),
    )


def _time_settled(run: Callable[[], Any]) -> float:
    time.sleep(SETTLING_S)
    return _time(run)


def _time(run: Callable[[], Any]) -> float:
    began_s = time.perf_counter()
    run()
    return time.perf_counter() - began_s
