"""Training and search on a Ray cluster, here one of this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mlflow_stores import register
from needs import need_module
from small_models import write_model

from infernet.errors import RetryLater
from infernet.workflows import run_training
from infernet.workflows.inference_workflow import answer_rows, start_inference
from infernet.workflows.registry import Registry
from infernet.workflows.tracker import Tracker
from infernet.workflows.workflow import load_workflow

need_module("ray")
pytestmark = pytest.mark.slow

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


STEPS = """
import os, signal, time
from pathlib import Path
from sklearn.datasets import load_wine
from sklearn.linear_model import SGDClassifier
from infernet.workflows import TrainingWorkflow

FOLDER = Path({folder!r})

def happens(what):
    first = not (FOLDER / what).exists()
    (FOLDER / what).touch()
    return first

class Steps(TrainingWorkflow):
    name, target, checkpoint_s = "steps", "target", 0.0
    def load(self):
        return load_wine(as_frame=True).frame
    def train(self, rows, rounds=12, pause=0.2, *, progress):
        model = progress.restore(SGDClassifier(random_state=0))
        for step in progress.track(range(rounds)):
            with (FOLDER / "steps.txt").open("a") as file:
                file.write(f"{{step}}\\n")
            model.partial_fit(rows.features, rows.target, classes=[0, 1, 2])
            progress.report(step, weight=float(abs(model.coef_).mean()))
            time.sleep(pause)
            if pause and step == 4 and happens("killed"):
                os.kill(os.getpid(), signal.SIGKILL)
            if pause and step == 8 and happens("failed"):
                raise MemoryError("there is no more")
            progress.checkpoint(model)
        return model
"""


def read_steps(folder: Path) -> list[int]:
    path = folder / "steps.txt"
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_training_goes_on_where_a_worker_of_the_cluster_or_the_training_itself_ended(
    tracker: Tracker, tmp_path: Path
) -> None:
    path = tmp_path / "steps_for_ray.py"
    path.write_text(STEPS.format(folder=str(tmp_path)))
    workflow = load_workflow(path)
    told: list[str] = []
    with pytest.raises(MemoryError, match="no more"):
        run_training(workflow, tracker=tracker, ray="local", notice=told.append)
    there = run_training(workflow, tracker=tracker, ray="local", notice=told.append)
    steps = read_steps(tmp_path)
    assert set(steps) == set(range(12))
    assert len(steps) <= 12 + 4, "Ray's worker was lost once, and once it failed"
    assert told == [f"goes on from step 8 of 12, run {there.resumed_from} failed"]
    history = tracker.client.get_metric_history(there.run_id, "weight")
    assert [point.step for point in history] == list(range(12))
    here = run_training(workflow, tracker=tracker)
    assert here.manifest_hash == there.manifest_hash


def test_ctrl_c_ends_a_training_on_a_cluster_early_and_keeps_what_it_learned(
    tracker: Tracker, registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "steps_for_ray.py").write_text(STEPS.format(folder=str(tmp_path)))
    (tmp_path / "killed").touch()
    (tmp_path / "failed").touch()
    command = [str(Path(sys.executable).with_name("infernet")), "train", "steps_for_ray.py", "--json", "--ray", "local"]
    process = subprocess.Popen(
        [*command, "--set", "rounds=100000"],
        cwd=tmp_path,
        env={**os.environ, "MLFLOW_TRACKING_URI": tracker.uri},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    while len(read_steps(tmp_path)) < 3:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said, complaints = process.communicate(timeout=120)
    assert process.returncode == 0, complaints
    told = json.loads(said)
    assert told["endedAt"].endswith(" of 100000")
    (version,) = registry.list_versions("steps")
    assert version.tags["infernet.ended_early"] == f"Ctrl-C after {told['endedAt']}"
    assert len(read_steps(tmp_path)) == int(told["endedAt"].split()[0])


def test_rows_are_answered_on_a_cluster_as_here(tracker: Tracker, tmp_path: Path) -> None:
    write_model(tmp_path / "model")
    register(tracker, "largest", tmp_path / "model")
    place = {"store": tmp_path / "store", "tracking_uri": tracker.uri}
    rows = np.random.default_rng(7).integers(0, 200, (50_000, 3), dtype=np.uint8)
    started = start_inference("models:/largest@champion", **place)
    told: list[int] = []
    here = started(rows)["label"]
    started.loaded = replace(started.loaded, session=None, on_progress=told.append)  # nothing can run here any more
    there = answer_rows(started, rows, "local")["label"]
    assert sum(told) == len(rows)
    np.testing.assert_array_equal(there, here)
    (tmp_path / "rows.csv").write_text("a,b,c\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows[:20_000]))
    command = [str(Path(sys.executable).with_name("infernet")), "infer", "models:/largest@champion", "rows.csv"]
    options = ["--ray", "local", "--tracking-uri", tracker.uri]
    done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "label\n" + "".join(f"{label}\n" for label in there[:20_000])


def test_a_cluster_that_is_not_there_is_one_line(tracker: Tracker, tmp_path: Path) -> None:
    path = tmp_path / "flow_for_ray.py"
    path.write_text(FLOW)
    with pytest.raises(RetryLater, match=r"no Ray cluster answers at 127\.0\.0\.1:9") as refused:
        run_training(load_workflow(path), tracker=tracker, ray="127.0.0.1:9")
    write_model(tmp_path / "model")
    register(tracker, "largest", tmp_path / "model")
    started = start_inference("models:/largest@champion", store=tmp_path / "store", tracking_uri=tracker.uri)
    with pytest.raises(RetryLater, match=r"no Ray cluster answers at 127\.0\.0\.1:9"):
        answer_rows(started, np.zeros((1, 3), np.uint8), "127.0.0.1:9")
    assert refused.value.code == "ray.unreachable"
