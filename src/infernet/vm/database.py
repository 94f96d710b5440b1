"""The chain's SQLite file, or a chain in memory, and what is said when it fails."""

from __future__ import annotations

from pathlib import Path

from infernet.errors import NodeMisconfigured
from infernet.store.sqlite_file import SqliteFile


class Database(SqliteFile):
    """Opened in one thread and used in the engine's."""

    room = "infernet.vm"
    version = 2

    def __init__(self, path: Path | None) -> None:
        """None is a chain in memory. Raises as `SqliteFile`."""
        self._name = "the chain in memory" if path is None else f"the chain {path}"
        super().__init__(path, check_same_thread=False)

    def _in_use(self) -> NodeMisconfigured:
        return NodeMisconfigured(
            "chain.in_use", f"{self._name} is in use: stop the process that runs it, or choose another folder"
        )

    def _not_opened(self, reason: object) -> NodeMisconfigured:
        return NodeMisconfigured("chain.unusable", f"{self._name} cannot be opened: {reason}")

    def _broken(self, reason: object) -> NodeMisconfigured:
        return NodeMisconfigured(
            "chain.unusable",
            f"{self._name} cannot be read or written ({reason}): see to its disk, then start again; what was "
            "acknowledged is not lost",
        )

    def _other_version(self, version: int) -> NodeMisconfigured:
        return NodeMisconfigured(
            "chain.version", f"{self._name} has version {version}, not {self.version}: use the Infernet that wrote it"
        )
