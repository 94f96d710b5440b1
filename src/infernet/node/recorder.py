"""Write down a step of the chain: subscriptions, answers and blocks, in memory and on disk together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import structlog

from infernet.node.book import Book
from infernet.node.follower import KEEP_BLOCKS, Update
from infernet.protocol.events import Event, SubscriptionFulfilled
from infernet.store.journal import Job, Journal
from infernet.types import Address, ChainId, Interval, JobKey, SubscriptionKey, Timestamp

log = structlog.get_logger()
_UNKNOWN = Timestamp(0)


@dataclass(frozen=True, slots=True)
class Change:
    """What a step changed.

    Attributes:
        touched: subscriptions to decide about anew.
        delivered: this node's jobs whose delivery the step holds.
    """

    touched: frozenset[SubscriptionKey]
    delivered: tuple[Job, ...]


class Recorder:
    """Applies updates, each in one step of the journal."""

    def __init__(self, journal: Journal, book: Book, chain_id: ChainId, coordinator: Address, node: Address) -> None:
        self._journal = journal
        self._book = book
        self._chain_id = chain_id
        self._coordinator = coordinator
        self._node = node

    def write(self, update: Update) -> Change:
        """Apply an update: first what it undoes, then what it brings."""
        touched: set[SubscriptionKey] = set()
        delivered: list[Job] = []
        with self._journal.step():
            if update.rolled_back_to is not None:
                touched |= self._undo(update.rolled_back_to, update.is_reread)
            for event in update.events:
                if (key := self._book.apply(event)) is not None:
                    touched.add(key)
                if (job := self._note_delivery(event)) is not None:
                    delivered.append(job)
            if update.rolled_back_to is not None:
                self._book.remove_orphans(touched)
            self._journal.add_blocks(self._chain_id, self._coordinator, update.blocks, KEEP_BLOCKS)
        return Change(frozenset(touched), tuple(delivered))

    def _undo(self, number: int, is_reread: bool) -> set[SubscriptionKey]:
        log.warning("chain.reorg", chain=self._chain_id, valid_up_to=number, is_reread=is_reread)
        if is_reread:
            self._book.reset()
            return set(self._book)
        self._journal.remove_blocks_above(self._chain_id, self._coordinator, number)
        touched, lost = self._book.roll_back(number)
        self._reopen(lost)
        return touched

    def _reopen(self, lost: Iterable[JobKey]) -> None:
        """This node's answers that are on the chain no more: their transactions are on their way again."""
        for key in lost:
            job = self._journal.read_job(key)
            if job is None or job.output is None or job.tx_hash is None:
                self._journal.remove_job(key)
            elif self._journal.close_transactions([job.tx_hash], "pending"):
                self._journal.save_job(replace(job, state="sent"))
            else:  # another process of this account had sent it
                self._journal.save_job(replace(job, state="computed", tx_hash=None))

    def _note_delivery(self, event: Event) -> Job | None:
        """This node's answers as the chain counts them, those that another process of its account gave too."""
        if not isinstance(event, SubscriptionFulfilled) or event.node != self._node:
            return None
        subscription = SubscriptionKey(self._chain_id, self._coordinator, event.owner, event.id)
        key = JobKey(subscription, Interval(event.interval))
        job = self._journal.read_job(key) or Job(key, "accepted", _UNKNOWN, None)
        job = replace(job, state="delivered", tx_hash=event.tx_hash, code="", note="")
        self._journal.save_job(job)
        return job
