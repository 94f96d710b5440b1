"""The journal: what a node knows and owes, in SQLite, written before every effect.

A commit is on disk when the method returns (`synchronous = FULL`), so that `kill -9` and a pulled plug lose nothing.
"""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from infernet.errors import NodeMisconfigured
from infernet.protocol.decision import Tracked
from infernet.protocol.events import AnswerPending, SubscriptionFulfilled
from infernet.protocol.subscription import DelegateRequest, decode_subscription, encode_subscription
from infernet.types import (
    Address,
    BlockRef,
    ChainId,
    Gas,
    Hash32,
    Interval,
    JobKey,
    SignedTransaction,
    SubscriptionId,
    SubscriptionKey,
    Timestamp,
    Transaction,
    TxHash,
    Wei,
)

SCHEMA_VERSION = 2
OPEN_STATES = ("accepted", "computed", "signed", "sent")
JobState = Literal["accepted", "computed", "signed", "sent", "delivered", "failed", "dropped"]
_WHERE_HERE = "chain_id = ? AND coordinator = ?"
_WHERE_DONE = "state IN ('delivered', 'failed', 'dropped')"
_WHERE_KEY = "chain_id = ? AND coordinator = ? AND owner = ? AND id = ?"


@dataclass(frozen=True, slots=True)
class Job:
    """One answer this node owes, and how far it has come.

    Attributes:
        code: why it failed, was dropped, or is being tried again; empty otherwise.
        ends_at: the first second of chain time that is too late, None for never.
        attempts: runs and deliveries that went wrong so far.
    """

    key: JobKey
    state: JobState
    starts_at: Timestamp
    ends_at: Timestamp | None
    code: str = ""
    note: str = ""
    attempts: int = 0
    output: bytes | None = None
    proof: bytes | None = None
    tx_hash: TxHash | None = None

    @property
    def is_open(self) -> bool:
        """True while something is left to do."""
        return self.state in OPEN_STATES


@dataclass(frozen=True, slots=True)
class PendingTransaction:
    """A signed transaction that no block is known to hold."""

    signed: SignedTransaction
    sent_block: int


@dataclass(frozen=True, slots=True)
class Fulfilment:
    """An answer that the chain counted in a block that may still be undone.

    Attributes:
        interval_before, delivered_before, answered_before: the subscription's progress before it.
    """

    job: JobKey
    node: Address
    interval_before: Interval
    delivered_before: int
    answered_before: Interval


