"""See transactions into blocks: what is mined, what reverted, what is stuck, what must not be mined any more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import structlog

from infernet.errors import InfernetError, RetryLater, is_endpoint_error
from infernet.node.delivery import FEE_REFUSALS, REVERTED, GasPolicy, Over, SeenHead, find_end, mark_refused
from infernet.node.outbox import Outbox, can_bump
from infernet.ports import Chain
from infernet.protocol.decision import Tracked
from infernet.store.journal import Job, Journal, PendingTransaction
from infernet.types import SubscriptionKey, TxHash, Wei

STUCK_AFTER_BLOCKS = 3
log = structlog.get_logger()


class Settler:
    """Looks after an account's pending transactions, head by head.

    Args:
        find: the subscription of a job, None where it is over.
        hold: called with a job whose answer is to be delivered anew.
        end: called with a job that needs no more work, and why.
    """

    def __init__(
        self,
        chain: Chain,
        outbox: Outbox,
        journal: Journal,
        gas_policy: GasPolicy,
        find: Callable[[SubscriptionKey], Tracked | None],
        hold: Callable[[Job], None],
        end: Callable[[Job, Over], None],
    ) -> None:
        self._chain = chain
        self._outbox = outbox
        self._journal = journal
        self._gas_policy = gas_policy
        self._find = find
        self._hold = hold
        self._end = end

    async def settle(self, head: SeenHead, is_reopened: bool) -> None:
        """Find out what became of the transactions that no followed event told of.

        Args:
            is_reopened: after a restart or a reorg, all that the chain does not hold is looked at.

        Raises:
            RetryLater: the endpoint did not answer; nothing is lost, and the next call finds what is left.
        """
        if is_reopened:
            await self._outbox.reopen(head.block)
        for pending, receipt in await self._outbox.fetch_used(head.block):
            with self._journal.step():
                self._outbox.close([pending.signed.hash], is_mined=receipt is not None)
                if receipt is None or not receipt.succeeded:  # else the followed events close its job
                    self._take_back(pending, REVERTED if receipt else "transaction.replaced")
        await self._review(head, is_reopened)

    def _take_back(self, pending: PendingTransaction, code: str) -> None:
        """A delivery that did not happen: the answer is still good, so it is simulated and sent anew, where it has not
        cost money in vain before.
        """
        for job in self._journal.read_jobs_of_transaction(pending.signed.hash):
            if not job.is_open:
                continue
            log.warning("output.not_delivered", job=job.key, code=code)
            back = mark_refused(replace(job, attempts=job.attempts + (code == REVERTED)), code, "")
            if code == job.code == REVERTED:
                note = "its transactions fail though their simulation passes"
                self._end(replace(back, state="failed"), Over(code, note))
            else:
                self._hold(back)

    async def _review(self, head: SeenHead, is_reopened: bool) -> None:
        """Look again at the transactions that need it, each by a simulation: broadcast, pay more, or cancel."""
        pending = [p for p in self._outbox.pending if not self._is_delivered(p)]
        doubtful = [p for p in pending if is_reopened or self._is_doubtful(p, head)]
        calls = [self._outbox.build_call(p, head.block) for p in doubtful]
        results = await self._chain.call_many(calls, at=head.block.hash) if calls else []
        again: list[PendingTransaction] = []
        for looked_at, result in zip(doubtful, results, strict=True):
            over = self._find_reason(looked_at, result, head)
            if over is None:
                again.append(looked_at)
            else:
                await self._cancel(looked_at, over, head)
        errors = await self._outbox.broadcast([p.signed for p in again]) if again else []
        for sent_again, error in zip(again, errors, strict=True):
            if not self._is_delivered(sent_again):
                await self._follow_up(sent_again, error, head)

    def _is_delivered(self, pending: PendingTransaction) -> bool:
        """True where a followed block holds it already, and the news of that is still on its way here."""
        return any(job.state == "delivered" for job in self._journal.read_jobs_of_transaction(pending.signed.hash))

    def _is_doubtful(self, pending: PendingTransaction, head: SeenHead) -> bool:
        return (
            is_stuck(pending, head) or self._outbox.is_unaccepted(pending) or self._find_over(pending, head) is not None
        )

    def _find_over(self, pending: PendingTransaction, head: SeenHead) -> Over | None:
        """Why nothing is left to deliver by this transaction. A cancelled one delivers nothing, and is to be mined."""
        if self._outbox.is_cancellation(pending):
            return None
        over = Over("subscription.over")
        for job in self._journal.read_jobs_of_transaction(pending.signed.hash):
            if job.is_open:
                end = find_end(job, self._find(job.key.subscription), head.block, head.block_time_s)
                if end is None:
                    return None
                over = end
        return over

    def _find_reason(self, pending: PendingTransaction, result: bytes | InfernetError, head: SeenHead) -> Over | None:
        over = self._find_over(pending, head)
        if over is None and isinstance(result, InfernetError) and not isinstance(result, RetryLater):
            return None if is_endpoint_error(result) else Over(result.code, result.message)
        return over

    async def _follow_up(self, pending: PendingTransaction, error: InfernetError | None, head: SeenHead) -> None:
        """After it was broadcast again: more is paid where that is what it lacks."""
        lacks_fee = head.block.base_fee > pending.signed.transaction.max_fee
        if error is not None and error.code not in FEE_REFUSALS:
            if not isinstance(error, RetryLater) and not is_endpoint_error(error):
                await self._cancel(pending, Over(error.code, error.message), head, is_final=True)
            return
        mark_sent(self._journal, [pending.signed.hash] if error is None else [])
        if error is None and not (is_stuck(pending, head) and (lacks_fee or pending is self._outbox.pending[0])):
            return
        cap = self._compute_cap(pending)
        if can_bump(pending, head.block, self._gas_policy, cap):
            jobs = self._journal.read_jobs_of_transaction(pending.signed.hash)
            with self._journal.step():
                tx = self._outbox.bump(pending, head.block, cap)
                for job in jobs:
                    self._journal.save_job(replace(job, state="signed", tx_hash=tx.hash))
            (error,) = await self._outbox.broadcast([tx])
            mark_sent(self._journal, [tx.hash] if error is None else [])
        elif lacks_fee and (pending is not self._outbox.pending[-1] or self._holds_up_others(pending, head)):
            await self._cancel(pending, Over("fees.above_cap", "the base fee rose above what it may pay"), head)
        else:
            self._outbox.set_sent_block(pending, head.block)

    def _compute_cap(self, pending: PendingTransaction) -> Wei | None:
        return min(self._compute_caps(pending), default=self._gas_policy.max_fee)

    def _compute_caps(self, pending: PendingTransaction) -> list[Wei]:
        """What each of its deliveries may pay."""
        jobs = self._journal.read_jobs_of_transaction(pending.signed.hash)
        found = [tracked for job in jobs if (tracked := self._find(job.key.subscription)) is not None]
        return [self._gas_policy.compute_cap(tracked.subscription) for tracked in found]

    def _holds_up_others(self, pending: PendingTransaction, head: SeenHead) -> bool:
        """True where one delivery of a batch may not pay enough and another may."""
        return max(self._compute_caps(pending), default=0) >= head.block.base_fee

    async def _cancel(self, pending: PendingTransaction, over: Over, head: SeenHead, is_final: bool = False) -> None:
        """Use its nonce for nothing, and take its jobs back: what cannot be delivered later either ends there. Of
        several that never will be taken together, each is tried alone.
        """
        if not can_bump(pending, head.block, self._gas_policy, self._gas_policy.max_fee):
            return
        jobs = [job for job in self._journal.read_jobs_of_transaction(pending.signed.hash) if job.is_open]
        with self._journal.step():
            tx = self._outbox.cancel(pending, head.block)
            for job in jobs:
                self._hold(mark_refused(replace(job, attempts=job.attempts + is_final), over.code, over.note))
                if is_final and len(jobs) == 1:
                    self._end(replace(job, state="failed", tx_hash=None), over)
        await self._outbox.broadcast([tx])


def is_stuck(pending: PendingTransaction, head: SeenHead) -> bool:
    """True where blocks pass a transaction over."""
    return head.block.number - pending.sent_block >= STUCK_AFTER_BLOCKS


def mark_sent(journal: Journal, hashes: list[TxHash]) -> None:
    """The endpoint took these. A job whose delivery was seen in a block meanwhile stays delivered."""
    with journal.step():
        for tx_hash in hashes:
            for job in journal.read_jobs_of_transaction(tx_hash):
                if job.state == "signed":
                    journal.save_job(replace(job, state="sent"))
                    log.info("output.broadcast", job=job.key, tx=tx_hash.hex())
