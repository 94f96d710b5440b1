"""Training and search on a Ray cluster, here one of this machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from needs import need_module

from infernet.errors import RetryLater
from infernet.workflows import run_training
from infernet.workflows.tracker import Tracker
from infernet.workflows.workflow import load_workflow

need_module("ray")

FLOW = """
import os
from sklearn.datasets import load_wine
from sklearn.tree import DecisionTreeClassifier
from infernet.workflows import Range, TrainingWorkflow

class Wine(TrainingWorkflow):
    name, target, space = "wine", "target", {"depth": Range(1, 6)}
    def load(self):
        return load_wine(as_frame=True).frame
    def train(self, rows, depth=1, seed=0, *, progress):
        progress.report(0, process=os.getpid())
        if depth > 50:
            raise ValueError("too deep")
        return DecisionTreeClassifier(max_depth=depth, random_state=seed).fit(rows.features, rows.target)
"""


@pytest.mark.slow
def test_a_cluster_trains_and_searches_what_this_machine_would(tracker: Tracker, tmp_path: Path) -> None:

    path = tmp_path / "flow_for_ray.py"
    path.write_text(FLOW)
    workflow = load_workflow(path)
    there = run_training(workflow, tracker=tracker, search=4, ray="local")
    history = tracker.client.get_metric_history(there.run_id, "process")
    assert [int(point.value) for point in history] != [os.getpid()]
    here = run_training(workflow, there.params, tracker=tracker)
    assert here.manifest_hash == there.manifest_hash
    below = tracker.client.search_runs([tracker.find_experiment("wine")], f"tags.mlflow.parentRunId = '{there.run_id}'")
    assert len(below) == 4
    assert max(run.data.metrics["score"] for run in below) > 0.8
    with pytest.raises(ValueError, match="too deep"):
        run_training(workflow, {"depth": 51}, tracker=tracker, ray="local")


@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_one_line(tracker: Tracker, tmp_path: Path) -> None:
    path = tmp_path / "flow_for_ray.py"
    path.write_text(FLOW)
    with pytest.raises(RetryLater, match=r"no Ray cluster answers at 127\.0\.0\.1:9") as refused:
        run_training(load_workflow(path), tracker=tracker, ray="127.0.0.1:9")
    assert refused.value.code == "ray.unreachable"
