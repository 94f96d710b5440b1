"""A fresh MLflow store for each test, and workflows on the data that ships with scikit-learn."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow_stores import copy_store

from infernet.workflows.registry import Registry
from infernet.workflows.tracker import Tracker, open_tracker


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.getbasetemp().parent


@pytest.fixture(autouse=True)
def checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of checkpoints, each test's own."""
    monkeypatch.setenv("INFERNET_CHECKPOINTS", str(tmp_path / "checkpoints"))
    return tmp_path / "checkpoints"


@pytest.fixture
def store_uri(shared: Path, tmp_path: Path) -> str:
    return copy_store(shared, tmp_path)


@pytest.fixture
def tracker(store_uri: str) -> Tracker:
    return open_tracker(store_uri)


@pytest.fixture
def registry(tracker: Tracker) -> Registry:
    return Registry(tracker)