class Journal:
    """One node's memory. One process at a time."""

    def __init__(self, path: Path) -> None:
        """Open or create the journal.

        Raises:
            NodeMisconfigured: another node holds it, another version wrote it, or it is no journal.
        """
        self._depth = 0
        self._lock = _take_lock(path)
        try:
            self._db = _open_database(path)
            self._migrate(path)
        except BaseException:
            self._lock.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the file. What was written stays."""
        self._db.close()
        self._lock.close()

    def _migrate(self, path: Path) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            schema = resources.files("infernet.store").joinpath("schema.sql").read_text(encoding="utf-8")
            self._db.executescript(f"BEGIN;{schema};PRAGMA user_version = {SCHEMA_VERSION};COMMIT;")
        elif version != SCHEMA_VERSION:
            self._db.close()
            raise NodeMisconfigured(
                "journal.version",
                f"the journal {path} has version {version}, this node reads {SCHEMA_VERSION}: use the Infernet that "
                "wrote it, or begin a new journal",
            )

    @contextmanager
    def step(self) -> Iterator[None]:
        """Everything written inside is on disk together, or not at all. Steps may nest: an inner one that fails takes
        back its own writes. Nothing may be awaited inside.
        """
        name = f"step_{self._depth}"
        self._db.execute(f"SAVEPOINT {name}" if self._depth else "BEGIN IMMEDIATE")
        self._depth += 1
        try:
            yield
        except BaseException:
            self._depth -= 1
            self._db.execute(f"ROLLBACK TO {name}" if self._depth else "ROLLBACK")
            raise
        self._depth -= 1
        self._db.execute(f"RELEASE {name}" if self._depth else "COMMIT")

    # --- blocks ---------------------------------------------------------------------------------------------------

    def read_blocks(self, chain_id: ChainId, coordinator: Address) -> list[BlockRef]:
        """The blocks followed for a Coordinator that are kept, oldest first."""
        rows = self._db.execute(
            "SELECT number, hash, parent_hash, timestamp, base_fee, gas_limit FROM blocks WHERE chain_id = ? AND "
            "coordinator = ? ORDER BY number",
            (chain_id, coordinator),
        )
        return [
            BlockRef(number, Hash32(digest), Hash32(parent), Timestamp(timestamp), Wei(base_fee), Gas(gas_limit))
            for number, digest, parent, timestamp, base_fee, gas_limit in rows
        ]

    def add_blocks(self, chain_id: ChainId, coordinator: Address, blocks: Iterable[BlockRef], keep: int) -> None:
        """Append followed blocks and forget those more than `keep` below the newest, with what undoes them."""
        rows = [
            (chain_id, coordinator, b.number, b.hash, b.parent_hash, b.timestamp, b.base_fee, b.gas_limit)
            for b in blocks
        ]
        horizon = (chain_id, coordinator, max((row[2] for row in rows), default=0) - keep)
        with self.step():
            self._db.executemany("INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            self._db.execute("DELETE FROM blocks WHERE chain_id = ? AND coordinator = ? AND number <= ?", horizon)
            for table in ("fulfilments", "changes"):
                self._db.execute(f"DELETE FROM {table} WHERE {_WHERE_HERE} AND block_number <= ?", horizon)  # noqa: S608

    def remove_blocks_above(self, chain_id: ChainId, coordinator: Address, number: int) -> None:
        """Forget the followed blocks above a number."""
        self._db.execute(
            "DELETE FROM blocks WHERE chain_id = ? AND coordinator = ? AND number > ?", (chain_id, coordinator, number)
        )

    # --- subscriptions --------------------------------------------------------------------------------------------

    def save_subscription(self, tracked: Tracked, ended_block: int | None = None) -> None:
        """Insert or replace one subscription as it is known now."""
        request = tracked.request
        self._db.execute(
            "INSERT OR REPLACE INTO subscriptions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *tracked.key,
                encode_subscription(tracked.subscription),
                tracked.container,
                tracked.features,
                request.expiry if request else None,
                request.signature if request else None,
                tracked.created_block,
                ended_block,
                tracked.interval,
                tracked.delivered,
                tracked.is_paused,
                tracked.last_interval,
            ),
        )

    def read_subscription(self, key: SubscriptionKey) -> tuple[Tracked, int | None] | None:
        """A subscription and the block that ended it (None while it is open)."""
        row = self._db.execute(f"SELECT * FROM subscriptions WHERE {_WHERE_KEY}", key).fetchone()  # noqa: S608
        if row is None:
            return None
        (answered,) = self._db.execute(
            f"SELECT max(interval) FROM jobs WHERE {_WHERE_KEY} AND {_WHERE_DONE}",  # noqa: S608
            key,
        ).fetchone()
        return _tracked(row, Interval(answered or 0)), row[10]

    def read_open_subscriptions(self, chain_id: ChainId, coordinator: Address) -> Iterator[Tracked]:
        """Every subscription that may still be answered, with what this node has answered of it."""
        answered = {
            SubscriptionKey(*row[:4]): Interval(row[4])
            for row in self._db.execute(
                f"SELECT chain_id, coordinator, owner, id, max(interval) FROM jobs WHERE {_WHERE_HERE} AND "  # noqa: S608
                f"{_WHERE_DONE} GROUP BY 1, 2, 3, 4",
                (chain_id, coordinator),
            )
        }
        rows = self._db.execute(
            "SELECT * FROM subscriptions WHERE chain_id = ? AND coordinator = ? AND ended_block IS NULL",
            (chain_id, coordinator),
        )
        for row in rows:
            yield _tracked(row, answered.get(SubscriptionKey(*row[:4]), Interval(0)))

    def read_subscriptions_since(self, chain_id: ChainId, coordinator: Address, number: int) -> list[SubscriptionKey]:
        """Subscriptions that blocks above `number` created or ended."""
        rows = self._db.execute(
            "SELECT chain_id, coordinator, owner, id FROM subscriptions WHERE chain_id = ? AND coordinator = ? AND "
            "(created_block > ? OR ended_block > ?)",
            (chain_id, coordinator, number, number),
        )
        return [SubscriptionKey(*row) for row in rows.fetchall()]

    def remove_subscription(self, key: SubscriptionKey) -> None:
        """Forget a subscription that is not part of the chain, and this node's work on it."""
        with self.step():
            for table in ("subscriptions", "changes"):
                self._db.execute(f"DELETE FROM {table} WHERE {_WHERE_KEY}", key)  # noqa: S608
            self.remove_jobs(key)

    def remove_progress(self, chain_id: ChainId, coordinator: Address) -> None:
        """Forget everything that was read from the chain; requests signed off chain stay, as new ones."""
        where, which = _WHERE_HERE, (chain_id, coordinator)
        with self.step():
            for table in ("blocks", "fulfilments", "changes", "jobs"):
                self._db.execute(f"DELETE FROM {table} WHERE {where}", which)  # noqa: S608
            self._db.execute(f"DELETE FROM subscriptions WHERE {where} AND signature IS NULL", which)  # noqa: S608
            self._db.execute(
                f"UPDATE subscriptions SET created_block = NULL, ended_block = NULL, interval = 0, delivered = 0, paused = 0, last_interval = NULL WHERE {where}",  # noqa: E501, S608
                which,
            )

    # --- fulfilments ----------------------------------------------------------------------------------------------

    def add_fulfilment(self, before: Tracked, event: SubscriptionFulfilled | AnswerPending) -> None:
        """Note an answer that the chain counted, and what was counted before it."""
        self._db.execute(
            "INSERT OR REPLACE INTO fulfilments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *before.key,
                event.interval,
                event.redundancy,
                event.node,
                event.tx_hash,
                event.block_number,
                before.interval,
                before.delivered,
                before.answered,
            ),
        )

    def remove_fulfilments_above(self, chain_id: ChainId, coordinator: Address, number: int) -> list[Fulfilment]:
        """Take back the answers that blocks above `number` counted, the newest first."""
        where = "chain_id = ? AND coordinator = ? AND block_number > ?"
        rows = self._db.execute(
            f"SELECT * FROM fulfilments WHERE {where} ORDER BY interval DESC, redundancy DESC",  # noqa: S608
            (chain_id, coordinator, number),
        ).fetchall()
        self._db.execute(f"DELETE FROM fulfilments WHERE {where}", (chain_id, coordinator, number))  # noqa: S608
        return [
            Fulfilment(
                JobKey(SubscriptionKey(*row[:4]), Interval(row[4])),
                Address(row[6]),
                Interval(row[9]),
                row[10],
                Interval(row[11]),
            )
            for row in rows
        ]

    def add_change(self, before: Tracked, block_number: int, log_index: int) -> None:
        """Note that an event paused, resumed or cancelled a subscription, and how it stood before it."""
        self._db.execute(
            "INSERT OR REPLACE INTO changes VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*before.key, block_number, log_index, before.is_paused, before.last_interval),
        )

    def remove_changes_above(
        self, chain_id: ChainId, coordinator: Address, number: int
    ) -> list[tuple[SubscriptionKey, bool, Interval | None]]:
        """Take back what blocks above `number` changed, the newest first: how each subscription stood before."""
        where, which = f"{_WHERE_HERE} AND block_number > ?", (chain_id, coordinator, number)
        rows = self._db.execute(
            "SELECT chain_id, coordinator, owner, id, paused_before, last_interval_before FROM changes "  # noqa: S608
            f"WHERE {where} ORDER BY block_number DESC, log_index DESC",
            which,
        ).fetchall()
        self._db.execute(f"DELETE FROM changes WHERE {where}", which)  # noqa: S608
        return [(SubscriptionKey(*row[:4]), bool(row[4]), row[5]) for row in rows]

    # --- jobs -----------------------------------------------------------------------------------------------------

    def save_job(self, job: Job) -> None:
        """Insert or replace one job: the one way its state moves."""
        self._db.execute(
            "INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *job.key.subscription,
                job.key.interval,
                job.state,
                job.code,
                job.note,
                job.starts_at,
                job.ends_at,
                job.attempts,
                job.output,
                job.proof,
                job.tx_hash,
            ),
        )

    def read_job(self, key: JobKey) -> Job | None:
        """One job, None where there is none."""
        row = self._db.execute(
            f"SELECT * FROM jobs WHERE {_WHERE_KEY} AND interval = ?",  # noqa: S608
            (*key.subscription, key.interval),
        ).fetchone()
        return None if row is None else _job(row)

    def read_jobs(self, subscription: SubscriptionKey) -> list[Job]:
        """All jobs of a subscription, by interval."""
        rows = self._db.execute(f"SELECT * FROM jobs WHERE {_WHERE_KEY} ORDER BY interval", subscription)  # noqa: S608
        return [_job(row) for row in rows]

    def read_open_jobs(self, chain_id: ChainId, coordinator: Address) -> list[Job]:
        """Jobs with something left to do."""
        rows = self._db.execute(
            "SELECT * FROM jobs WHERE chain_id = ? AND coordinator = ? AND state IN ('accepted', 'computed', 'signed', "
            "'sent')",
            (chain_id, coordinator),
        )
        return [_job(row) for row in rows.fetchall()]

    def count_jobs(self, chain_id: ChainId) -> dict[str, int]:
        """How many jobs of a chain are in each state."""
        rows = self._db.execute("SELECT state, count(*) FROM jobs WHERE chain_id = ? GROUP BY state", (chain_id,))
        return dict(rows.fetchall())

    def remove_job(self, key: JobKey) -> None:
        """Forget one job: its subscription's interval may be answered anew."""
        self._db.execute(
            f"DELETE FROM jobs WHERE {_WHERE_KEY} AND interval = ?",  # noqa: S608
            (*key.subscription, key.interval),
        )

    def remove_jobs(self, subscription: SubscriptionKey) -> None:
        """Forget the jobs of a subscription whose id now means other terms."""
        self._db.execute(f"DELETE FROM jobs WHERE {_WHERE_KEY}", subscription)  # noqa: S608

    # --- transactions ---------------------------------------------------------------------------------------------

    def add_transaction(self, signed: SignedTransaction, sent_block: int) -> None:
        """Keep a signed transaction; call it before the broadcast."""
        tx = signed.transaction
        self._db.execute(
            "INSERT OR REPLACE INTO transactions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending')",
            (
                signed.hash,
                tx.chain_id,
                signed.sender,
                tx.nonce,
                signed.raw,
                tx.to,
                tx.data,
                tx.gas,
                tx.max_fee,
                tx.max_priority_fee,
                sent_block,
            ),
        )

    def close_transactions(self, hashes: Sequence[TxHash], state: Literal["mined", "replaced", "pending"]) -> int:
        """Note what became of transactions (`pending` again after a reorg); answers how many of them are known."""
        changed = self._db.executemany(
            "UPDATE transactions SET state = ? WHERE hash = ?", [(state, tx_hash) for tx_hash in hashes]
        )
        return max(0, changed.rowcount)

    def reopen_transactions(self, chain_id: ChainId, account: Address, nonce: int) -> None:
        """After a reorg: transactions from that nonce on are in no block any more."""
        self._db.execute(
            "UPDATE transactions SET state = 'pending' WHERE chain_id = ? AND account = ? AND nonce >= ? "
            "AND state = 'mined'",
            (chain_id, account, nonce),
        )

    def read_pending_transactions(self, chain_id: ChainId, account: Address) -> list[PendingTransaction]:
        """Transactions not known to be in a block, by nonce."""
        rows = self._db.execute(
            "SELECT hash, chain_id, account, nonce, raw, recipient, data, gas, max_fee, max_priority_fee, sent_block "
            "FROM transactions WHERE chain_id = ? AND account = ? AND state = 'pending' ORDER BY nonce",
            (chain_id, account),
        )
        return [
            PendingTransaction(
                SignedTransaction(
                    Transaction(ChainId(chain), nonce, Address(to), data, Gas(gas), Wei(max_fee), Wei(tip)),
                    Address(sender),
                    TxHash(digest),
                    raw,
                ),
                sent_block,
            )
            for digest, chain, sender, nonce, raw, to, data, gas, max_fee, tip, sent_block in rows
        ]

    def read_transaction_data(self, tx_hash: TxHash) -> bytes | None:
        """The calldata of a transaction that this node signed, None for another's."""
        row = self._db.execute("SELECT data FROM transactions WHERE hash = ?", (tx_hash,)).fetchone()
        return None if row is None else row[0]

    def read_jobs_of_transaction(self, tx_hash: TxHash) -> list[Job]:
        """The jobs that a transaction delivers."""
        return [_job(row) for row in self._db.execute("SELECT * FROM jobs WHERE tx_hash = ?", (tx_hash,)).fetchall()]


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


