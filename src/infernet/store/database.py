"""One SQLite file: its lock, its schema, its steps, and what an operator is told when it fails."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from infernet.errors import NodeMisconfigured

SCHEMA_VERSION = 2
_STEPS = {1: "ALTER TABLE jobs ADD COLUMN models TEXT NOT NULL DEFAULT '[]'"}
"""What makes a journal of an older version one of the next."""
Row = tuple[Any, ...]


class ReadOnlyDatabase:
    """The file as it stands, also while a node writes it."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            NodeMisconfigured: there is none, or another version wrote it.
        """
        if not path.is_file():
            raise NodeMisconfigured("journal.missing", f"there is no journal {path}: the node has not run yet")
        self._path = path
        self._connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=10)
        ((version,),) = self.execute("PRAGMA user_version")
        if version != SCHEMA_VERSION:
            self._connection.close()
            raise _other_version(path, version)

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of one statement.

        Raises:
            NodeMisconfigured: `journal.unusable`.
        """
        try:
            return self._connection.execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            raise _unusable(self._path, str(error)) from error


class Database:
    """The file, held by one process at a time. Here alone SQLite's errors become the house's."""

    def __init__(self, path: Path) -> None:
        """Open or create the file.

        Raises:
            NodeMisconfigured: another node holds it, another version wrote it, or it is no journal.
        """
        self._path = path
        self._depth = 0
        self._lock = _take_lock(path)
        try:
            self._connection = _open_connection(path)
            self._migrate()
        except BaseException:
            self._lock.close()
            raise

    def close(self) -> None:
        """Release the file. What was written stays."""
        self._connection.close()
        self._lock.close()

    @property
    def in_transaction(self) -> bool:
        """True while something is written that is not on disk."""
        return self._connection.in_transaction

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Run one statement; answers all its rows.

        Raises:
            NodeMisconfigured: `journal.unusable`: the disk is full or broken.
        """
        with self._translated():
            self._check_step()
            return self._connection.execute(statement, parameters).fetchall()

    def execute_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> int:
        """Run one statement for each row; answers how many rows changed. Raises as `execute`."""
        with self._translated():
            self._check_step()
            return max(0, self._connection.executemany(statement, rows).rowcount)

    @contextmanager
    def step(self) -> Iterator[None]:
        """Everything written inside is on disk together, or not at all. Steps may nest: an inner one that fails takes
        back its own writes. Nothing may be awaited inside. Raises as `execute`.
        """
        name = f"step_{self._depth}"
        self.execute(f"SAVEPOINT {name}" if self._depth else "BEGIN IMMEDIATE")
        self._depth += 1
        try:
            yield
            self.execute(f"RELEASE {name}" if self._depth > 1 else "COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # a full disk may have made SQLite take everything back already
                with self._translated():
                    self._connection.execute(f"ROLLBACK TO {name}" if self._depth > 1 else "ROLLBACK")
            raise
        finally:
            self._depth -= 1

    def _check_step(self) -> None:
        """Inside a step that SQLite itself has taken back, a write would stand alone."""
        if self._depth and not self._connection.in_transaction:
            raise sqlite3.OperationalError("the step was taken back")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise NodeMisconfigured(
                "journal.unusable",
                f"the journal {self._path} cannot be read or written ({error}): see to its disk, then start the node "
                "again; what was written is not lost",
            ) from error

    def _migrate(self) -> None:
        ((version,),) = self.execute("PRAGMA user_version")
        if version == 0:
            schema = resources.files("infernet.store").joinpath("schema.sql").read_text(encoding="utf-8")
            with self._translated():
                self._connection.executescript(f"BEGIN;{schema};PRAGMA user_version = {SCHEMA_VERSION};COMMIT;")
            return
        while version in _STEPS:
            with self._translated():
                self._connection.executescript(f"BEGIN;{_STEPS[version]};PRAGMA user_version = {version + 1};COMMIT;")
            version += 1
        if version != SCHEMA_VERSION:
            self._connection.close()
            raise _other_version(self._path, version)


def _take_lock(path: Path) -> Any:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(path.name + ".lock").open("w")
    except OSError as error:
        raise _unusable(path, error.strerror) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise NodeMisconfigured(
            "journal.in_use", f"another node uses the journal {path}: stop it, or give this one its own journal path"
        ) from error
    return lock


def _open_connection(path: Path) -> sqlite3.Connection:
    connection = None
    try:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.DatabaseError as error:
        if connection is not None:
            connection.close()
        raise _unusable(path, str(error)) from error
    return connection


def _other_version(path: Path, version: int) -> NodeMisconfigured:
    return NodeMisconfigured(
        "journal.version",
        f"the journal {path} has version {version}, this node reads {SCHEMA_VERSION}: use the Infernet that wrote it, "
        "or begin a new journal",
    )


def _unusable(path: Path, reason: object) -> NodeMisconfigured:
    return NodeMisconfigured(
        "journal.unusable", f"{path} cannot be used as a journal ({reason}): give another path in [journal]"
    )
