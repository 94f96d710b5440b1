"""Deliver: one sender per account. It alone signs, owns the nonce, and never broadcasts what is not written down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import structlog

from infernet.chain.fees import DEFAULT_TIP, Fees, compute_fees, compute_replacement_fees
from infernet.errors import InfernetError, RetryLater
from infernet.ports import Chain, Signer
from infernet.protocol.calldata import encode_deliver_model_output, encode_deliver_model_output_delegate
from infernet.protocol.decision import Tracked
from infernet.protocol.subscription import Subscription
from infernet.store.journal import Job, Journal, PendingTransaction
from infernet.types import (
    Address,
    BlockRef,
    Call,
    ChainId,
    Gas,
    JobKey,
    SignedTransaction,
    SubscriptionKey,
    Transaction,
    Wei,
)

BATCH = 64
MAX_ATTEMPTS = 5
STUCK_AFTER_BLOCKS = 3
GAS_HEADROOM = 30_000
FINAL_REVERTS = frozenset(
    f"revert.{name}"
    for name in (
        "SubscriptionNotFound", "SubscriptionCompleted", "TermsMismatch", "IntervalMismatch", "IntervalCompleted",
        "AlreadyDelivered", "SignatureExpired", "InvalidSignature", "NonceUsed", "NotNamedNode", "UnsupportedTerm",
    )
)  # fmt: skip
"""Reverts that no later block can turn into a delivery of the same answer."""
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class GasPolicy:
    """What the operator pays for a unit of gas.

    Attributes:
        tip: for the block's producer.
        max_fee: the operator's own limit, None for each subscription's `maxGasPrice` alone.
    """

    tip: Wei = DEFAULT_TIP
    max_fee: Wei | None = None

    def compute_cap(self, terms: Subscription) -> Wei:
        """The most that a delivery of this subscription may pay."""
        return Wei(terms.max_gas_price if self.max_fee is None else min(self.max_fee, terms.max_gas_price))


class Sender:
    """Delivers computed jobs and sees their transactions into blocks.

    Args:
        find: the subscription of a job, None where it is over.
        on_end: called with every job that needs no more work, after it is written down.
    """

    def __init__(
        self,
        chain: Chain,
        signer: Signer,
        journal: Journal,
        chain_id: ChainId,
        coordinator: Address,
        gas_policy: GasPolicy,
        find: Callable[[SubscriptionKey], Tracked | None],
        on_end: Callable[[Job], None],
    ) -> None:
        self._chain = chain
        self._signer = signer
        self._journal = journal
        self._chain_id = chain_id
        self._coordinator = coordinator
        self._gas_policy = gas_policy
        self._find = find
        self._on_end = on_end
        self._inbox: asyncio.Queue[Job | BlockRef] = asyncio.Queue()
        self._held: dict[JobKey, Job] = {}
        self._pending = journal.read_pending_transactions(chain_id, signer.address)
        self._next_nonce: int | None = None
        self._head: BlockRef | None = None
        self._is_reorged = bool(self._pending)

    def submit(self, job: Job) -> None:
        """Deliver a computed job as soon as it can be."""
        self._inbox.put_nowait(job)

    def set_head(self, head: BlockRef, rolled_back: bool = False) -> None:
        """A new block was followed, its events applied; `rolled_back` when older ones were undone."""
        self._is_reorged = self._is_reorged or rolled_back
        self._inbox.put_nowait(head)

    def set_delivered(self, job: Job) -> None:
        """A block of the chain holds this job's delivery."""
        mined = [p.signed.hash for p in self._pending if p.signed.hash == job.tx_hash]
        self._journal.close_transactions(mined, "mined")
        self._pending = [p for p in self._pending if p.signed.hash != job.tx_hash]

    async def run(self) -> None:
        """Work for ever."""
        while True:
            items = [await self._inbox.get()]
            while not self._inbox.empty():
                items.append(self._inbox.get_nowait())
            self._held |= {item.key: item for item in items if isinstance(item, Job)}
            heads = [item for item in items if isinstance(item, BlockRef)]
            self._head = heads[-1] if heads else self._head
            try:
                if heads:
                    await self._settle(heads[-1])
                if self._head is not None:
                    await self._deliver(self._head)
            except RetryLater as error:  # the next head tries again
                log.warning("sender.retry", code=error.code, reason=error.message)

    # --- deliveries -----------------------------------------------------------------------------------------------

    async def _deliver(self, head: BlockRef) -> None:
        if self._next_nonce is None:
            mined = await self._chain.fetch_nonce(self._signer.address, at=head.hash)
            self._next_nonce = max([mined, *(p.signed.transaction.nonce + 1 for p in self._pending)])
        ready = [job for job in list(self._held.values()) if self._is_ready(job, head)]
        for start in range(0, len(ready), BATCH):
            await self._deliver_batch(ready[start : start + BATCH], head)

    def _is_ready(self, job: Job, head: BlockRef) -> bool:
        tracked = self._find(job.key.subscription)
        if tracked is None:
            self._end(replace(job, state="dropped", code="subscription.over", note="it ended before the delivery"))
        elif job.ends_at is not None and head.timestamp >= job.ends_at:
            self._end(replace(job, state="dropped", code="interval.over", note="it ended before the delivery"))
        else:
            return head.base_fee <= self._gas_policy.compute_cap(tracked.subscription)
        return False

    async def _deliver_batch(self, jobs: list[Job], head: BlockRef) -> None:
        calls = [self._build_call(job, head) for job in jobs]
        results = await self._chain.call_many(calls, at=head.hash)
        passed = []
        for job, call, result in zip(jobs, calls, results, strict=True):
            if isinstance(result, InfernetError):
                self._note_failure(job, result)
            elif job.key in self._held:
                passed.append((job, call))
        if passed:
            await self._broadcast(self._sign(passed, head), passed)

    def _build_call(self, job: Job, head: BlockRef) -> Call:
        tracked = self._find(job.key.subscription)
        if tracked is None or job.output is None:
            raise AssertionError("a job that is ready has a subscription and an output")
        proof = job.proof or b""
        if tracked.request is not None and tracked.created_block is None:
            data = encode_deliver_model_output_delegate(tracked.request, job.key.interval, job.output, proof)
        else:
            data = encode_deliver_model_output(
                tracked.key.id, job.key.interval, tracked.subscription, job.output, proof
            )
        gas = min(compute_gas_limit(tracked, data), head.gas_limit)
        return Call(to=self._coordinator, data=data, sender=self._signer.address, gas=Gas(gas))

    def _note_failure(self, job: Job, error: InfernetError) -> None:
        """A simulation that failed: nothing was spent. Final reasons end the job, others are tried at later heads."""
        if isinstance(error, RetryLater):
            log.warning("job.held", job=job.key, code=error.code, reason=error.message)
            return
        job = replace(job, attempts=job.attempts + 1, code=error.code, note=error.message)
        if error.code in FINAL_REVERTS:
            self._end(replace(job, state="dropped"))
        elif job.attempts >= MAX_ATTEMPTS:
            self._end(replace(job, state="failed"))
        else:
            self._journal.save_job(job)
            self._held[job.key] = job

    def _sign(self, passed: list[tuple[Job, Call]], head: BlockRef) -> list[SignedTransaction]:
        """Sign with consecutive nonces and write all down, in one step, before anything is broadcast."""
        signed = []
        with self._journal.step():
            for job, call in passed:
                tracked = self._find(job.key.subscription)
                if tracked is None or call.gas is None:
                    raise AssertionError("what passed its simulation has a subscription and a gas limit")
                fees = compute_fees(
                    head.base_fee, self._gas_policy.tip, self._gas_policy.compute_cap(tracked.subscription)
                )
                tx = self._sign_one(call.to, call.data, call.gas, fees, head)
                self._journal.save_job(replace(job, state="signed", tx_hash=tx.hash, code="", note=""))
                signed.append(tx)
        for job, _ in passed:
            self._held.pop(job.key, None)
        return signed

    def _sign_one(self, to: Address, data: bytes, gas: Gas, fees: Fees, head: BlockRef) -> SignedTransaction:
        if self._next_nonce is None:
            raise AssertionError("nothing is signed before the account's nonce is known")
        tx = self._signer.sign_transaction(
            Transaction(self._chain_id, self._next_nonce, to, data, gas, fees.max_fee, fees.max_priority_fee)
        )
        self._journal.add_transaction(tx, head.number)
        self._pending.append(PendingTransaction(tx, head.number))
        self._next_nonce += 1
        return tx

    async def _broadcast(self, signed: list[SignedTransaction], passed: list[tuple[Job, Call]]) -> None:
        results = await self._chain.submit_many([tx.raw for tx in signed])
        accepted = []
        for tx, (job, _), error in zip(signed, passed, results, strict=True):
            if error is None:
                accepted.append(replace(job, state="sent", tx_hash=tx.hash, code="", note=""))
                log.info("output.broadcast", job=job.key, tx=tx.hash.hex(), nonce=tx.transaction.nonce)
            else:  # stays signed: the next head broadcasts it again, or finds out why it cannot be mined
                log.warning("output.not_accepted", job=job.key, code=error.code, reason=error.message)
        with self._journal.step():
            for job in accepted:
                self._mark_sent(job)

    def _mark_sent(self, job: Job) -> None:
        """Unless its delivery was already seen in a block while the broadcast was under way."""
        now = self._journal.read_job(job.key)
        if now is not None and now.state == "signed" and now.tx_hash == job.tx_hash:
            self._journal.save_job(job)

    # --- transactions on their way --------------------------------------------------------------------------------

    async def _settle(self, head: BlockRef) -> None:
        """Find out what became of the transactions that no followed event told of."""
        if self._is_reorged:
            await self._reopen(head)
        if not self._pending:
            return
        mined_nonce = await self._chain.fetch_nonce(self._signer.address, at=head.hash)
        await self._close_mined([p for p in self._pending if p.signed.transaction.nonce < mined_nonce])
        for pending in list(self._pending):
            if head.number - pending.sent_block >= STUCK_AFTER_BLOCKS:
                await self._push(pending, head)

    async def _reopen(self, head: BlockRef) -> None:
        """After a restart or a reorg: what the chain does not hold is pending, and is broadcast again as it was."""
        mined_nonce = await self._chain.fetch_nonce(self._signer.address, at=head.hash)
        self._journal.reopen_transactions(self._chain_id, self._signer.address, mined_nonce)
        self._pending = self._journal.read_pending_transactions(self._chain_id, self._signer.address)
        waiting = [p.signed for p in self._pending if p.signed.transaction.nonce >= mined_nonce]
        results = await self._chain.submit_many([tx.raw for tx in waiting])
        with self._journal.step():
            for tx, error in zip(waiting, results, strict=True):
                log.info("transaction.broadcast_again", tx=tx.hash.hex(), error=error.code if error else None)
                if error is None:
                    for job in self._journal.read_jobs_of_transaction(tx.hash):
                        self._mark_sent(replace(job, state="sent"))
        self._next_nonce = None
        self._is_reorged = False

    async def _close_mined(self, gone: Iterable[PendingTransaction]) -> None:
        """Transactions whose nonce a block has used: by themselves, or by another transaction of this account."""
        hashes = [pending.signed.hash for pending in gone]
        if not hashes:
            return
        receipts = await self._chain.fetch_receipts(hashes)
        with self._journal.step():
            for digest, receipt in zip(hashes, receipts, strict=True):
                self._journal.close_transactions([digest], "mined" if receipt else "replaced")
                if receipt is not None and receipt.succeeded:
                    continue  # the followed events close its job
                for job in self._journal.read_jobs_of_transaction(digest):
                    if job.is_open:
                        self._take_back(job, reverted=receipt is not None)
                    self._next_nonce = None
        self._pending = [p for p in self._pending if p.signed.hash not in hashes]

    def _take_back(self, job: Job, reverted: bool) -> None:
        """A delivery that did not happen: the answer is still good, so it is simulated and sent anew."""
        code = "transaction.reverted" if reverted else "transaction.replaced"
        log.warning("output.not_delivered", job=job.key, code=code)
        job = replace(job, state="computed", code=code, tx_hash=None, attempts=job.attempts + reverted)
        if job.attempts >= MAX_ATTEMPTS:
            self._end(replace(job, state="failed", note="its transactions revert though their simulation passes"))
        else:
            self._journal.save_job(job)
            self.submit(job)

    async def _push(self, pending: PendingTransaction, head: BlockRef) -> None:
        """A transaction that blocks pass over: broadcast it again and, where it was known, pay more for it."""
        (error,) = await self._chain.submit_many([pending.signed.raw])
        if error is not None:
            log.warning("output.not_accepted", tx=pending.signed.hash.hex(), code=error.code, reason=error.message)
            return
        jobs = self._journal.read_jobs_of_transaction(pending.signed.hash)
        replacement = self._build_replacement(pending.signed.transaction, jobs, head)
        if replacement is None:
            return
        tx = self._signer.sign_transaction(replacement)
        with self._journal.step():
            self._journal.add_transaction(tx, head.number)
            for job in jobs:
                self._journal.save_job(replace(job, tx_hash=tx.hash))
        others = [p if p is not pending else replace(p, sent_block=head.number) for p in self._pending]
        self._pending = [*others, PendingTransaction(tx, head.number)]
        await self._chain.submit_many([tx.raw])
        log.info("transaction.replaced", old=pending.signed.hash.hex(), tx=tx.hash.hex(), max_fee=replacement.max_fee)

    def _build_replacement(self, old: Transaction, jobs: list[Job], head: BlockRef) -> Transaction | None:
        """The same nonce at fees a pool accepts as a replacement; None where that is above the job's limit."""
        tracked = self._find(jobs[0].key.subscription) if jobs and jobs[0].is_open else None
        cap = self._gas_policy.compute_cap(tracked.subscription) if tracked else None
        try:
            fees = compute_replacement_fees(
                Fees(old.max_fee, old.max_priority_fee), head.base_fee, self._gas_policy.tip, cap
            )
        except RetryLater:
            return None
        if tracked is None:  # nothing left to deliver, but the nonce must be used: send nothing to ourselves
            old = replace(old, to=self._signer.address, data=b"", gas=Gas(21_000))
        return replace(old, max_fee=fees.max_fee, max_priority_fee=fees.max_priority_fee)

    def _end(self, job: Job) -> None:
        self._held.pop(job.key, None)
        self._journal.save_job(job)
        self._on_end(job)


def compute_gas_limit(tracked: Tracked, data: bytes) -> int:
    """Gas that a delivery can need at the most, so that no estimate goes stale between simulation and inclusion.

    The callback gets exactly its share, of which the Coordinator must hold 64/63 back (EIP-150); the subscription's
    limit covers the overhead of a kilobyte of calldata, so the whole calldata is counted on top.
    """
    limit = tracked.subscription.max_gas_limit
    return limit + limit // 63 + 16 * len(data) + GAS_HEADROOM
