"""The journal: what a node knows and owes, in SQLite, written before every effect.

A commit is on disk when the method returns (`synchronous = FULL`), so that `kill -9` and a pulled plug lose nothing.
Every method raises `NodeMisconfigured` (`journal.unusable`) when the disk is full or broken.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

from infernet.store.chain_tables import ChainTables
from infernet.store.database import SCHEMA_VERSION, Database
from infernet.store.records import OPEN_STATES, Fulfilment, Job, JobState, PendingTransaction
from infernet.store.work_tables import WorkTables

__all__ = ["OPEN_STATES", "SCHEMA_VERSION", "Fulfilment", "Job", "JobState", "Journal", "PendingTransaction"]


class Journal(ChainTables, WorkTables):
    """One node's memory. One process at a time."""

    def __init__(self, path: Path) -> None:
        """Open or create the journal.

        Raises:
            NodeMisconfigured: another node holds it, another version wrote it, or it is no journal.
        """
        self._db = Database(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the file. What was written stays."""
        self._db.close()

    def step(self) -> AbstractContextManager[None]:
        """Everything written inside is on disk together, or not at all. Steps may nest: an inner one that fails takes
        back its own writes. Nothing may be awaited inside.
        """
        return self._db.step()
