"""Training on request whose worker, or whose whole node, is killed: the second start goes on from the checkpoint."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow_stores import copy_store

from infernet.app.trained import TrainingContainer
from infernet.errors import RetryLater
from infernet.settings import ContainerSettings
from infernet.workflows.registry import Registry
from infernet.workflows.tracker import open_tracker

pytestmark = pytest.mark.slow
STEPS = """
import time
from pathlib import Path
from sklearn.datasets import load_iris
from sklearn.linear_model import SGDClassifier
from infernet.workflows import TrainingWorkflow

class Steps(TrainingWorkflow):
    name, target, checkpoint_s = "steps", "target", 0.0
    def load(self):
        return load_iris(as_frame=True).frame
    def train(self, rows, rounds=20, pause=0.0, *, progress):
        model = progress.restore(SGDClassifier(random_state=0))
        for step in progress.track(range(rounds)):
            with Path(__file__).with_name("steps.txt").open("a") as file:
                file.write(f"{step}\\n")
            model.partial_fit(rows.features, rows.target, classes=[0, 1, 2])
            time.sleep(pause)
            progress.checkpoint(model)
        return model
"""
REQUEST = json.dumps({"params": {"pause": 0.1}}).encode()
NODE = """
import asyncio, sys
from pathlib import Path
from infernet.app.trained import TrainingContainer
from infernet.settings import ContainerSettings

async def main(workflow, models, uri, request):
    settings = ContainerSettings(id="train", kind="training", workflow=Path(workflow))
    container = TrainingContainer(settings, Path(models), uri)
    await container.start()
    await container.run(request.encode())

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.getbasetemp().parent


def build_container(folder: Path, workflow: Path, uri: str) -> TrainingContainer:
    settings = ContainerSettings(id="train", kind="training", workflow=workflow)
    return TrainingContainer(settings, folder / "models", uri)


async def read_steps(folder: Path, at_least: int) -> list[int]:
    """When so many were begun."""
    path = folder / "steps.txt"
    while not path.exists() or len(steps := path.read_text().split()) < at_least:  # noqa: ASYNC110  (another process)
        await asyncio.sleep(0.02)
    return [int(step) for step in steps]


async def test_a_training_whose_worker_or_node_is_killed_goes_on_and_tells_what_another_node_tells(
    tmp_path: Path, shared: Path
) -> None:
    workflow = tmp_path / "steps_on_request.py"
    workflow.write_text(STEPS)
    uri = copy_store(shared, tmp_path)

    arguments = str(workflow), str(tmp_path / "models"), uri, REQUEST.decode()
    node = await asyncio.create_subprocess_exec(sys.executable, "-c", NODE, *arguments, stderr=subprocess.DEVNULL)
    await read_steps(tmp_path, at_least=5)
    node.kill()
    await node.wait()

    container = build_container(tmp_path, workflow, uri)
    await container.start()
    try:
        (worker,) = container._workers
        first = asyncio.create_task(container.run(REQUEST))
        await read_steps(tmp_path, at_least=12)
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(RetryLater) as crashed:
            await first
        assert crashed.value.code == "container.crashed"
        output = await container.run(REQUEST)
    finally:
        await container.stop()
    steps = await read_steps(tmp_path, at_least=20)
    assert set(steps) == set(range(20))
    assert len(steps) <= 20 + 3
    assert list((tmp_path / "models" / "checkpoints").iterdir()) == []

    tracker = open_tracker(uri)
    assert len(Registry(tracker).list_versions("steps")) == 1
    runs = tracker.client.search_runs([tracker.find_experiment("steps")])
    assert [run.info.status for run in runs] == ["FINISHED", "KILLED", "KILLED"]
    assert [run.data.tags.get("infernet.resumed_from") for run in runs] == [
        *(run.info.run_id for run in runs[1:]),
        None,
    ]

    (tmp_path / "other").mkdir()
    other = build_container(tmp_path / "other", workflow, copy_store(shared, tmp_path / "other"))
    await other.start()
    try:
        assert await other.run(REQUEST) == output, "a node that was not killed agrees"
    finally:
        await other.stop()
