"""The workflows of `examples/workflows`, run as their users run them, on the real data that packages bring."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from needs import need

from infernet.workflows.data import Rows
from infernet.workflows.preparation import prepare
from infernet.workflows.registry import Registry
from infernet.workflows.split import Split
from infernet.workflows.workflow import load_workflow

EXAMPLES = Path(__file__).parents[2] / "examples" / "workflows"
ROWS = 20


def run(uri: str, *words: str) -> dict[str, Any]:
    command = [str(Path(sys.executable).with_name("infernet")), *words, "--json"]
    env = {**os.environ, "MLFLOW_TRACKING_URI": uri}
    done = subprocess.run(command, cwd=EXAMPLES.parents[1], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def guess_commonest(split: Split) -> float:
    """The accuracy of always saying what most rows say."""
    return float((split.held_out.target == split.train.target.mode()[0]).mean())


def guess_moving_average(split: Split) -> float:
    """Theil's U of the month's moving average, which the model itself is given."""
    truth, rule = split.held_out.target.to_numpy(), split.held_out.features["month"].to_numpy()
    return float(np.sqrt(np.square(truth[1:] - rule[1:]).sum() / np.square(np.diff(truth)).sum()))


def infer(uri: str, model: str, rows: Rows, folder: Path) -> dict[str, Any]:
    """What the champion says of the first rows."""
    path = folder / "rows.csv"
    rows.features.head(ROWS).to_csv(path, index=False)
    return run(uri, "infer", f"models:/{model}@champion", str(path), "--store", str(folder / "store"))


@pytest.mark.slow
@pytest.mark.parametrize(("example", "floor"), [("tumours.py", 0.95), ("questions.py", 0.80), ("handwriting.py", 0.90)])
def test_a_classifier_is_right_far_more_often_than_a_guess(
    example: str, floor: float, registry: Registry, store_uri: str, tmp_path: Path
) -> None:
    if example == "questions.py":
        need(find_spec("wordllama") is not None, "no wordllama, which has wheels up to Python 3.13")
    trained = run(store_uri, "train", str(EXAMPLES / example))
    split = prepare(load_workflow(EXAMPLES / example)).split
    assert trained["metric"] == "accuracy"
    assert trained["score"] >= floor > guess_commonest(split) + 0.2

    (version,) = registry.list_versions(trained["model"])
    assert version.tags["infernet.held_out_hash"] == split.held_out_hash
    told = infer(store_uri, trained["model"], split.held_out, tmp_path)
    truth, classes = split.held_out.target.head(ROWS), split.held_out.classes
    expected = [classes[label] if classes else label for label in truth]
    assert np.mean([found == true for found, true in zip(told["answers"]["label"], expected, strict=True)]) > 0.6
    assert told["hash"] == trained["manifestHash"]


@pytest.mark.slow
def test_the_forecast_of_volatility_is_better_than_two_rules_of_thumb(store_uri: str, tmp_path: Path) -> None:
    trained = run(store_uri, "train", str(EXAMPLES / "volatility.py"))
    workflow = load_workflow(EXAMPLES / "volatility.py")
    split = prepare(workflow).split
    assert trained["metric"] == "theils_u"
    assert trained["score"] <= 0.85 < guess_moving_average(split) < 1  # which is "as this week, so next week"

    found = np.ravel(infer(store_uri, "volatility", split.held_out, tmp_path)["answers"]["value"])
    expected = workflow.train(split.train).predict(split.held_out.features.head(ROWS))
    np.testing.assert_allclose(found, expected, atol=2e-6)
