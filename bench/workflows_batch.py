"""A million rows through a workflow's graph, against ONNX Runtime itself."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

import numpy as np

from bench.page import Figure, at_least
from infernet.onnx_session import open_session
from infernet.workflows.batches import run_batches
from infernet.workflows.data import Rows
from infernet.workflows.flavours import convert

ROWS = 1_000_000
ROUNDS = 40


async def measure_batches() -> list[Figure]:
    """The same rows, graph and processors, in turns: what else the machine does falls on both."""
    import onnxruntime  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415
    from sklearn.datasets import load_wine  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    features, target = load_wine(return_X_y=True, as_frame=True)
    features = features.astype("float32")
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(features, target)
    content = convert(estimator, Rows(features, pd.Series(target))).onnx
    feeds = {"features": np.resize(features.to_numpy(), (ROWS, features.shape[1]))}
    ours, plain = open_session(content), onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    if not np.array_equal(run_batches(ours, feeds, ["label"])["label"], plain.run(["label"], feeds)[0]):
        raise RuntimeError("the answers differ from ONNX Runtime's")
    rounds = [
        (_time(lambda: run_batches(ours, feeds, ["label"])), _time(lambda: plain.run(["label"], feeds)))
        for _ in range(ROUNDS)
    ]
    rows_per_s = ROWS / min(ours_s for ours_s, _ in rounds)
    share = 100 * statistics.median(plain_s / ours_s for ours_s, plain_s in rounds)
    what = f"{ROWS:,} rows of 13 numbers through a workflow's classifier, {os.cpu_count()} processors"
    return [
        Figure(
            what,
            f"{rows_per_s / 1e6:.1f} million rows/s, {share:.0f} % of one call of ONNX Runtime",
            "≥ 90 % of plain ONNX Runtime",
            checks=(at_least("rows a second, % of ONNX Runtime's", share, 90),),
        )
    ]


def _time(run: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    run()
    return time.perf_counter() - began_s
