"""Forget what nobody asks for any more, a bounded portion with every step of the chain, so that a journal does not grow
for ever and no step takes long.

What ended is kept whole while a reorg may undo it, then without its bytes, and of that the newest `KEEP_ENDED` only.
"""

from __future__ import annotations

from infernet.store.database import Database
from infernet.store.sqlite_file import Row
from infernet.types import Address, ChainId

KEEP_ENDED = 10_000
"""Ended jobs, and ended subscriptions, kept for a Coordinator."""
PORTION = 500
"""Rows of a kind that one step takes away."""

_KEY = "chain_id, coordinator, owner, id"
_HERE = "chain_id = ? AND coordinator = ?"


def prune(db: Database, chain_id: ChainId, coordinator: Address, newest: int, horizon: int) -> None:
    """Take a portion away, inside the caller's step.

    Args:
        newest: number of the newest block.
        horizon: number of the newest block that no reorg can undo.
    """
    here = (chain_id, coordinator)
    db.execute(
        f"UPDATE jobs INDEXED BY jobs_just_ended SET ended_block = ? WHERE {_HERE} AND ended_block IS NULL AND "  # noqa: S608
        "state IN ('delivered', 'failed', 'dropped')",
        (newest, *here),
    )
    _empty_jobs(db, here, horizon)
    _remove_jobs(db, here, horizon)
    _empty_subscriptions(db, here, horizon)
    _remove_subscriptions(db, here, horizon)
    _remove_transactions(db, chain_id, horizon)


def _empty_jobs(db: Database, here: tuple[ChainId, Address], horizon: int) -> None:
    rows = db.execute(
        f"SELECT {_KEY}, interval FROM jobs WHERE {_HERE} AND ended_block <= ? AND "  # noqa: S608
        "(output IS NOT NULL OR proof IS NOT NULL) LIMIT ?",
        (*here, horizon, PORTION),
    )
    db.execute_many(
        f"UPDATE jobs SET output = NULL, proof = NULL WHERE ({_KEY}, interval) = (?, ?, ?, ?, ?)",  # noqa: S608
        rows,
    )


def _remove_jobs(db: Database, here: tuple[ChainId, Address], horizon: int) -> None:
    """The oldest; their subscriptions note what they had answered, for a restart."""
    rows = [row for row in _read_surplus(db, "jobs", f"{_KEY}, interval", here) if row[-1] <= horizon]
    db.execute_many(
        f"UPDATE subscriptions SET answered = max(answered, ?) WHERE ({_KEY}) = (?, ?, ?, ?)",  # noqa: S608
        [(row[4], *row[:4]) for row in rows],
    )
    db.execute_many(
        f"DELETE FROM jobs WHERE ({_KEY}, interval) = (?, ?, ?, ?, ?)",  # noqa: S608
        [row[:5] for row in rows],
    )


def _empty_subscriptions(db: Database, here: tuple[ChainId, Address], horizon: int) -> None:
    rows = db.execute(
        f"SELECT {_KEY} FROM subscriptions WHERE {_HERE} AND ended_block <= ? AND signature IS NULL AND "  # noqa: S608
        "features <> x'' LIMIT ?",
        (*here, horizon, PORTION),
    )
    db.execute_many(f"UPDATE subscriptions SET features = x'' WHERE ({_KEY}) = (?, ?, ?, ?)", rows)  # noqa: S608


def _remove_subscriptions(db: Database, here: tuple[ChainId, Address], horizon: int) -> None:
    """The oldest that ended, and signed requests that expired before anybody brought them on chain."""
    ended = [row[:4] for row in _read_surplus(db, "subscriptions", _KEY, here) if row[-1] <= horizon]
    expired = db.execute(
        f"SELECT {_KEY} FROM subscriptions s WHERE {_HERE} AND created_block IS NULL AND "  # noqa: S608
        f"expiry < (SELECT min(timestamp) FROM blocks WHERE {_HERE}) AND NOT EXISTS (SELECT 1 FROM jobs j WHERE "
        "j.chain_id = s.chain_id AND j.coordinator = s.coordinator AND j.owner = s.owner AND j.id = s.id AND "
        "j.ended_block IS NULL) LIMIT ?",
        (*here, *here, PORTION),
    )
    db.execute_many(f"DELETE FROM subscriptions WHERE ({_KEY}) = (?, ?, ?, ?)", ended + expired)  # noqa: S608


def _remove_transactions(db: Database, chain_id: ChainId, horizon: int) -> None:
    """Those that are mined or replaced, and whose jobs no reorg can open again."""
    db.execute(
        "DELETE FROM transactions WHERE hash IN (SELECT hash FROM transactions t WHERE chain_id = ? AND "
        "sent_block <= ? AND state <> 'pending' AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.tx_hash = t.hash AND "
        "(j.ended_block IS NULL OR j.ended_block > ?)) LIMIT ?)",
        (chain_id, horizon, horizon, PORTION),
    )


def _read_surplus(db: Database, table: str, columns: str, here: tuple[ChainId, Address]) -> list[Row]:
    """Ended rows beyond the newest `KEEP_ENDED`, each with the block that ended it; read from an index alone."""
    return db.execute(
        f"SELECT {columns}, ended_block FROM {table} WHERE {_HERE} AND ended_block IS NOT NULL "  # noqa: S608
        "ORDER BY ended_block DESC LIMIT ? OFFSET ?",
        (*here, PORTION, KEEP_ENDED),
    )
