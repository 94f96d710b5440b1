"""Deliver: computed answers become transactions, and transactions are seen into blocks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import structlog

from infernet.chain.fees import compute_fees
from infernet.errors import InfernetError, NodeMisconfigured, RetryLater, is_endpoint_error
from infernet.node.delivery import FEE_REFUSALS, FINAL_REVERTS, GasPolicy, Over, build_delivery, find_end
from infernet.node.outbox import Outbox, can_bump
from infernet.ports import Chain
from infernet.protocol.decision import Tracked
from infernet.store.journal import Job, Journal, PendingTransaction
from infernet.types import BlockRef, Call, Hash32, JobKey, SubscriptionKey, TxHash, Wei

BATCH = 64
MAX_ATTEMPTS = 5
STUCK_AFTER_BLOCKS = 3
FIRST_RETRY_S, LAST_RETRY_S = 1.0, 30.0
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Head:
    block: BlockRef
    block_time_s: int
    is_rolled_back: bool


@dataclass(frozen=True, slots=True)
class _Delivered:
    job: JobKey
    tx_hash: TxHash


@dataclass(frozen=True, slots=True)
class _Withdrawn:
    subscription: SubscriptionKey


class _Item(NamedTuple):
    job: Job
    tracked: Tracked
    call: Call


class Sender:
    """Delivers computed jobs and sees their transactions into blocks.

    Args:
        find: the subscription of a job, None where it is over.
        on_end: called with every job that needs no more work, after it is written down.
    """

    def __init__(
        self,
        chain: Chain,
        outbox: Outbox,
        journal: Journal,
        gas_policy: GasPolicy,
        find: Callable[[SubscriptionKey], Tracked | None],
        on_end: Callable[[Job], None],
    ) -> None:
        self._chain = chain
        self._outbox = outbox
        self._journal = journal
        self._gas_policy = gas_policy
        self._find = find
        self._on_end = on_end
        self._inbox: asyncio.Queue[Job | _Head | _Delivered | _Withdrawn] = asyncio.Queue()
        self._held: dict[JobKey, Job] = {}
        self._refused_at: dict[JobKey, Hash32] = {}
        self._head: _Head | None = None
        self._must_settle = False
        self._must_reopen = True
        self._must_retry = False

    # --- what happens elsewhere, taken in the order in which it happened ------------------------------------------

    def submit(self, job: Job) -> None:
        """Deliver a computed job as soon as it can be."""
        self._inbox.put_nowait(job)

    def withdraw(self, subscription: SubscriptionKey) -> None:
        """Do not deliver what was submitted for this subscription."""
        self._inbox.put_nowait(_Withdrawn(subscription))

    def set_delivered(self, job: JobKey, tx_hash: TxHash) -> None:
        """A followed block holds this job's delivery."""
        self._inbox.put_nowait(_Delivered(job, tx_hash))

    def set_head(self, head: BlockRef, block_time_s: int, is_rolled_back: bool = False) -> None:
        """A new block was followed, its events applied; `is_rolled_back` when older ones were undone."""
        self._inbox.put_nowait(_Head(head, block_time_s, is_rolled_back))

    async def run(self) -> None:
        """Work for ever."""
        retry_s = FIRST_RETRY_S
        while True:
            retry_s = FIRST_RETRY_S if await self._receive(retry_s) else min(LAST_RETRY_S, 2 * retry_s)
            if self._head is None:
                continue
            self._must_retry = False
            try:
                if self._must_settle:
                    await self._settle(self._head)
                    self._must_settle = False
                await self._deliver(self._head)
            except InfernetError as error:
                if isinstance(error, NodeMisconfigured) and not is_endpoint_error(error):
                    raise
                self._must_retry = True
                log.warning("sender.retry", code=error.code, reason=error.message)

    async def _receive(self, retry_s: float) -> bool:
        """Wait for news, or for as long as what failed may rest; True when there are news."""
        must_retry = self._must_retry or self._outbox.has_unaccepted
        try:
            async with asyncio.timeout(retry_s if must_retry else None):
                items = [await self._inbox.get()]
        except TimeoutError:
            self._must_settle = True
            return False
        while not self._inbox.empty():
            items.append(self._inbox.get_nowait())
        for item in items:
            match item:
                case Job():
                    self._held[item.key] = item
                case _Withdrawn(subscription):
                    self._held = {key: job for key, job in self._held.items() if key.subscription != subscription}
                case _Delivered(job, tx_hash):
                    self._held.pop(job, None)
                    self._outbox.close([tx_hash], is_mined=True)
                case _Head(is_rolled_back=is_rolled_back):
                    self._head = item
                    self._must_settle = True
                    self._must_reopen = self._must_reopen or is_rolled_back
        return True

    # --- deliveries -----------------------------------------------------------------------------------------------

    async def _deliver(self, head: _Head) -> None:
        ready = [job for job in list(self._held.values()) if self._is_ready(job, head)]
        if not ready:
            return
        await self._outbox.find_nonce(head.block)
        for start in range(0, len(ready), BATCH):
            items = [self._build_item(job, head) for job in ready[start : start + BATCH]]
            passed = await self._simulate([item for item in items if item is not None], head)
            if passed:
                await self._send(self._choose(passed), head)

    def _is_ready(self, job: Job, head: _Head) -> bool:
        tracked = self._find(job.key.subscription)
        over = find_end(job, tracked, head.block, head.block_time_s)
        if over is not None or tracked is None:
            self._end(job, "dropped", over or Over("subscription.over"))
            return False
        is_refused = self._refused_at.get(job.key) == head.block.hash
        return not is_refused and head.block.base_fee <= self._gas_policy.compute_cap(tracked.subscription)

    def _build_item(self, job: Job, head: _Head) -> _Item | None:
        tracked = self._find(job.key.subscription)
        if tracked is None or job.output is None:
            return None
        return _Item(job, tracked, build_delivery(job, tracked, self._outbox.address, head.block))

    async def _simulate(self, items: list[_Item], head: _Head) -> list[_Item]:
        results = await self._chain.call_many([item.call for item in items], at=head.block.hash)
        passed = []
        for item, result in zip(items, results, strict=True):
            if isinstance(result, InfernetError):
                self._note_refusal(item.job, result, head)
            else:
                passed.append(item)
        return passed

    def _note_refusal(self, job: Job, error: InfernetError, head: _Head) -> None:
        """A simulation that failed: nothing was spent. Final reasons end the job, others are tried at later heads."""
        if isinstance(error, RetryLater) or is_endpoint_error(error):
            self._must_retry = True
            log.warning("job.held", job=job.key, code=error.code, reason=error.message)
            return
        job = replace(job, state="computed", tx_hash=None, attempts=job.attempts + 1)
        if error.code in FINAL_REVERTS:
            self._end(job, "dropped", Over(error.code, error.message))
        elif job.attempts >= MAX_ATTEMPTS:
            self._end(job, "failed", Over(error.code, error.message))
        else:
            self._hold(replace(job, code=error.code, note=error.message))
            self._refused_at[job.key] = head.block.hash

    def _choose(self, passed: list[_Item]) -> list[_Item]:
        """Those for which nothing has changed while they were simulated."""
        chosen = []
        for item in passed:
            tracked, written = self._find(item.job.key.subscription), self._journal.read_job(item.job.key)
            is_same = tracked is not None and tracked.subscription == item.tracked.subscription
            if is_same and written is not None and written.state == "computed" and item.job.key in self._held:
                chosen.append(item)
        return chosen

    async def _send(self, items: list[_Item], head: _Head) -> None:
        """Sign with consecutive nonces and write all down, in one step, before anything is broadcast."""
        signed = []
        with self._journal.step():
            for job, tracked, call in items:
                cap = self._gas_policy.compute_cap(tracked.subscription)
                tx = self._outbox.sign(call, compute_fees(head.block.base_fee, self._gas_policy.tip, cap), head.block)
                self._journal.save_job(replace(job, state="signed", tx_hash=tx.hash, code="", note=""))
                signed.append(tx)
        for item in items:
            self._forget(item.job.key)
        results = await self._outbox.broadcast(signed)
        self._mark_sent([tx.hash for tx, error in zip(signed, results, strict=True) if error is None])

    def _mark_sent(self, hashes: list[TxHash]) -> None:
        """Unless the delivery was already seen in a block while the broadcast was under way."""
        with self._journal.step():
            for tx_hash in hashes:
                for job in self._journal.read_jobs_of_transaction(tx_hash):
                    if job.state == "signed":
                        self._journal.save_job(replace(job, state="sent"))
                        log.info("output.broadcast", job=job.key, tx=tx_hash.hex())

    # --- transactions on their way --------------------------------------------------------------------------------

    async def _settle(self, head: _Head) -> None:
        """Find out what became of the transactions that no followed event told of."""
        is_reopened = self._must_reopen
        if is_reopened:
            await self._outbox.reopen(head.block)
        for pending, receipt in await self._outbox.fetch_used(head.block):
            with self._journal.step():
                self._outbox.close([pending.signed.hash], is_mined=receipt is not None)
                if receipt is None or not receipt.succeeded:  # else the followed events close its job
                    self._take_back(pending, "transaction.reverted" if receipt else "transaction.replaced")
        await self._review(head, is_reopened)
        self._must_reopen = False

    def _take_back(self, pending: PendingTransaction, code: str) -> None:
        """A delivery that did not happen: the answer is still good, so it is simulated and sent anew."""
        for job in self._journal.read_jobs_of_transaction(pending.signed.hash):
            if not job.is_open:
                continue
            log.warning("output.not_delivered", job=job.key, code=code)
            attempts = job.attempts + (code != "transaction.replaced")
            back = replace(job, state="computed", tx_hash=None, code=code, note="", attempts=attempts)
            if attempts >= MAX_ATTEMPTS:
                note = "its transactions fail though their simulation passes"
                self._end(back, "failed", Over(code, note))
            else:
                self._hold(back)

    async def _review(self, head: _Head, is_reopened: bool) -> None:
        """Look again at the transactions that need it, each by a simulation: broadcast, pay more, or cancel."""
        doubtful = [p for p in self._outbox.pending if is_reopened or self._is_doubtful(p, head)]
        calls = [self._outbox.build_call(pending) for pending in doubtful]
        results = await self._chain.call_many(calls, at=head.block.hash) if calls else []
        again: list[PendingTransaction] = []
        for pending, result in zip(doubtful, results, strict=True):
            over = self._find_reason(pending, result, head)
            if over is None:
                again.append(pending)
            else:
                await self._cancel(pending, over, head)
        errors = await self._outbox.broadcast([pending.signed for pending in again]) if again else []
        for pending, error in zip(again, errors, strict=True):
            await self._follow_up(pending, error, head)

    def _is_doubtful(self, pending: PendingTransaction, head: _Head) -> bool:
        is_stuck = head.block.number - pending.sent_block >= STUCK_AFTER_BLOCKS
        return is_stuck or self._outbox.is_unaccepted(pending) or self._find_over(pending, head) is not None

    def _find_over(self, pending: PendingTransaction, head: _Head) -> Over | None:
        """Why nothing is left to deliver by this transaction. A cancelled one delivers nothing, and is to be mined."""
        if self._outbox.is_cancellation(pending):
            return None
        for job in self._journal.read_jobs_of_transaction(pending.signed.hash):
            if job.state == "delivered":
                return None
            if job.is_open:
                return find_end(job, self._find(job.key.subscription), head.block, head.block_time_s)
        return Over("subscription.over")

    def _find_reason(self, pending: PendingTransaction, result: bytes | InfernetError, head: _Head) -> Over | None:
        over = self._find_over(pending, head)
        if over is None and isinstance(result, InfernetError) and not isinstance(result, RetryLater):
            return None if is_endpoint_error(result) else Over(result.code, result.message)
        return over

    async def _follow_up(self, pending: PendingTransaction, error: InfernetError | None, head: _Head) -> None:
        """After it was broadcast again: more is paid where that is what it lacks."""
        is_stuck = head.block.number - pending.sent_block >= STUCK_AFTER_BLOCKS
        lacks_fee = head.block.base_fee > pending.signed.transaction.max_fee
        if error is not None and error.code not in FEE_REFUSALS:
            if not isinstance(error, RetryLater) and not is_endpoint_error(error):
                await self._cancel(pending, Over(error.code, error.message), head, is_final=True)
            return
        self._mark_sent([pending.signed.hash] if error is None else [])
        if error is None and not (is_stuck and (lacks_fee or pending is self._outbox.pending[0])):
            return
        cap = self._compute_cap(pending)
        if can_bump(pending, head.block, self._gas_policy, cap):
            jobs = self._journal.read_jobs_of_transaction(pending.signed.hash)
            with self._journal.step():
                tx = self._outbox.bump(pending, head.block, cap)
                for job in jobs:
                    self._journal.save_job(replace(job, state="signed", tx_hash=tx.hash))
            (error,) = await self._outbox.broadcast([tx])
            self._mark_sent([tx.hash] if error is None else [])
        elif lacks_fee and pending is not self._outbox.pending[-1]:  # others wait behind it
            await self._cancel(pending, Over("fees.above_cap", "the base fee rose above what it may pay"), head)
        else:
            self._outbox.set_sent_block(pending, head.block)

    def _compute_cap(self, pending: PendingTransaction) -> Wei | None:
        for job in self._journal.read_jobs_of_transaction(pending.signed.hash):
            if (tracked := self._find(job.key.subscription)) is not None:
                return self._gas_policy.compute_cap(tracked.subscription)
        return self._gas_policy.max_fee

    async def _cancel(self, pending: PendingTransaction, over: Over, head: _Head, is_final: bool = False) -> None:
        """Use its nonce for nothing, and take its job back: what cannot be delivered later either ends there."""
        if not can_bump(pending, head.block, self._gas_policy, self._gas_policy.max_fee):
            return
        jobs = [job for job in self._journal.read_jobs_of_transaction(pending.signed.hash) if job.is_open]
        with self._journal.step():
            tx = self._outbox.cancel(pending, head.block)
            for job in jobs:
                self._hold(replace(job, state="computed", tx_hash=None, code=over.code, note=over.note))
                if is_final:
                    self._end(self._held[job.key], "failed", over)
        await self._outbox.broadcast([tx])

    # --- jobs -----------------------------------------------------------------------------------------------------

    def _hold(self, job: Job) -> None:
        self._journal.save_job(job)
        self._held[job.key] = job

    def _forget(self, key: JobKey) -> None:
        self._held.pop(key, None)
        self._refused_at.pop(key, None)

    def _end(self, job: Job, state: str, over: Over) -> None:
        """Unless a followed block holds its delivery, or it was withdrawn meanwhile."""
        self._forget(job.key)
        written = self._journal.read_job(job.key)
        if written is not None and written.is_open:
            job = replace(job, state="failed" if state == "failed" else "dropped", code=over.code, note=over.note)
            self._journal.save_job(job)
            self._on_end(job)
