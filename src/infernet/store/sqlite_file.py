"""One SQLite file: its lock, its schema, its steps. What is kept in it says the errors in its own words."""

from __future__ import annotations

import fcntl
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import IO, Any, ClassVar

from infernet.errors import NodeMisconfigured

Row = tuple[Any, ...]


class SqliteFile(ABC):
    """Held by one process at a time. What a step wrote is on disk when it ends (`synchronous = FULL`), or nothing of it
    is. Here alone SQLite's errors become the house's.
    """

    room: ClassVar[str]
    """The package that `schema.sql` lies in."""
    version: ClassVar[int]
    migrations: ClassVar[Mapping[int, str]] = {}
    """What makes a file of an older version one of the next."""

    def __init__(self, path: Path | None, *, check_same_thread: bool = True) -> None:
        """Open or create the file; None is one in memory.

        Raises:
            NodeMisconfigured: another process holds it, another version wrote it, or it is no such file.
        """
        self._path = path
        self._depth = 0
        self._lock = None if path is None else self._take_lock(path)
        try:
            self._connection = self._connect(check_same_thread)
            self._migrate()
        except BaseException:
            self.close()
            raise

    @abstractmethod
    def _in_use(self) -> NodeMisconfigured: ...

    @abstractmethod
    def _not_opened(self, reason: object) -> NodeMisconfigured: ...

    @abstractmethod
    def _broken(self, reason: object) -> NodeMisconfigured: ...

    @abstractmethod
    def _other_version(self, version: int) -> NodeMisconfigured: ...

    def close(self) -> None:
        """Release the file. What was written stays."""
        if hasattr(self, "_connection"):
            self._connection.close()
        if self._lock is not None:
            self._lock.close()

    @property
    def in_transaction(self) -> bool:
        """True while something is written that is not on disk."""
        return self._connection.in_transaction

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Run one statement; answers all its rows.

        Raises:
            NodeMisconfigured: the disk is full or broken.
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
            raise self._broken(error) from error

    def _take_lock(self, path: Path) -> IO[str]:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = path.with_name(path.name + ".lock").open("w")
        except OSError as error:
            raise self._not_opened(error.strerror) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise self._in_use() from None
        return lock

    def _connect(self, check_same_thread: bool) -> sqlite3.Connection:
        connection = None
        try:
            connection = sqlite3.connect(
                self._path or ":memory:",
                isolation_level=None,
                check_same_thread=check_same_thread,
                cached_statements=256,
            )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        except sqlite3.DatabaseError as error:
            if connection is not None:
                connection.close()
            raise self._not_opened(error) from error
        return connection

    def _migrate(self) -> None:
        ((version,),) = self.execute("PRAGMA user_version")
        if version == 0:
            schema = resources.files(self.room).joinpath("schema.sql").read_text(encoding="utf-8")
            self._run_script(schema, self.version)
            return
        while version in self.migrations:
            self._run_script(self.migrations[version], version + 1)
            version += 1
        if version != self.version:
            raise self._other_version(version)

    def _run_script(self, script: str, version: int) -> None:
        with self._translated():
            self._connection.executescript(f"BEGIN;{script};PRAGMA user_version = {version};COMMIT;")
