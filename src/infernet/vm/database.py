"""The chain's SQLite file, or a chain in memory: its lock, its schema, its steps."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import IO, Any

from infernet.errors import NodeMisconfigured

SCHEMA_VERSION = 2
Row = tuple[Any, ...]


class Database:
    """One connection. What a step wrote is on disk when it ends (`synchronous = FULL`), or nothing of it is."""

    def __init__(self, path: Path | None) -> None:
        """Open or create it; None is a chain in memory.

        Raises:
            NodeMisconfigured: another process holds it, another version wrote it, or it is no chain.
        """
        self._name = "the chain in memory" if path is None else f"the chain {path}"
        self._lock = None if path is None else self._take_lock(path)
        try:
            with self._translated():
                self._connection = sqlite3.connect(
                    path or ":memory:", isolation_level=None, check_same_thread=False, cached_statements=256
                )
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = FULL")
            self._migrate()
        except BaseException:
            if self._lock is not None:
                self._lock.close()
            raise

    def close(self) -> None:
        """Release the file. What was written stays."""
        self._connection.close()
        if self._lock is not None:
            self._lock.close()

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Run one statement; answers all its rows.

        Raises:
            NodeMisconfigured: `chain.unusable`: the disk is full or broken.
        """
        with self._translated():
            return self._connection.execute(statement, parameters).fetchall()

    def execute_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for each row. Raises as `execute`."""
        with self._translated():
            self._connection.executemany(statement, rows)

    @contextmanager
    def step(self) -> Iterator[None]:
        """Everything written inside is on disk together, or not at all. Raises as `execute`."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                with self._translated():
                    self._connection.execute("ROLLBACK")
            raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise NodeMisconfigured(
                "chain.unusable",
                f"{self._name} cannot be read or written ({error}): see to its disk, then start again; what was "
                "acknowledged is not lost",
            ) from error

    def _take_lock(self, path: Path) -> IO[str]:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = path.with_name(path.name + ".lock").open("w")
        except OSError as error:
            raise NodeMisconfigured("chain.unusable", f"{self._name} cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise NodeMisconfigured(
                "chain.in_use", f"{self._name} is in use: stop the process that runs it, or choose another folder"
            ) from None
        return lock

    def _migrate(self) -> None:
        ((version,),) = self.execute("PRAGMA user_version")
        if version == 0:
            schema = resources.files("infernet.vm").joinpath("schema.sql").read_text(encoding="utf-8")
            with self._translated():
                self._connection.executescript(f"BEGIN;{schema}PRAGMA user_version = {SCHEMA_VERSION};COMMIT;")
        elif version != SCHEMA_VERSION:
            raise NodeMisconfigured(
                "chain.version",
                f"{self._name} has version {version}, not {SCHEMA_VERSION}: use the Infernet that wrote it",
            )
