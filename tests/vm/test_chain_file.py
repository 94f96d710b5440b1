"""A chain's file that is held, foreign, full or lost under a step: one line, and never half a block."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from infernet.errors import NodeMisconfigured
from infernet.vm.database import Database


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "chain.sqlite"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    opened = Database(path)
    yield opened
    opened.close()


def refuse(path: Path) -> tuple[str, str]:
    with pytest.raises(NodeMisconfigured) as caught:
        Database(path)
    assert "\n" not in caught.value.message
    assert str(path) in caught.value.message
    return caught.value.code, caught.value.message


def put(database: Database, name: str) -> None:
    database.execute("INSERT INTO parameters VALUES (?, x'00')", (name,))


def list_names(database: Database) -> list[str]:
    return [name for (name,) in database.execute("SELECT name FROM parameters ORDER BY name")]


def write_much(database: Database) -> None:
    with database.step():
        put(database, "b")
        database.execute("INSERT INTO parameters VALUES ('c', ?)", (bytes(100_000),))


def write_in_a_lost_step(database: Database) -> None:
    with database.step():
        put(database, "a")
        database.execute("ROLLBACK")
        put(database, "b")


def test_one_process_holds_it(database: Database, path: Path) -> None:
    assert refuse(path)[0] == "chain.in_use"
    database.close()
    Database(path).close()


def test_what_is_no_chain_is_left_as_it_is(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database" * 1000)
    assert refuse(path)[0] == "chain.unusable"
    assert path.read_bytes() == b"no database" * 1000
    path.unlink()
    path.mkdir()
    assert refuse(path)[0] == "chain.unusable"


def test_another_version_is_not_touched(path: Path) -> None:
    Database(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 7")
    code, message = refuse(path)
    assert (code, "version 7" in message) == ("chain.version", True)


def test_a_step_is_all_or_nothing_also_on_a_full_disk(database: Database) -> None:
    with database.step():
        put(database, "a")
    ((pages,),) = database.execute("PRAGMA page_count")
    database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(NodeMisconfigured, match="disk is full") as caught:
        write_much(database)
    assert caught.value.code == "chain.unusable"
    assert list_names(database) == ["a"]


def test_nothing_is_written_alone_in_a_step_that_sqlite_has_taken_back(database: Database) -> None:
    with pytest.raises(NodeMisconfigured):
        write_in_a_lost_step(database)
    assert list_names(database) == []


@pytest.mark.parametrize("in_memory", [True, False])
def test_it_is_used_in_another_thread_than_it_was_opened_in(path: Path, in_memory: bool) -> None:
    with closing(Database(None if in_memory else path)) as database:
        thread = threading.Thread(target=put, args=(database, "a"))
        thread.start()
        thread.join()
        assert list_names(database) == ["a"]
