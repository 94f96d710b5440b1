"""What MLflow wrote is read without MLflow: from its database, and from its server."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from mlflow_stores import copy_store, register
from small_models import write_model

from infernet.errors import InvalidInput, NodeMisconfigured, RetryLater
from infernet.models.cache import ModelCache
from infernet.models.mlflow_registry import ModelReference, SqliteRegistry, open_registry, parse_reference
from infernet.workflows.tracker import Tracker, open_tracker


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.getbasetemp().parent


@pytest.fixture
def tracker(shared: Path, tmp_path: Path) -> Tracker:
    return open_tracker(copy_store(shared, tmp_path))


@pytest.fixture(scope="module")
def server(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracker]:
    """MLflow's own server, which hands out the files itself: the application, without the processes around it."""
    folder = tmp_path_factory.mktemp("server")
    values = {
        "_MLFLOW_SERVER_FILE_STORE": copy_store(shared, folder),
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(folder / "artifacts"),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(name, value)
        from mlflow.server import app
        from werkzeug.serving import make_server

        running = make_server("127.0.0.1", 0, app, threaded=True)
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield open_tracker(f"http://127.0.0.1:{running.server_port}")
        running.shutdown()


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("models:/wine@champion", ModelReference("wine", alias="champion")),
        ("models:/wine/12", ModelReference("wine", version=12)),
        ("models:/my wine@a-b", ModelReference("my wine", alias="a-b")),
    ],
)
def test_a_reference_is_read_and_written(text: str, reference: ModelReference) -> None:
    assert parse_reference(text) == reference
    assert str(reference) == text


@pytest.mark.parametrize(
    "text", ["models:/wine", "models:/wine/x", "models:/wine@", "models:/a/b@c", "runs:/abc/model"]
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_reference(text)
    assert caught.value.code == "registry.reference"


def _check_reading(tracker: Tracker, name: str, tmp_path: Path) -> None:
    """The same for both kinds: an alias, a version, tags, files, then the alias moves, then its version is deleted."""
    registry = open_registry(tracker.uri)
    first = write_model(tmp_path / "first", favourite=1)
    assert register(tracker, name, tmp_path / "first", tags={"infernet.metric": "accuracy"}) == 1
    version = registry.resolve(ModelReference(name, alias="champion"))
    assert (version.name, version.version, dict(version.tags)) == (name, 1, {"infernet.metric": "accuracy"})
    assert version.run_id == tracker.client.get_model_version(name, "1").run_id
    assert registry.resolve(ModelReference(name, version=1)) == version
    with ModelCache(tmp_path / "store").fetch(version.folder) as held:
        assert held.model.manifest == first
    write_model(tmp_path / "second", favourite=2)
    register(tracker, name, tmp_path / "second")
    assert registry.resolve(ModelReference(name, alias="champion")).version == 2
    assert registry.resolve(ModelReference(name, alias="latest")).version == 2
    assert registry.resolve(ModelReference(name, version=1)).version == 1
    tracker.client.delete_model_version(name, "2")
    for gone in (
        ModelReference(name, alias="champion"),
        ModelReference(name, version=2),
        ModelReference("none", version=1),
    ):
        with pytest.raises(NodeMisconfigured) as caught:
            registry.resolve(gone)
        assert caught.value.code == "registry.not_found"
        assert str(gone) in caught.value.message


def test_a_database_is_read(tracker: Tracker, tmp_path: Path) -> None:
    _check_reading(tracker, "wine", tmp_path)


def test_a_server_is_read(server: Tracker, tmp_path: Path) -> None:
    _check_reading(server, "wine", tmp_path)


def test_a_version_without_a_manifest_is_refused(server: Tracker, tracker: Tracker, tmp_path: Path) -> None:
    (tmp_path / "pickled").mkdir()
    (tmp_path / "pickled" / "model.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    for place in (server, tracker):
        register(place, "pickled", tmp_path / "pickled")
        version = open_registry(place.uri).resolve(ModelReference("pickled", alias="champion"))
        with pytest.raises(NodeMisconfigured) as caught:
            ModelCache(tmp_path / "store").fetch(version.folder)
        assert caught.value.code == "model.no_manifest"


def test_a_server_that_is_down_is_one_line() -> None:
    with pytest.raises(RetryLater) as caught:
        open_registry("http://user:secret@127.0.0.1:9").resolve(ModelReference("wine", alias="champion"))
    assert caught.value.code == "registry.unreachable"
    assert "secret" not in caught.value.message


def test_a_server_that_is_no_mlflow_is_one_line(tmp_path: Path) -> None:
    from range_server import serve_folder

    place = tmp_path / "api/2.0/mlflow/registered-models"
    place.mkdir(parents=True)
    (place / "alias?name=wine&alias=champion").write_text('{"hello": 1}')
    with serve_folder(tmp_path) as running, pytest.raises(NodeMisconfigured) as caught:
        open_registry(running.url).resolve(ModelReference("wine", alias="champion"))
    assert caught.value.code == "registry.unreadable"


def test_a_database_that_is_missing_or_no_store_is_one_line(tmp_path: Path) -> None:
    def read(path: Path) -> str:
        with pytest.raises(NodeMisconfigured) as caught:
            SqliteRegistry(path).resolve(ModelReference("wine", alias="champion"))
        return caught.value.code

    assert read(tmp_path / "nothing.db") == "registry.not_found"
    (tmp_path / "text.db").write_text("hello " * 1000)
    assert read(tmp_path / "text.db") == "registry.unreadable"
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE model_versions (name TEXT, version INTEGER)")
    assert read(tmp_path / "other.db") == "registry.unreadable"


def test_a_version_that_is_not_ready_is_refused(tracker: Tracker, tmp_path: Path) -> None:
    write_model(tmp_path / "model")
    register(tracker, "wine", tmp_path / "model")
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE model_versions SET status = 'PENDING_REGISTRATION'")
    with pytest.raises(NodeMisconfigured) as caught:
        open_registry(tracker.uri).resolve(ModelReference("wine", alias="champion"))
    assert caught.value.code == "registry.not_ready"


def test_a_database_that_is_being_written_is_read_all_the_same(tracker: Tracker, tmp_path: Path) -> None:
    write_model(tmp_path / "model")
    register(tracker, "wine", tmp_path / "model")
    with closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert open_registry(tracker.uri).resolve(ModelReference("wine", alias="champion")).version == 1
