"""Deliver: computed answers become transactions, and transactions are seen into blocks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from infernet.chain.fees import compute_fees
from infernet.errors import InfernetError, NodeMisconfigured, RetryLater, is_endpoint_error
from infernet.node.batches import Item, build_batch, compute_batch_fees, plan_batches
from infernet.node.delivery import (
    REVERTED,
    GasPolicy,
    Over,
    SeenHead,
    build_delivery,
    compute_retry_gap,
    find_end,
    judge_refusal,
    mark_refused,
)
from infernet.node.outbox import Outbox
from infernet.node.settler import Settler, mark_sent
from infernet.ports import Chain
from infernet.protocol.decision import Tracked
from infernet.store.journal import Job, Journal
from infernet.types import BlockRef, JobKey, SubscriptionKey, TxHash

BATCH = 64
FIRST_RETRY_S, LAST_RETRY_S = 1.0, 30.0
LINGER_S, LINGER_TIMES = 0.005, 12
"""How long a computed answer waits for others that are about to be: much cheaper in one transaction."""
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Mined:
    tx_hash: TxHash
    delivered: JobKey | None


@dataclass(frozen=True, slots=True)
class _Withdrawn:
    subscription: SubscriptionKey


@dataclass(frozen=True, slots=True)
class _NewHead:
    """There is a newest head to look at: one such note stands for all that came since the last look."""


class Sender:
    """Delivers computed jobs and sees their transactions into blocks.

    Args:
        find: the subscription of a job, None where it is over.
        on_end: called with every job that needs no more work, after it is written down.
        is_more_coming: True while other jobs are being computed, which may go in the same transaction.
    """

    def __init__(
        self,
        chain: Chain,
        outbox: Outbox,
        journal: Journal,
        gas_policy: GasPolicy,
        find: Callable[[SubscriptionKey], Tracked | None],
        on_end: Callable[[Job], None],
        is_more_coming: Callable[[], bool] = lambda: False,
    ) -> None:
        self._chain = chain
        self._outbox = outbox
        self._journal = journal
        self._gas_policy = gas_policy
        self._find = find
        self._on_end = on_end
        self._is_more_coming = is_more_coming
        self._settler = Settler(chain, outbox, journal, gas_policy, find, hold=self._hold, end=self._end)
        self._inbox: asyncio.Queue[Job | _NewHead | _Mined | _Withdrawn] = asyncio.Queue()
        self._newest: SeenHead | None = None
        self._held: dict[JobKey, Job] = {}
        self._not_before: dict[JobKey, int] = {}
        """The block number at which to look again at an answer that was refused."""
        self._head: SeenHead | None = None
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
        self._inbox.put_nowait(_Mined(tx_hash, job))

    def set_mined(self, tx_hash: TxHash) -> None:
        """A followed block holds this transaction, though not all that it was to deliver."""
        self._inbox.put_nowait(_Mined(tx_hash, None))

    def set_head(self, head: BlockRef, block_time_s: int, is_rolled_back: bool = False) -> None:
        """A new block was followed, its events applied; `is_rolled_back` when older ones were undone."""
        if self._newest is None:
            self._inbox.put_nowait(_NewHead())
        else:
            is_rolled_back = is_rolled_back or self._newest.is_rolled_back
        self._newest = SeenHead(head, block_time_s, is_rolled_back)

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
                    await self._settler.settle(self._head, self._must_reopen)
                    self._must_settle = self._must_reopen = False
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
                items: list[Job | _NewHead | _Mined | _Withdrawn] = [await self._inbox.get()]
        except TimeoutError:
            self._must_settle = True
            return False
        self._drain(items)
        for _ in range(LINGER_TIMES):
            if not (self._is_more_coming() and any(isinstance(item, Job) for item in items)):
                break
            await asyncio.sleep(LINGER_S)
            self._drain(items)
        for item in items:
            match item:
                case Job():
                    self._held[item.key] = item
                case _Withdrawn(subscription):
                    for key in [key for key in self._held if key.subscription == subscription]:
                        self._forget(key)
                case _Mined(tx_hash, delivered):
                    if delivered is not None:
                        self._forget(delivered)
                    self._outbox.close([tx_hash], is_mined=True)
                case _NewHead():
                    self._look_at_newest()
        return True

    def _drain(self, items: list[Job | _NewHead | _Mined | _Withdrawn]) -> None:
        while not self._inbox.empty():
            items.append(self._inbox.get_nowait())

    def _look_at_newest(self) -> None:
        self._head, self._newest = self._newest or self._head, None
        self._must_settle = True
        if self._head is not None and self._head.is_rolled_back:
            self._must_reopen = True
            self._not_before.clear()  # what refused an answer may be undone

    # --- deliveries -----------------------------------------------------------------------------------------------

    async def _deliver(self, head: SeenHead) -> None:
        ready = [job for job in list(self._held.values()) if self._is_ready(job, head)]
        if not ready:
            return
        await self._outbox.find_nonce(head.block)
        for start in range(0, len(ready), BATCH):
            items = [self._build_item(job, head) for job in ready[start : start + BATCH]]
            passed = await self._simulate([item for item in items if item is not None], head)
            if passed:
                batches = plan_batches(passed, head.block, self._gas_policy)
                await self._send(await self._try_batches(batches, head), head)

    def _is_ready(self, job: Job, head: SeenHead) -> bool:
        tracked = self._find(job.key.subscription)
        over = find_end(job, tracked, head.block, head.block_time_s)
        if over is not None or tracked is None:
            self._end(replace(job, state="dropped"), over or Over("subscription.over"))
            return False
        is_resting = head.block.number < self._not_before.get(job.key, 0)
        return not is_resting and head.block.base_fee <= self._gas_policy.compute_cap(tracked.subscription)

    def _build_item(self, job: Job, head: SeenHead) -> Item | None:
        tracked = self._find(job.key.subscription)
        if tracked is None or job.output is None:
            return None
        cap = self._gas_policy.compute_cap(tracked.subscription)
        fees = compute_fees(head.block.base_fee, self._gas_policy.tip, cap)
        return Item(job, tracked, build_delivery(job, tracked, self._outbox.address, head.block, fees))

    async def _simulate(self, items: list[Item], head: SeenHead) -> list[Item]:
        results = await self._chain.call_many([item.call for item in items], at=head.block.hash)
        passed = []
        for item, result in zip(items, results, strict=True):
            if isinstance(result, InfernetError):
                self._note_refusal(item.job, result, head)
            else:
                passed.append(item)
        return passed

    def _note_refusal(self, job: Job, error: InfernetError, head: SeenHead) -> None:
        """A simulation that failed: nothing was spent. Final reasons end the job, others are tried at later heads."""
        if not self._is_current(job):
            return
        if isinstance(error, RetryLater) or is_endpoint_error(error):
            self._must_retry = True
            log.warning("job.held", job=job.key, code=error.code, reason=error.message)
            held = mark_refused(job, error.code, error.message)
            if held != job:
                self._hold(held)
            return
        job = judge_refusal(job, error.code, error.message)
        if job.is_open:
            self._hold(job)
            self._not_before[job.key] = head.block.number + compute_retry_gap(job.attempts)
        else:
            self._end(job, Over(job.code, job.note))

    async def _try_batches(self, batches: list[list[Item]], head: SeenHead) -> list[list[Item]]:
        """The batches as they pass a simulation of their own. One that does not is taken apart."""
        joint = [batch for batch in batches if len(batch) > 1]
        calls = [build_batch(batch) for batch in joint]
        results = await self._chain.call_many(calls, at=head.block.hash) if calls else []
        tried = [batch for batch in batches if len(batch) == 1]
        for batch, result in zip(joint, results, strict=True):
            if isinstance(result, InfernetError):
                log.warning("batch.split", items=len(batch), code=result.code, reason=result.message)
            tried += [[item] for item in batch] if isinstance(result, InfernetError) else [batch]
        return tried

    def _choose(self, passed: list[Item]) -> list[Item]:
        """Those for which nothing has changed while they were simulated."""
        chosen = []
        for item in passed:
            tracked = self._find(item.job.key.subscription)
            is_same = tracked is not None and tracked.subscription == item.tracked.subscription
            if is_same and self._is_current(item.job):
                chosen.append(item)
        return chosen

    async def _send(self, batches: list[list[Item]], head: SeenHead) -> None:
        """Sign with consecutive nonces and write all down, in one step, before anything is broadcast."""
        chosen = [items for batch in batches if (items := self._choose(batch))]
        signed = []
        with self._journal.step():
            for items in chosen:
                fees = compute_batch_fees(items, head.block, self._gas_policy)
                tx = self._outbox.sign(build_batch(items), fees, head.block)
                for item in items:
                    code = REVERTED if item.job.code == REVERTED else ""
                    self._journal.save_job(replace(item.job, state="signed", tx_hash=tx.hash, code=code, note=""))
                signed.append(tx)
        for item in (item for items in chosen for item in items):
            self._forget(item.job.key)
        results = await self._outbox.broadcast(signed)
        mark_sent(self._journal, [tx.hash for tx, error in zip(signed, results, strict=True) if error is None])

    # --- jobs -----------------------------------------------------------------------------------------------------

    def _hold(self, job: Job) -> None:
        self._journal.save_job(job)
        self._held[job.key] = job

    def _forget(self, key: JobKey) -> None:
        self._held.pop(key, None)
        self._not_before.pop(key, None)

    def _end(self, job: Job, over: Over) -> None:
        is_current = self._is_current(job)
        self._forget(job.key)
        if is_current:
            job = replace(job, code=over.code, note=over.note)
            self._journal.save_job(job)
            self._on_end(job)

    def _is_current(self, job: Job) -> bool:
        """False where a followed block holds its delivery, or it was withdrawn, while the chain was asked about it."""
        written = self._journal.read_job(job.key)
        return written is not None and written.is_open and written.output == job.output
