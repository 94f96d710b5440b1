"""A disk that is full or broken is one clear error, and what was written before it is still there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from infernet.errors import NodeMisconfigured
from infernet.store.database import Database


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    opened = Database(path)
    opened.execute("CREATE TABLE notes (words BLOB)")
    yield opened
    opened.close()


def fill_disk(database: Database) -> None:
    ((pages,),) = database.execute("PRAGMA page_count")
    database.execute(f"PRAGMA max_page_count = {pages}")


def free_disk(database: Database) -> None:
    database.execute("PRAGMA max_page_count = 1000000")


def write(database: Database, *sizes: int) -> None:
    with database.step():
        for size in sizes:
            database.execute("INSERT INTO notes VALUES (?)", (bytes(size),))


def count(database: Database) -> int:
    ((rows,),) = database.execute("SELECT count(*) FROM notes")
    return rows


def test_a_full_disk_is_one_line_that_says_what_to_do(database: Database, path: Path) -> None:
    fill_disk(database)
    with pytest.raises(NodeMisconfigured) as caught:
        write(database, 100_000)
    assert caught.value.code == "journal.unusable"
    assert str(path) in caught.value.message
    assert "disk is full" in caught.value.message
    assert "\n" not in caught.value.message


def test_a_step_that_meets_a_full_disk_leaves_nothing_and_the_next_one_works(database: Database) -> None:
    write(database, 1)
    fill_disk(database)
    with pytest.raises(NodeMisconfigured), database.step():
        write(database, 1, 100_000)
    assert (count(database), database.in_transaction) == (1, False)
    free_disk(database)
    write(database, 1, 100_000)
    assert count(database) == 3


def test_a_commit_that_fails_is_taken_back_and_the_next_one_works(database: Database) -> None:
    database.execute("PRAGMA foreign_keys = ON")
    database.execute("CREATE TABLE owners (id INTEGER PRIMARY KEY)")
    database.execute("CREATE TABLE things (owner INTEGER REFERENCES owners DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(NodeMisconfigured) as caught, database.step():
        database.execute("INSERT INTO things VALUES (7)")  # what is wrong with it shows at the commit
    assert caught.value.code == "journal.unusable"
    assert (database.execute("SELECT * FROM things"), database.in_transaction) == ([], False)
    write(database, 1)
    assert count(database) == 1


def write_in_a_lost_step(database: Database) -> None:
    with database.step():
        database.execute("ROLLBACK")
        with pytest.raises(NodeMisconfigured):
            database.execute("INSERT INTO notes VALUES (x'00')")
        database.execute("INSERT INTO notes VALUES (x'01')")


def test_nothing_is_written_alone_in_a_step_that_was_taken_back_by_the_database(database: Database) -> None:
    with pytest.raises(NodeMisconfigured):
        write_in_a_lost_step(database)
    assert count(database) == 0
    write(database, 1)
    assert count(database) == 1


def test_rows_that_do_not_fit_are_found_out_and_others_are_counted(database: Database) -> None:
    assert database.execute_many("INSERT INTO notes VALUES (?)", [(b"a",), (b"b",)]) == 2
    assert database.execute_many("INSERT INTO notes VALUES (?)", []) == 0
    with pytest.raises(NodeMisconfigured):
        database.execute_many("INSERT INTO notes VALUES (?, ?)", [(b"a", b"b")])


def test_a_file_that_breaks_under_the_node_is_said_so(path: Path) -> None:
    database = Database(path)
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(NodeMisconfigured) as caught:
        database.execute("SELECT * FROM jobs")
    assert caught.value.code == "journal.unusable"
    database.close()
