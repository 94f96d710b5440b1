"""`infernet train`, killed by SIGKILL at every bad moment and begun again, until it ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow_stores import copy_store

from infernet.workflows.registry import Registry
from infernet.workflows.tracker import Tracker

pytestmark = pytest.mark.slow
ROUNDS = 40
STEPS = """
import os, signal, time
from pathlib import Path
import numpy as np
from sklearn.datasets import load_wine
from sklearn.linear_model import SGDClassifier
from infernet.workflows import Range, TrainingWorkflow

ROUNDS = 40

def die(*args, **named):
    os.kill(os.getpid(), signal.SIGKILL)

def die_half_way(client, run, folder, *rest):
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    for path in files[len(files) // 2:]:
        path.unlink()
    uploading(client, run, folder, *rest)
    die()

class Steps(TrainingWorkflow):
    name, target, checkpoint_s, space = "steps", "target", 0.0, {"alpha": Range(1e-4, 1e-2, log=True)}

    def load(self):
        return load_wine(as_frame=True).frame

    def train(self, rows, alpha=1e-3, *, progress):
        model = progress.restore(SGDClassifier(alpha=alpha, random_state=0))
        moment = os.environ.get("DIES", "")
        for step in progress.track(range(ROUNDS)):
            with open("steps.txt", "a") as file:
                file.write(f"{step}\\n")
            order = np.random.permutation(len(rows))
            model.partial_fit(rows.features.iloc[order], rows.target.iloc[order], classes=[0, 1, 2])
            progress.report(step, loss=float(np.abs(model.coef_).mean()))
            time.sleep(float(os.environ.get("PAUSE", 0)))
            if moment == "rename" and step == 20:
                Path.replace = die
            progress.checkpoint(model)
        prepare_to_die(moment)
        return model

def prepare_to_die(moment):
    global uploading
    from infernet.workflows.registry import Registry
    from mlflow import MlflowClient
    if moment in ("log_artifacts", "log_model_artifacts"):
        uploading = getattr(MlflowClient, moment)
        setattr(MlflowClient, moment, die_half_way)
    if moment in ("create_logged_model", "finalize_logged_model", "create_model_version"):
        setattr(MlflowClient, moment, die)
    if moment == "promote":
        Registry.promote = die
"""


def start(folder: Path, uri: str, *options: str, dies: str = "", pause_s: float = 0.0) -> subprocess.Popen[str]:
    command = [str(Path(sys.executable).with_name("infernet")), "train", "steps.py", "--json", *options]
    own = {"MLFLOW_TRACKING_URI": uri, "INFERNET_CHECKPOINTS": str(folder / "checkpoints")}
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **own, "DIES": dies, "PAUSE": str(pause_s)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def read_steps(folder: Path) -> list[int]:
    path = folder / "steps.txt"
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(scope="module")
def manifest_hash(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of the training that nobody killed."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "steps.py").write_text(STEPS)
    uri = copy_store(tmp_path_factory.getbasetemp().parent, folder)
    process = start(folder, uri)
    said, complaints = process.communicate(timeout=180)
    assert (process.returncode, complaints) == (0, "")
    assert read_steps(folder) == list(range(ROUNDS))
    told = json.loads(said)
    assert told["resumedFrom"] is None
    return str(told["manifestHash"])


def test_a_training_that_is_killed_again_and_again_ends_as_if_it_had_not_been(
    tmp_path: Path, tracker: Tracker, registry: Registry, checkpoints: Path, manifest_hash: str
) -> None:
    (tmp_path / "steps.py").write_text(STEPS)
    process = start(tmp_path, tracker.uri, pause_s=0.2)
    while len(read_steps(tmp_path)) < 4:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.kill()
    assert process.communicate() == ("", "")
    before = len(read_steps(tmp_path))
    process = start(tmp_path, tracker.uri, dies="rename")
    _, complaints = process.communicate(timeout=180)
    assert process.returncode == -signal.SIGKILL, complaints
    match = re.fullmatch(r"goes on from step (\d+) of 40, run \w+ was killed\n", complaints)
    assert match is not None, complaints
    assert before - int(match[1]) in (0, 1)
    assert registry.list_versions("steps") == []
    assert list(checkpoints.glob("*/checkpoint.new")), "it was written and not yet renamed"
    process = start(tmp_path, tracker.uri)
    said, complaints = process.communicate(timeout=180)
    assert process.returncode == 0, complaints
    told = json.loads(said)
    assert complaints == f"goes on from step 20 of 40, run {told['resumedFrom']} was killed\n"
    assert told["manifestHash"] == manifest_hash
    steps = read_steps(tmp_path)
    assert set(steps) == set(range(ROUNDS))
    assert len(steps) <= ROUNDS + 2, "a kill costs the step that it was in"

    runs = tracker.client.search_runs([tracker.find_experiment("steps")])
    assert [run.info.status for run in runs] == ["FINISHED", "KILLED", "KILLED"]
    assert {run.data.tags["infernet.ended"] for run in runs[1:]} == {"its process was killed"}
    losses = tracker.client.get_metric_history(told["run"], "loss")
    assert [point.step for point in losses] == list(range(ROUNDS))
    assert list(checkpoints.iterdir()) == []


@pytest.mark.parametrize(
    "moments",
    [
        ("log_artifacts", "create_logged_model", "log_model_artifacts"),
        ("finalize_logged_model", "create_model_version", "promote"),
    ],
)
def test_one_that_is_killed_while_it_logs_and_registers_leaves_nothing_half_done(
    tmp_path: Path, tracker: Tracker, registry: Registry, manifest_hash: str, moments: tuple[str, ...]
) -> None:
    (tmp_path / "steps.py").write_text(STEPS)
    for moment in moments:
        process = start(tmp_path, tracker.uri, dies=moment)
        _, complaints = process.communicate(timeout=180)
        assert process.returncode == -signal.SIGKILL, complaints
        assert len(registry.list_versions("steps")) == (moment == "promote")
        assert registry.find_champion("steps") is None
    process = start(tmp_path, tracker.uri)
    said, complaints = process.communicate(timeout=180)
    assert process.returncode == 0, complaints
    told = json.loads(said)
    assert told["manifestHash"] == manifest_hash
    assert told["champion"] is not None
    versions = registry.list_versions("steps")
    assert told["version"] == len(versions) == 1 + ("promote" in moments)
    assert read_steps(tmp_path) == list(range(ROUNDS)), "nothing was trained twice"
    assert len(tracker.client.search_logged_models([tracker.find_experiment("steps")])) == len(versions)


def test_a_search_that_is_killed_repeats_no_trial(tmp_path: Path, tracker: Tracker, checkpoints: Path) -> None:
    (tmp_path / "steps.py").write_text(STEPS)
    options = ("--search", "6")
    process = start(tmp_path, tracker.uri, *options, pause_s=0.002)
    while not (found := list(checkpoints.glob("*/trials.jsonl"))) or found[0].read_bytes().count(b"\n") < 3:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.kill()
    process.communicate()
    over = found[0].read_bytes().count(b"\n")
    (tmp_path / "steps.txt").unlink()
    process = start(tmp_path, tracker.uri, *options)
    said, complaints = process.communicate(timeout=180)
    assert process.returncode == 0, complaints
    told = json.loads(said)
    assert complaints == f"goes on from trial {over}, run {told['resumedFrom']} was killed\n"
    assert len(read_steps(tmp_path)) == ROUNDS * (3 * (6 - over) + 1)
    query = f"tags.mlflow.parentRunId = '{told['run']}'"
    assert len(tracker.client.search_runs([tracker.find_experiment("steps")], query)) == 6
