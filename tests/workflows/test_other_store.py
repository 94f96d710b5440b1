"""What is given counts, whatever store the process takes for its own: nothing goes there, nothing is read there."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
from mlflow_stores import copy_store
from sample_workflows import Digits

from infernet.models.mlflow_registry import ModelReference, open_registry
from infernet.workflows import run_training
from infernet.workflows.registry import Registry
from infernet.workflows.tracker import Tracker, choose_tracking_uri


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


@pytest.fixture
def own(shared: Path, tmp_path: Path) -> Path:
    (tmp_path / "own").mkdir()
    copy_store(shared, tmp_path / "own")
    return tmp_path / "own"


@pytest.fixture(params=["a database", "a server that is away"])
def global_uri(
    request: pytest.FixtureRequest, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The process's own store by everything that MLflow looks at."""
    uri = f"sqlite:///{own / 'mlflow.db'}" if request.param == "a database" else "http://127.0.0.1:9"
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", uri)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    yield uri
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


def test_a_training_touches_no_store_but_the_one_that_it_is_given(
    global_uri: str, tracker: Tracker, own: Path, tmp_path: Path
) -> None:
    assert choose_tracking_uri() == global_uri
    was = dump(own / "mlflow.db")
    first, second = (run_training(Digits(), {"depth": depth}, tracker=tracker) for depth in (2, 8))
    registry = Registry(tracker)
    assert [version.number for version in registry.list_versions("digits")] == [1, 2]
    assert second.champion == 2
    assert registry.rollback("digits")[1].number == first.version

    found = open_registry(tracker.uri).resolve(ModelReference("digits", alias="champion"))
    assert found.folder.local_path.is_relative_to(tmp_path / "mlruns")
    assert (found.version, found.run_id) == (first.version, first.run_id)
    assert registry.fetch_folder(registry.list_versions("digits")[1], tmp_path / "fetched").is_dir()

    assert dump(own / "mlflow.db") == was
    assert [path.name for path in own.iterdir()] == ["mlflow.db"]
    assert list((tmp_path / "here").iterdir()) == []
    assert (mlflow.get_tracking_uri(), mlflow.get_registry_uri()) == (global_uri, global_uri)


def test_a_run_that_is_open_in_the_other_store_stays_as_it_is(
    own: Path, tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a notebook that logs by MLflow's own functions."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")  # MLflow sets it, and nobody takes it back
    mlflow.set_tracking_uri(f"sqlite:///{own / 'mlflow.db'}")
    try:
        with mlflow.start_run() as run:
            trained = run_training(Digits(), tracker=tracker)
            assert mlflow.active_run().info.run_id == run.info.run_id != trained.run_id
        after = mlflow.MlflowClient().get_run(run.info.run_id)
    finally:
        mlflow.set_tracking_uri(None)
    assert (after.data.params, after.data.metrics, after.info.status) == ({}, {}, "FINISHED")
    assert tracker.client.get_run(trained.run_id).info.status == "FINISHED"


@pytest.mark.parametrize("variable", [None, "sqlite:///a.db"])
def test_what_the_process_takes_for_its_own_is_the_same_afterwards(
    variable: str | None, tracker: Tracker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another folder's database is the default there, and the variable counts when it is changed later."""
    mlflow.set_tracking_uri(None)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    if variable is not None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", variable)
    before = mlflow.get_tracking_uri()
    with tracker.current():
        assert mlflow.get_tracking_uri() == tracker.uri
    assert (mlflow.get_tracking_uri(), os.environ.get("MLFLOW_TRACKING_URI")) == (before, variable)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///later.db")
    assert choose_tracking_uri() == mlflow.get_tracking_uri() == "sqlite:///later.db"
