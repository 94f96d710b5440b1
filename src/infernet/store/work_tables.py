"""The journal's account of this node's work: jobs, and the transactions that deliver them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from infernet.store.database import Database
from infernet.store.records import Job, PendingTransaction, build_job, build_pending, encode_models
from infernet.types import Address, ChainId, JobKey, SignedTransaction, SubscriptionKey, TxHash

_WHERE_KEY = "chain_id = ? AND coordinator = ? AND owner = ? AND id = ?"
_COLUMNS = "chain_id, coordinator, owner, id, interval, state, code, note, starts_at, ends_at, attempts"
_COLUMNS_WITH_BYTES = _COLUMNS + ", output, proof, tx_hash, models"


class WorkTables:
    """The part of the journal that tells what this node owes and has sent."""

    _db: Database

    # --- jobs -----------------------------------------------------------------------------------------------------

    def save_job(self, job: Job) -> None:
        """Insert or replace one job: the one way its state moves."""
        self._db.execute(
            f"INSERT INTO jobs ({_COLUMNS_WITH_BYTES}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "  # noqa: S608
            "ON CONFLICT DO UPDATE SET state = excluded.state, code = excluded.code, note = excluded.note, "
            "starts_at = excluded.starts_at, ends_at = excluded.ends_at, attempts = excluded.attempts, "
            "output = excluded.output, proof = excluded.proof, tx_hash = excluded.tx_hash, models = excluded.models, "
            "ended_block = NULL",
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
                encode_models(job.models),
            ),
        )

    def read_job(self, key: JobKey) -> Job | None:
        """One job, None where there is none."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS_WITH_BYTES} FROM jobs WHERE {_WHERE_KEY} AND interval = ?",  # noqa: S608
            (*key.subscription, key.interval),
        )
        return build_job(rows[0]) if rows else None

    def read_jobs(self, subscription: SubscriptionKey) -> list[Job]:
        """All jobs of a subscription, by interval."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS_WITH_BYTES} FROM jobs WHERE {_WHERE_KEY} ORDER BY interval",  # noqa: S608
            subscription,
        )
        return [build_job(row) for row in rows]

    def read_newest_jobs(self, subscription: SubscriptionKey, count: int = 100) -> list[Job]:
        """The last jobs of a subscription by interval, without output and proof: for reports."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS}, NULL, NULL, tx_hash, models FROM jobs WHERE {_WHERE_KEY} "  # noqa: S608
            "ORDER BY interval DESC LIMIT ?",
            (*subscription, count),
        )
        return [build_job(row) for row in reversed(rows)]

    def read_open_jobs(self, chain_id: ChainId, coordinator: Address) -> list[Job]:
        """Jobs with something left to do."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS_WITH_BYTES} FROM jobs INDEXED BY jobs_open WHERE chain_id = ? AND coordinator = ? "  # noqa: S608
            "AND state IN ('accepted', 'computed', 'signed', 'sent')",
            (chain_id, coordinator),
        )
        return [build_job(row) for row in rows]

    def count_jobs(self, chain_id: ChainId) -> dict[str, int]:
        """How many jobs of a chain the journal holds in each state, at the same small cost however many they are."""
        return dict(self._db.execute("SELECT state, jobs FROM job_counts WHERE chain_id = ? AND jobs > 0", (chain_id,)))

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
        return self._db.execute_many(
            "UPDATE transactions SET state = ? WHERE hash = ?", [(state, tx_hash) for tx_hash in hashes]
        )

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
        return [build_pending(row) for row in rows]

    def read_transaction_data(self, tx_hash: TxHash) -> bytes | None:
        """The calldata of a transaction that this node signed, None for another's."""
        rows = self._db.execute("SELECT data FROM transactions WHERE hash = ?", (tx_hash,))
        return rows[0][0] if rows else None

    def read_jobs_of_transaction(self, tx_hash: TxHash) -> list[Job]:
        """The jobs that a transaction delivers."""
        rows = self._db.execute(f"SELECT {_COLUMNS_WITH_BYTES} FROM jobs WHERE tx_hash = ?", (tx_hash,))  # noqa: S608
        return [build_job(row) for row in rows]
