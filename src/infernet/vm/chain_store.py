"""A chain on disk or in memory: blocks, state and blobs, written a block at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from infernet.vm.block import Block
from infernet.vm.block_tables import BlockTables
from infernet.vm.database import Database
from infernet.vm.engine import AccountChange, Executed
from infernet.vm.seal_tables import SealTables
from infernet.vm.state_tables import StateTables, encode_undo

KEPT_STATES = 128


class ChainStore(BlockTables, StateTables, SealTables):
    """One process at a time. What a method wrote is on disk when it returns."""

    def __init__(self, path: Path | None = None) -> None:
        """Open or create it; None is a chain in memory.

        Raises:
            NodeMisconfigured: it is in use, of another version, or no chain.
        """
        self._db = Database(path)

    def close(self) -> None:
        self._db.close()

    def read_parameter(self, name: str) -> bytes | None:
        rows = self._db.execute("SELECT value FROM parameters WHERE name = ?", (name,))
        return rows[0][0] if rows else None

    def write_parameter(self, name: str, value: bytes) -> None:
        self._db.execute("INSERT OR REPLACE INTO parameters VALUES (?, ?)", (name, value))

    def append(
        self,
        block: Block,
        executed: Sequence[Executed],
        changes: Sequence[AccountChange],
        blobs: Mapping[bytes, bytes],
        seals: Mapping[bytes, bytes],
    ) -> None:
        """A block, its seals, its transactions and logs, the state after it and the blobs it put: all or nothing."""
        with self._db.step():
            self._write_block(block, executed, encode_undo(changes))
            self._write_seals(block.number, seals)
            self._write_changes(changes)
            self._write_blobs(blobs)
            self._forget_undo(block.number - KEPT_STATES)
            self._db.execute("DELETE FROM parameters WHERE name = 'edited'")

    def add_seals(self, number: int, seals: Mapping[bytes, bytes]) -> None:
        """More seals of a block that is here."""
        with self._db.step():
            self._write_seals(number, seals)

    def change_state(self, changes: Iterable[AccountChange], head: int) -> None:
        """Change the head's state without a block: of development alone. Older states cannot be made from it."""
        with self._db.step():
            self._write_changes(changes)
            self._forget_undo(head)
            self._db.execute("INSERT OR REPLACE INTO parameters VALUES ('edited', x'01')")

    def truncate(self, head: int, changes: Iterable[AccountChange]) -> None:
        """Take back all blocks above `head`; `changes` lead to the state that it has then."""
        with self._db.step():
            self._delete_blocks(head)
            self._delete_seals(head)
            self._write_changes(changes)
