"""`infernet train` as a user runs it: in a process of its own, and stopped in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from infernet.workflows.registry import Registry
from infernet.workflows.tracker import Tracker

STEPS = """
import time
from pathlib import Path
from sklearn.datasets import load_wine
from sklearn.linear_model import SGDClassifier
from infernet.workflows import TrainingWorkflow

class Steps(TrainingWorkflow):
    name, target = "steps", "target"
    def load(self):
        return load_wine(as_frame=True).frame
    def train(self, rows, rounds=3, pause=0.0, *, progress):
        model = SGDClassifier(random_state=0)
        for step in progress.track(range(rounds)):
            model.partial_fit(rows.features, rows.target, classes=[0, 1, 2])
            Path("reached").write_text(str(step))
            time.sleep(pause)
        return model
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "steps.py").write_text(STEPS)
    return tmp_path


def start(folder: Path, uri: str, *options: str) -> subprocess.Popen[str]:
    command = [str(Path(sys.executable).with_name("infernet")), "train", "steps.py", "--json", *options]
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "MLFLOW_TRACKING_URI": uri},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait_for_a_step(folder: Path, process: subprocess.Popen[str]) -> None:
    end_s = time.monotonic() + 120
    while not (folder / "reached").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end_s
        time.sleep(0.05)


def read_run(tracker: Tracker) -> Any:
    (run,) = tracker.client.search_runs([tracker.find_experiment("steps")])
    return run


@pytest.mark.slow
def test_ctrl_c_ends_a_training_of_steps_early_and_registers_what_it_learned(
    folder: Path, tracker: Tracker, registry: Registry
) -> None:
    process = start(folder, tracker.uri, "--set", "rounds=100000", "--set", "pause=0.05")
    wait_for_a_step(folder, process)
    process.send_signal(signal.SIGINT)
    said, complaints = process.communicate(timeout=120)
    assert (process.returncode, complaints) == (0, "")
    told = json.loads(said)
    assert told["endedAt"].endswith(" of 100000")
    assert (told["version"], told["champion"]) == (1, 1)
    (version,) = registry.list_versions("steps")
    assert version.tags["infernet.ended_early"] == f"Ctrl-C after {told['endedAt']}"
    assert read_run(tracker).info.status == "FINISHED"


@pytest.mark.slow
def test_a_training_that_is_told_to_end_registers_nothing(folder: Path, tracker: Tracker, registry: Registry) -> None:
    process = start(folder, tracker.uri, "--set", "rounds=100000", "--set", "pause=0.05")
    wait_for_a_step(folder, process)
    process.terminate()
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM
    assert json.loads(said)["error"]["code"] == "interrupted"
    run = read_run(tracker)
    assert (run.info.status, run.data.tags["infernet.ended"]) == ("KILLED", "it was stopped")
    assert registry.list_versions("steps") == []


def test_a_parameter_that_is_none_is_one_line_before_anything_is_trained(folder: Path, tracker: Tracker) -> None:
    said, _ = start(folder, tracker.uri, "--set", "size=3").communicate(timeout=120)
    assert json.loads(said)["error"] == {
        "code": "workflow.parameter",
        "message": "steps has no parameter 'size', it has rounds, pause",
    }
    said, _ = start(folder, tracker.uri, "--set", "rounds").communicate(timeout=120)
    assert json.loads(said)["error"]["code"] == "workflow.parameter"