def _open_database(path: Path) -> sqlite3.Connection:
    database = None
    try:
        database = sqlite3.connect(path, isolation_level=None)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
    except sqlite3.DatabaseError as error:
        if database is not None:
            database.close()
        raise _unusable(path, str(error)) from error
    return database


def _unusable(path: Path, reason: object) -> NodeMisconfigured:
    return NodeMisconfigured(
        "journal.unusable", f"{path} cannot be used as a journal ({reason}): give another path in [journal]"
    )


def _tracked(row: tuple[Any, ...], answered: Interval = Interval(0)) -> Tracked:
    chain_id, coordinator, owner, number, terms, container, features, expiry, signature, created = row[:10]
    interval, delivered, paused, last_interval = row[11:]
    subscription = decode_subscription(terms)
    request = None
    if signature is not None:
        request = DelegateRequest(
            nonce=number & (2**31 - 1),
            expiry=expiry,
            subscription=subscription,
            container=container,
            features=features,
            signature=signature,
        )
    key = SubscriptionKey(ChainId(chain_id), Address(coordinator), Address(owner), SubscriptionId(number))
    return Tracked(
        key,
        subscription,
        container,
        features,
        request,
        created,
        Interval(interval),
        delivered,
        answered,
        is_paused=bool(paused),
        last_interval=None if last_interval is None else Interval(last_interval),
    )


def _job(row: tuple[Any, ...]) -> Job:
    return Job(
        key=JobKey(SubscriptionKey(*row[:4]), Interval(row[4])),
        state=row[5],
        code=row[6],
        note=row[7],
        starts_at=Timestamp(row[8]),
        ends_at=None if row[9] is None else Timestamp(row[9]),
        attempts=row[10],
        output=row[11],
        proof=row[12],
        tx_hash=None if row[13] is None else TxHash(row[13]),
    )
