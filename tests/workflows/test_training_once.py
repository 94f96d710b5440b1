"""Two nodes that share one MLflow train the same at the same time: one version comes of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow_servers import serve_mlflow
from mlflow_stores import copy_store
from sample_workflows import Digits

from infernet.workflows import run_training
from infernet.workflows.metrics import find_metric
from infernet.workflows.registry import MANIFEST_HASH, Registry, Version
from infernet.workflows.tracker import Tracker, open_tracker

RACER = """
import json, sys, time
from pathlib import Path
sys.path[:0] = [{samples!r}]
from sample_workflows import Digits
from infernet.workflows import run_training
from infernet.workflows.registry import Registry
from infernet.workflows.tracker import open_tracker

folder, own, count = Path({folder!r}), sys.argv[1], int(sys.argv[2])
register = Registry.register

def register_together(*args, **named):
    (folder / own).touch()
    while len(list(folder.iterdir())) < count:
        time.sleep(0.001)
    return register(*args, **named)

Registry.register = register_together
done = run_training(Digits(), {{"depth": 4}}, tracker=open_tracker({uri!r}), once=True)
print(json.dumps([done.version, done.manifest_hash, done.champion, done.run_id]))
"""


@pytest.fixture(params=["a database", "a server"])
def shared_tracker(request: pytest.FixtureRequest, shared: Path, tmp_path: Path) -> Iterator[Tracker]:
    if request.param == "a database":
        yield open_tracker(copy_store(shared, tmp_path))
    else:
        with serve_mlflow(copy_store(shared, tmp_path)) as server:
            yield open_tracker(server.url)


def race(uri: str, folder: Path, count: int) -> list[list[object]]:
    """What each says of processes that all have seen that the version is not there before any registers it."""
    folder.mkdir()
    code = RACER.format(samples=str(Path(__file__).parent), folder=str(folder), uri=uri)
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(number), str(count)], stdout=subprocess.PIPE, text=True)
        for number in range(count)
    ]
    return [json.loads(process.communicate(timeout=200)[0]) for process in processes]


@pytest.mark.slow
def test_of_nodes_that_race_for_one_training_all_answer_the_same_version(
    shared_tracker: Tracker, tmp_path: Path
) -> None:
    told = race(shared_tracker.uri, tmp_path / "race", 2)
    (version,) = Registry(shared_tracker).list_versions("digits")
    assert [(number, champion) for number, _, champion, _ in told] == [(version.number, version.number)] * 2
    assert {digest for _, digest, _, _ in told} == {version.tags[MANIFEST_HASH]}

    client = shared_tracker.client
    runs = {run_id: client.get_run(run_id) for *_, run_id in told}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    (loser,) = set(runs) - {version.run_id}
    assert runs[loser].data.tags["infernet.same_as"] == str(version.number)
    (logged,) = client.search_logged_models([runs[loser].info.experiment_id])
    assert logged.source_run_id == version.run_id

    again = run_training(Digits(), {"depth": 4}, tracker=shared_tracker, once=True)
    assert (again.version, again.manifest_hash) == (version.number, version.tags[MANIFEST_HASH])


def test_a_version_that_is_taken_back_while_it_is_judged_is_passed_over(tracker: Tracker, registry: Registry) -> None:
    first = run_training(Digits(), {"depth": 4}, tracker=tracker)
    run_training(Digits(), {"depth": 2}, tracker=tracker)
    versions = registry.list_versions("digits")
    assert len(versions) == 2

    def take_back(version: Version) -> float | None:
        if version.number == 2:
            tracker.client.delete_model_version("digits", "2")
        return 0.5 * version.number

    other = "another set of held-out rows"
    best = registry.promote(versions[0], find_metric("accuracy", for_classes=True), other, take_back, since=1)
    assert best.number == first.version
    assert [version.number for version in registry.list_versions("digits")] == [1]
