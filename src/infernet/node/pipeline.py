"""One chain's pipeline: follow → decide → run → deliver. This file wires the stages; each rule stands in its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

import structlog

from infernet.errors import InfernetError, RetryLater, is_endpoint_error
from infernet.node.book import Book
from infernet.node.delivery import GasPolicy
from infernet.node.follower import Follower, Update
from infernet.node.intake import Intake
from infernet.node.jobs import Jobs
from infernet.node.outbox import Outbox
from infernet.node.recorder import Recorder
from infernet.node.report import read_report
from infernet.node.runner import JOB_TIMEOUT_S, Runner
from infernet.node.schedule import PriceWaits, Schedule
from infernet.node.sender import Sender
from infernet.ports import Chain, Clock, Container, Signer
from infernet.protocol.decision import Decision, Run, Tracked, Wait, decide
from infernet.protocol.interval import measure_block_time_s
from infernet.protocol.policy import Drop, Policy
from infernet.protocol.subscription import DelegateRequest, Mode
from infernet.store.journal import Job, Journal
from infernet.types import (
    Address,
    BlockRef,
    ChainId,
    ChainStatus,
    JobKey,
    SubscriptionId,
    SubscriptionKey,
    SubscriptionReport,
    Timestamp,
)

log = structlog.get_logger()
NOW = Timestamp(0)


class ChainPipeline:
    """Serves one Coordinator on one chain.

    Args:
        start_block: the first block to read, the Coordinator's deployment or earlier.
        job_timeout_s: the most that one pass through a job's containers may take.
        on_job: told of every job that ended, for displays; must return at once.
    """

    def __init__(
        self,
        *,
        chain: Chain,
        chain_id: ChainId,
        coordinator: Address,
        signer: Signer,
        journal: Journal,
        containers: Mapping[str, Container],
        policy: Policy,
        gas_policy: GasPolicy,
        clock: Clock,
        poll_interval_s: float,
        start_block: int = 0,
        job_timeout_s: float = JOB_TIMEOUT_S,
        on_job: Callable[[Job], None] | None = None,
    ) -> None:
        self._chain = chain
        self._chain_id = chain_id
        self._coordinator = coordinator
        self._signer = signer
        self._journal = journal
        self._policy = policy
        self._clock = clock
        self._poll_interval_s = poll_interval_s
        self._follower = Follower(chain, coordinator, journal.read_blocks(chain_id, coordinator), start_block)
        self._book = Book(journal, chain_id, coordinator, signer.address)
        self._recorder = Recorder(journal, self._book, chain_id, coordinator, signer.address)
        self._intake = Intake(chain, journal, self._book, coordinator, policy)
        self._schedule = Schedule()
        self._price_waits = PriceWaits()
        self._sender = Sender(
            chain,
            Outbox(chain, signer, journal, chain_id, gas_policy),
            journal,
            gas_policy,
            find=self._book.get,
            on_end=self._job_ended,
            is_more_coming=lambda: self._jobs.is_running,
        )
        self._jobs = Jobs(
            journal,
            Runner(chain, containers, signer.address, clock, job_timeout_s),
            find=self._book.get,
            recent_blocks=lambda: self._follower.recent_blocks,
            on_computed=self._sender.submit,
            on_end=self._job_ended,
        )
        self._on_job = on_job
        self._head: BlockRef | None = None
        self._is_at_head = True
        self._is_rolled_back = True  # what was undone before a restart counts too
        self._is_something_due = asyncio.Event()
        self._head_seen_at_s: float | None = None

    async def run(self) -> None:
        """Serve until cancelled. Errors of the endpoint are outlived; a misconfiguration ends it."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._resume()
            tasks.create_task(self._sender.run(), name="sender")
            tasks.create_task(self._follow(), name="follower")
            tasks.create_task(self._look_again(), name="decider")

    def status(self) -> ChainStatus:
        """How this chain stands."""
        age_s = None if self._head_seen_at_s is None else self._clock.now_s() - self._head_seen_at_s
        return ChainStatus(
            chain_id=self._chain_id,
            coordinator=self._coordinator,
            node=self._signer.address,
            head=self._head.number if self._head else None,
            head_age_s=age_s,
            open_subscriptions=len(self._book),
            jobs=self._journal.count_jobs(self._chain_id),
        )

    # --- follow ---------------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        failures = 0
        while True:
            try:
                async for update in self._follower.poll():
                    self._apply(update)
                    await asyncio.sleep(0)
                if self._head is None and self._follower.tip is not None:  # after a restart, and no new block so far
                    self._advance(self._follower.tip)
                failures = 0
                self._head_seen_at_s = self._clock.now_s()
            except InfernetError as error:
                if not isinstance(error, RetryLater) and not is_endpoint_error(error):
                    raise
                failures += 1
                log.warning("chain.retry", chain=self._chain_id, code=error.code, reason=error.message)
            await self._clock.sleep(min(30.0, self._poll_interval_s * 2 ** min(failures, 6)))

    def _apply(self, update: Update) -> None:
        """One step of the chain: written down, then acted on."""
        change = self._recorder.write(update)
        self._is_rolled_back |= update.rolled_back_to is not None
        if self._is_rolled_back:
            self._withdraw_removed()
        if update.rolled_back_to is not None:
            self._take_jobs_back(update.rolled_back_to)
        for job in change.delivered:
            if job.tx_hash is not None:
                self._sender.set_delivered(job.key, job.tx_hash)
            self._job_ended(job)
        for job, tx_hash in change.refused:
            log.info("output.refused", job=job.key, code=job.code, reason=job.note)
            self._sender.set_mined(tx_hash)
            if job.is_open:
                self._sender.submit(job)
            else:
                self._job_ended(job)
        for key in change.touched:
            self._schedule.set(key, NOW)
            self._jobs.end_over(key)
        self._is_at_head = update.at_head
        if update.at_head:
            self._advance(update.tip, self._is_rolled_back)
            self._is_rolled_back = False

    def _withdraw_removed(self) -> None:
        """After a reorg, in each step up to the head: stop the jobs that are gone."""
        for key in self._jobs:
            if self._journal.read_job(key) is None:
                self._withdraw(key)

    def _take_jobs_back(self, number: int) -> None:
        """After a reorg: take up the jobs that are open again, run anew what was computed from features that the chain
        does not show any more.
        """
        valid_until = next((b.timestamp for b in self._follower.recent_blocks if b.number == number), NOW)
        for job in self._journal.read_open_jobs(self._chain_id, self._coordinator):
            tracked = self._book.get(job.key.subscription)
            is_unsent = job.state in ("accepted", "computed")
            if tracked and is_unsent and tracked.subscription.mode & Mode.PULL and job.starts_at > valid_until:
                self._withdraw(job.key)
                anew = replace(job, state="accepted", output=None)
                self._jobs.take(anew)
                self._jobs.start(anew, self._tasks)
            elif not self._jobs.is_busy(job.key.subscription):
                self._jobs.add(job)
                if job.state == "computed":
                    self._sender.submit(job)

    def _withdraw(self, key: JobKey) -> None:
        self._jobs.stop(key)
        self._jobs.remove(key)
        self._sender.withdraw(key.subscription)
        self._schedule.set(key.subscription, NOW)

    # --- decide ---------------------------------------------------------------------------------------------------

    def _resume(self) -> None:
        """Take up what the journal holds: the open jobs where they stood, and every open subscription."""
        for key in self._book:
            self._schedule.set(key, NOW)
        for job in self._journal.read_open_jobs(self._chain_id, self._coordinator):
            self._jobs.add(job)
            if job.state == "accepted":
                self._jobs.start(job, self._tasks)
            elif job.state == "computed":
                self._sender.submit(job)

    def _advance(self, head: BlockRef, is_rolled_back: bool = False) -> None:
        self._head = head
        block_time_s = self._block_time_s()
        self._sender.set_head(head, block_time_s, is_rolled_back)
        self._jobs.end_late(head, block_time_s)
        self._start_due(head)

    async def _look_again(self) -> None:
        """A job that ended between two blocks frees its subscription for what is due already."""
        while True:
            await self._is_something_due.wait()
            self._is_something_due.clear()
            if self._head is not None and self._is_at_head:
                self._start_due(self._head)

    def _start_due(self, head: BlockRef) -> None:
        due = self._schedule.pop_due(head.timestamp)
        with self._journal.step():
            started = [job for key in due if (job := self._consider(key, head)) is not None]
        for job in started:
            self._jobs.start(job, self._tasks)

    def _consider(self, key: SubscriptionKey, head: BlockRef) -> Job | None:
        """Act on the decision about one subscription; answers the job to start, written down."""
        tracked = self._book.get(key)
        if tracked is None or self._jobs.is_busy(key):
            self._price_waits.forget(key)
            return None
        decision = decide(tracked, head, self._policy, self._block_time_s())
        if isinstance(decision, Wait) and decision.code == "gas.price":
            self._schedule.set(key, max(decision.until, self._price_waits.find_next_look(key, head.timestamp)))
            return None
        self._price_waits.forget(key)
        match decision:
            case Wait(until=until):
                self._schedule.set(key, until)
            case Drop(code=code, message=message):
                log.info("subscription.dropped", subscription=key, code=code, reason=message)
                self._book.forget(key)
            case Run(interval=interval, starts_at=starts_at, ends_at=ends_at):
                job = Job(JobKey(key, interval), "accepted", starts_at, ends_at)
                self._jobs.take(job)
                return job
        return None

    def _block_time_s(self) -> int:
        return measure_block_time_s(self._follower.recent_blocks[-9:])

    def _job_ended(self, job: Job) -> None:
        """This node is done with an interval; look at the subscription's next one."""
        level = log.warning if job.state == "failed" else log.info
        level(f"job.{job.state}", job=job.key, code=job.code, reason=job.note)
        self._jobs.remove(job.key)
        self._book.set_answered(job.key)
        self._schedule.set(job.key.subscription, NOW)
        self._is_something_due.set()
        if self._on_job is not None:
            self._on_job(job)

    # --- what the API asks ------------------------------------------------------------------------------------------

    async def accept_request(self, request: DelegateRequest) -> SubscriptionKey:
        """Take a subscription that was signed off chain; see `Intake.accept`. It is answered once the head is seen."""
        head = self._head or await self._chain.fetch_head()
        key = await self._intake.accept(request, head, self._block_time_s())
        self._schedule.set(key, NOW)
        self._is_something_due.set()
        return key

    def report(self, owner: Address, number: SubscriptionId) -> SubscriptionReport | None:
        """What this node knows about one subscription, None where it knows nothing."""
        key = self._book.key_of(owner, number)
        return read_report(self._journal, key, self._book.get(key), self._decide)

    def _decide(self, tracked: Tracked) -> Decision | None:
        return None if self._head is None else decide(tracked, self._head, self._policy, self._block_time_s())
