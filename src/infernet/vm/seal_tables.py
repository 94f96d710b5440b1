"""The seals of blocks on disk, and up to which block a quorum has sealed."""

from __future__ import annotations

from collections.abc import Mapping

from infernet.vm.database import Database

_SEALED = "sealed"


class SealTables:
    """A seal stays as it was first written: one of each signer for each block."""

    _db: Database

    def read_seals(self, number: int) -> dict[bytes, bytes]:
        """Of a block, by signer."""
        return dict(self._db.execute("SELECT signer, seal FROM seals WHERE block = ? ORDER BY signer", (number,)))

    def count_seals(self, number: int, without: bytes) -> int:
        """Of a block, leaving out one signer's."""
        ((count,),) = self._db.execute("SELECT count(*) FROM seals WHERE block = ? AND signer != ?", (number, without))
        return int(count)

    def _write_seals(self, number: int, seals: Mapping[bytes, bytes]) -> None:
        self._db.execute_many(
            "INSERT OR IGNORE INTO seals VALUES (?, ?, ?)", ((number, *entry) for entry in seals.items())
        )

    def read_sealed(self) -> int:
        """The last block that `write_sealed` was given; the first one before that."""
        rows = self._db.execute("SELECT value FROM parameters WHERE name = ?", (_SEALED,))
        return int.from_bytes(rows[0][0], "big") if rows else 0

    def write_sealed(self, number: int) -> None:
        value = number.to_bytes(8, "big")
        self._db.execute("INSERT OR REPLACE INTO parameters VALUES (?, ?)", (_SEALED, value))

    def _delete_seals(self, above: int) -> None:
        self._db.execute("DELETE FROM seals WHERE block > ?", (above,))
        if self.read_sealed() > above:
            self.write_sealed(above)
