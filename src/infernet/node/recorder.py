"""Write down a step of the chain: subscriptions, answers and blocks, in memory and on disk together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import structlog

from infernet.chain.reverts import build_revert_error
from infernet.node.book import Book
from infernet.node.delivery import judge_revert
from infernet.node.follower import KEEP_BLOCKS, Update
from infernet.protocol.deliveries import decode_deliveries
from infernet.protocol.events import AnswerPending, AnswerSettled, DeliveryFailed, Event, SubscriptionFulfilled
from infernet.store.journal import Job, Journal
from infernet.types import Address, ChainId, Interval, JobKey, SubscriptionKey, Timestamp, TxHash

log = structlog.get_logger()
_UNKNOWN = Timestamp(0)


@dataclass(frozen=True, slots=True)
class Change:
    """What a step changed.

    Attributes:
        touched: subscriptions to decide about anew.
        delivered: this node's jobs whose delivery the step holds.
        refused: this node's jobs whose delivery failed in a batch, as they stand now, with the batch's transaction.
    """

    touched: frozenset[SubscriptionKey]
    delivered: tuple[Job, ...]
    refused: tuple[tuple[Job, TxHash], ...] = ()


class Recorder:
    """Applies updates, each in one step of the journal. What a reorg leaves without a block is forgotten at the head:
    the blocks up to there may hold it again, and they may come in several updates.
    """

    def __init__(self, journal: Journal, book: Book, chain_id: ChainId, coordinator: Address, node: Address) -> None:
        self._journal = journal
        self._book = book
        self._chain_id = chain_id
        self._coordinator = coordinator
        self._node = node
        self._undone = {key for key in book if book.is_orphan(key)}

    def write(self, update: Update) -> Change:
        """Apply an update: first what it undoes, then what it brings."""
        touched: set[SubscriptionKey] = set()
        delivered: list[Job] = []
        refused: list[tuple[Job, TxHash]] = []
        with self._journal.step():
            if update.rolled_back_to is not None:
                touched |= self._undo(update.rolled_back_to, update.is_reread)
            for event in update.events:
                if (key := self._book.apply(event, update.cancelled_at.get(event.block_number, _UNKNOWN))) is not None:
                    touched.add(key)
                if isinstance(event, DeliveryFailed) and (refusal := self._note_refusal(event)) is not None:
                    refused.append((refusal, event.tx_hash))
                if (job := self._note_delivery(event)) is not None:
                    delivered.append(job)
            if update.at_head:
                touched |= self._undone
                self._book.remove_orphans(self._undone)
            self._journal.add_blocks(self._chain_id, self._coordinator, update.blocks, KEEP_BLOCKS)
        if update.at_head:
            self._undone.clear()
        return Change(frozenset(touched), tuple(delivered), tuple(refused))

    def _undo(self, number: int, is_reread: bool) -> set[SubscriptionKey]:
        log.warning("chain.reorg", chain=self._chain_id, valid_up_to=number, is_reread=is_reread)
        if is_reread:
            self._book.reset()
            return set(self._book)
        self._journal.remove_blocks_above(self._chain_id, self._coordinator, number)
        touched, lost = self._book.roll_back(number)
        self._undone |= touched
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
        if isinstance(event, AnswerSettled) and not event.valid and event.node == self._node:
            self._note_invalid(event)
        if not isinstance(event, SubscriptionFulfilled | AnswerPending) or event.node != self._node:
            return None
        subscription = SubscriptionKey(self._chain_id, self._coordinator, event.owner, event.id)
        key = JobKey(subscription, Interval(event.interval))
        job = self._journal.read_job(key) or Job(key, "accepted", _UNKNOWN, None)
        if job.state == "delivered" and isinstance(event, SubscriptionFulfilled) and job.tx_hash != event.tx_hash:
            return None  # it was pending, and is settled now
        job = replace(job, state="delivered", tx_hash=event.tx_hash, code="", note="")
        self._journal.save_job(job)
        return job

    def _note_invalid(self, event: AnswerSettled) -> None:
        """A verifier refused this node's answer in the end."""
        key = JobKey(SubscriptionKey(self._chain_id, self._coordinator, event.owner, event.id), event.interval)
        if (job := self._journal.read_job(key)) is not None:
            log.warning("answer.invalid", job=key, tx=event.tx_hash.hex())
            note = "its verifier found the answer invalid: nothing was paid"
            self._journal.save_job(replace(job, state="failed", code="answer.invalid", note=note))

    def _note_refusal(self, event: DeliveryFailed) -> Job | None:
        """This node's job whose delivery was refused within a batch: tried again, or over."""
        data = self._journal.read_transaction_data(event.tx_hash) if event.node == self._node else None
        items = decode_deliveries(data) if data is not None else ()
        item = items[event.index] if event.index < len(items) else None
        if item is None:
            return None
        key = JobKey(SubscriptionKey(self._chain_id, self._coordinator, item.owner, item.id), item.interval)
        job = self._journal.read_job(key)
        if job is None or not job.is_open or job.tx_hash != event.tx_hash:
            return None
        error = build_revert_error(event.reason)
        job = judge_revert(job, error.code, error.message)
        self._journal.save_job(job)
        return job
