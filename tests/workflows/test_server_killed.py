"""MLflow's server goes away in the middle of a training: one line, nothing half registered, and all is cleaned up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow_servers import MlflowServer, serve_mlflow
from mlflow_stores import copy_store
from sample_workflows import Digits

from infernet.errors import RetryLater
from infernet.workflows import Rows, run_training
from infernet.workflows.registry import Registry
from infernet.workflows.tracker import open_tracker


@pytest.fixture
def server(shared: Path, tmp_path: Path) -> Iterator[MlflowServer]:
    with serve_mlflow(copy_store(shared, tmp_path)) as running:
        yield running


@pytest.mark.slow
def test_a_server_that_is_killed_in_the_middle_leaves_nothing_half_registered(server: MlflowServer) -> None:
    class Cut(Digits):
        def train(self, rows: Rows, depth: int = 3, seed: int = 0) -> Any:
            server.kill()
            return super().train(rows, depth, seed)

    tracker = open_tracker(server.url)
    first = run_training(Digits(), {"depth": 2}, tracker=tracker)
    with pytest.raises(RetryLater) as caught:
        run_training(Cut(), {"depth": 8}, tracker=tracker)
    assert caught.value.code == "registry.unreachable"
    assert "\n" not in caught.value.message

    server.start()
    registry = Registry(tracker)
    assert [version.number for version in registry.list_versions("digits")] == [first.version]
    cut, _ = tracker.client.search_runs([tracker.find_experiment("digits")])
    assert cut.info.status == "RUNNING"  # nobody could say how it ended
    better = run_training(Digits(), {"depth": 8}, tracker=tracker)
    assert (better.version, better.champion) == (2, 2)
    logged = tracker.client.search_logged_models([cut.info.experiment_id])
    assert sorted(model.source_run_id for model in logged) == sorted([first.run_id, better.run_id])
