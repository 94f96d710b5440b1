"""The journal's SQLite file, and what an operator is told when it fails."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infernet.errors import NodeMisconfigured
from infernet.store.sqlite_file import Row, SqliteFile

SCHEMA_VERSION = 2


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
            raise _build_other_version(path, version)

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
            raise _build_unusable(self._path, error) from error


class Database(SqliteFile):
    """The journal, for the node that writes it."""

    room = "infernet.store"
    version = SCHEMA_VERSION
    migrations = {1: "ALTER TABLE jobs ADD COLUMN models TEXT NOT NULL DEFAULT '[]'"}  # noqa: RUF012

    def __init__(self, path: Path) -> None:
        super().__init__(path)

    def _in_use(self) -> NodeMisconfigured:
        return NodeMisconfigured(
            "journal.in_use",
            f"another node uses the journal {self._path}: stop it, or give this one its own journal path",
        )

    def _not_opened(self, reason: object) -> NodeMisconfigured:
        return _build_unusable(self._path, reason)

    def _broken(self, reason: object) -> NodeMisconfigured:
        return NodeMisconfigured(
            "journal.unusable",
            f"the journal {self._path} cannot be read or written ({reason}): see to its disk, then start the node "
            "again; what was written is not lost",
        )

    def _other_version(self, version: int) -> NodeMisconfigured:
        return _build_other_version(self._path, version)


def _build_other_version(path: Path | None, version: int) -> NodeMisconfigured:
    return NodeMisconfigured(
        "journal.version",
        f"the journal {path} has version {version}, this node reads {SCHEMA_VERSION}: use the Infernet that wrote it, "
        "or begin a new journal",
    )


def _build_unusable(path: Path | None, reason: object) -> NodeMisconfigured:
    return NodeMisconfigured(
        "journal.unusable", f"{path} cannot be used as a journal ({reason}): give another path in [journal]"
    )
