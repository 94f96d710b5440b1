"""The jobs that this node has taken and not finished: one at a time for each subscription, each computed in a task."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace

from infernet.node.runner import Runner
from infernet.protocol.decision import Tracked, is_too_late
from infernet.store.journal import Job, Journal
from infernet.types import BlockRef, JobKey, SubscriptionKey


class Jobs:
    """Starts, stops and takes up runs. Every state is in the journal before anything follows from it.

    Args:
        find: the subscription of a job, None where it is over.
        recent_blocks: the newest followed blocks, oldest first.
        on_computed: called with a job whose output is written down.
        on_end: called with a job that ended without an output, after it is written down.
    """

    def __init__(
        self,
        journal: Journal,
        runner: Runner,
        find: Callable[[SubscriptionKey], Tracked | None],
        recent_blocks: Callable[[], tuple[BlockRef, ...]],
        on_computed: Callable[[Job], None],
        on_end: Callable[[Job], None],
    ) -> None:
        self._journal = journal
        self._runner = runner
        self._find = find
        self._recent_blocks = recent_blocks
        self._on_computed = on_computed
        self._on_end = on_end
        self._busy: dict[SubscriptionKey, JobKey] = {}
        self._running: dict[JobKey, tuple[Job, asyncio.Task[None]]] = {}

    def __iter__(self) -> Iterator[JobKey]:
        return iter(list(self._busy.values()))

    def is_busy(self, subscription: SubscriptionKey) -> bool:
        """True while an interval of it is being answered."""
        return subscription in self._busy

    @property
    def is_running(self) -> bool:
        """True while any output is being computed."""
        return bool(self._running)

    def take(self, job: Job) -> None:
        """A job is this node's from here on."""
        self._journal.save_job(job)
        self.add(job)

    def add(self, job: Job) -> None:
        """A job that the journal holds is open (again). Of two intervals, the later one is waited for."""
        known = self._busy.get(job.key.subscription)
        if known is None or known.interval < job.key.interval:
            self._busy[job.key.subscription] = job.key

    def remove(self, key: JobKey) -> None:
        """A job has ended."""
        if self._busy.get(key.subscription) == key:
            del self._busy[key.subscription]

    def start(self, job: Job, tasks: asyncio.TaskGroup) -> None:
        """Compute it."""
        task = tasks.create_task(self._run(job), name=f"job {job.key}")
        self._running[job.key] = (job, task)
        task.add_done_callback(lambda _: self._forget_task(job.key, task))

    def stop(self, key: JobKey) -> None:
        """Stop computing it, where it is being computed."""
        if key in self._running:
            self._running.pop(key)[1].cancel()

    def end_late(self, head: BlockRef, block_time_s: int) -> None:
        """Stop what can no longer be delivered in time."""
        for job, _ in list(self._running.values()):
            if is_too_late(job.ends_at, head, block_time_s):
                self._drop(job, "interval.over", "the run took longer than the interval")

    def end_over(self, subscription: SubscriptionKey) -> None:
        """Stop what is computed for a subscription that is over."""
        key = self._busy.get(subscription)
        if key in self._running and self._find(subscription) is None:
            self._drop(self._running[key][0], "subscription.over", "it ended while the output was computed")

    def _drop(self, job: Job, code: str, note: str) -> None:
        self.stop(job.key)
        self._end(replace(job, state="dropped", code=code, note=note))

    async def _run(self, job: Job) -> None:
        tracked = self._find(job.key.subscription)
        if tracked is None:
            self._end(replace(job, state="dropped", code="subscription.over", note="it ended before the run"))
            return
        done = await self._runner.run(job, tracked, self._recent_blocks, self._journal.save_job)
        if done.state == "computed":
            self._journal.save_job(done)
            self._on_computed(done)
        else:
            self._end(done)

    def _end(self, job: Job) -> None:
        self._journal.save_job(job)
        self._on_end(job)

    def _forget_task(self, key: JobKey, task: asyncio.Task[None]) -> None:
        if key in self._running and self._running[key][1] is task:
            del self._running[key]
