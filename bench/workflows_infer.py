"""What stands between a name in MLflow's registry and an answer: cold, as a command; warm, over ONNX Runtime alone.

python bench/workflows_infer.py
"""

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
from sklearn.datasets import load_wine

from infernet.workflows.inference_workflow import start_inference

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
COLD_RUNS, WARM_RUNS = 7, 2_000


def measure() -> dict[str, float]:
    """Seconds cold and milliseconds warm.

    Returns:
        `cold_first_s`: the whole command, the model not fetched yet; `cold_s`: the same afterwards, the median;
        `warm_ms`: one row through the workflow; `warm_bare_ms`: the same features through the session alone.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        row = _prepare(folder)
        command = [INFERNET, "infer", REFERENCE, "rows.csv", "--json"]
        times = [_measure_command(command, folder) for _ in range(COLD_RUNS)]
        warm, bare = _measure_warm(folder, row)
        return {"cold_first_s": times[0], "cold_s": median(times[1:]), "warm_ms": warm, "warm_bare_ms": bare}


def _prepare(folder: Path) -> dict[str, list[float]]:
    """A trained version, and a row of its data."""
    (folder / "wine.py").write_text(WINE)
    subprocess.run([INFERNET, "train", "wine.py"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    frame = load_wine(as_frame=True).data.head(1)
    frame.to_csv(folder / "rows.csv", index=False)
    return {str(column): frame[column].tolist() for column in frame.columns}


def _measure_command(command: list[str], folder: Path) -> float:
    before = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - before


def _measure_warm(folder: Path, row: dict[str, list[float]]) -> tuple[float, float]:
    started = start_inference(REFERENCE, store=folder / "models", tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    features, session = started.preprocess(row), started.loaded.session
    names = [spec.name for spec in started.loaded.manifest.outputs]
    if not np.array_equal(session.run(names, dict(features))[0], np.asarray(started(row)[names[0]])):
        raise SystemExit("the workflow answers something else than the graph")
    return _measure_call(lambda: started(row)), _measure_call(lambda: session.run(names, features))


def _measure_call(call: Callable[[], Any]) -> float:
    """The median, in milliseconds."""
    times = []
    for _ in range(WARM_RUNS):
        before = time.perf_counter()
        call()
        times.append(time.perf_counter() - before)
    return 1000 * median(times)


def main() -> None:
    found = measure()
    load = os.getloadavg()[0]
    print(f"{REFERENCE} to the first answer, the whole command (load {load:.1f} on {os.cpu_count()} processors)")
    print(f"  not fetched yet            {found['cold_first_s']:.2f} s")
    print(f"  in the store               {found['cold_s']:.2f} s   (at most 2 s)")
    print("one row, warm")
    print(f"  through the workflow       {found['warm_ms']:.3f} ms")
    print(f"  ONNX Runtime alone         {found['warm_bare_ms']:.3f} ms")
    print(f"  the workflow's overhead    {found['warm_ms'] - found['warm_bare_ms']:.3f} ms   (at most 1 ms)")


if __name__ == "__main__":
    main()
