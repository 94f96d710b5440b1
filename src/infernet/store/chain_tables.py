"""The journal's account of a chain: blocks followed, subscriptions found, answers counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from infernet.protocol.decision import Tracked
from infernet.protocol.events import AnswerPending, SubscriptionFulfilled
from infernet.protocol.subscription import encode_subscription
from infernet.store.database import Database
from infernet.store.pruning import prune
from infernet.store.records import Fulfilment, build_fulfilment, build_tracked
from infernet.types import Address, BlockRef, ChainId, Gas, Hash32, Interval, SubscriptionKey, Timestamp, Wei

_WHERE_HERE = "chain_id = ? AND coordinator = ?"
_WHERE_DONE = "state IN ('delivered', 'failed', 'dropped')"
_WHERE_KEY = "chain_id = ? AND coordinator = ? AND owner = ? AND id = ?"


class ChainTables:
    """The part of the journal that tells what the chain said."""

    _db: Database

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
        """Append followed blocks and forget those more than `keep` below the newest, with what undoes them, and some
        of what nobody asks for any more (`prune`).
        """
        rows = [
            (chain_id, coordinator, b.number, b.hash, b.parent_hash, b.timestamp, b.base_fee, b.gas_limit)
            for b in blocks
        ]
        if not rows:
            return
        newest = max(row[2] for row in rows)
        horizon = (chain_id, coordinator, newest - keep)
        with self._db.step():
            self._db.execute_many("INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            self._db.execute("DELETE FROM blocks WHERE chain_id = ? AND coordinator = ? AND number <= ?", horizon)
            for table in ("fulfilments", "changes"):
                self._db.execute(f"DELETE FROM {table} WHERE {_WHERE_HERE} AND block_number <= ?", horizon)  # noqa: S608
            prune(self._db, chain_id, coordinator, newest, newest - keep)

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
            "INSERT OR REPLACE INTO subscriptions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
                tracked.answered,
                tracked.is_paused,
                tracked.last_interval,
            ),
        )

    def read_subscription(self, key: SubscriptionKey) -> tuple[Tracked, int | None] | None:
        """A subscription and the block that ended it (None while it is open)."""
        rows = self._db.execute(f"SELECT * FROM subscriptions WHERE {_WHERE_KEY}", key)  # noqa: S608
        if not rows:
            return None
        ((answered,),) = self._db.execute(
            f"SELECT max(interval) FROM jobs WHERE {_WHERE_KEY} AND {_WHERE_DONE}",  # noqa: S608
            key,
        )
        return build_tracked(rows[0], answered), rows[0][10]

    def read_open_subscriptions(self, chain_id: ChainId, coordinator: Address) -> Iterator[Tracked]:
        """Every subscription that may still be answered, with what this node has answered of it."""
        answered = {
            SubscriptionKey(*row[:4]): row[4]
            for row in self._db.execute(
                f"SELECT chain_id, coordinator, owner, id, max(interval) FROM jobs WHERE {_WHERE_HERE} AND "  # noqa: S608
                f"{_WHERE_DONE} GROUP BY 1, 2, 3, 4",
                (chain_id, coordinator),
            )
        }
        rows = self._db.execute(
            "SELECT * FROM subscriptions INDEXED BY subscriptions_open WHERE chain_id = ? AND coordinator = ? AND "
            "ended_block IS NULL",
            (chain_id, coordinator),
        )
        for row in rows:
            yield build_tracked(row, answered.get(SubscriptionKey(*row[:4])))

    def read_subscriptions_since(self, chain_id: ChainId, coordinator: Address, number: int) -> list[SubscriptionKey]:
        """Subscriptions that blocks above `number` created or ended."""
        select = "SELECT chain_id, coordinator, owner, id FROM subscriptions WHERE chain_id = ? AND coordinator = ? AND"
        rows = self._db.execute(
            f"{select} created_block > ? UNION {select} ended_block > ?",
            (chain_id, coordinator, number) * 2,
        )
        return [SubscriptionKey(*row) for row in rows]

    def remove_subscription(self, key: SubscriptionKey) -> None:
        """Forget a subscription that is not part of the chain, and this node's work on it."""
        with self._db.step():
            for table in ("subscriptions", "changes", "jobs"):
                self._db.execute(f"DELETE FROM {table} WHERE {_WHERE_KEY}", key)  # noqa: S608

    def remove_progress(self, chain_id: ChainId, coordinator: Address) -> None:
        """Forget everything that was read from the chain; requests signed off chain stay, as new ones."""
        where, which = _WHERE_HERE, (chain_id, coordinator)
        with self._db.step():
            for table in ("blocks", "fulfilments", "changes", "jobs"):
                self._db.execute(f"DELETE FROM {table} WHERE {where}", which)  # noqa: S608
            self._db.execute(f"DELETE FROM subscriptions WHERE {where} AND signature IS NULL", which)  # noqa: S608
            self._db.execute(
                f"UPDATE subscriptions SET created_block = NULL, ended_block = NULL, interval = 0, delivered = 0, "  # noqa: S608
                f"answered = 0, paused = 0, last_interval = NULL WHERE {where}",
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
        )
        self._db.execute(f"DELETE FROM fulfilments WHERE {where}", (chain_id, coordinator, number))  # noqa: S608
        return [build_fulfilment(row) for row in rows]

    # --- changes --------------------------------------------------------------------------------------------------

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
        )
        self._db.execute(f"DELETE FROM changes WHERE {where}", which)  # noqa: S608
        return [(SubscriptionKey(*row[:4]), bool(row[4]), row[5]) for row in rows]
