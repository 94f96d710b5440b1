"""Run: features in, output out, by the containers that this node serves. What fails is never an output."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count, pairwise

import structlog

from infernet.errors import InfernetError, JobRejected, RetryLater, is_endpoint_error
from infernet.ports import Chain, Clock, Container, TracedContainer
from infernet.protocol.calldata import decode_model_features, encode_get_model_features
from infernet.protocol.decision import Tracked
from infernet.protocol.hashing import keccak, split_chain
from infernet.protocol.subscription import Mode
from infernet.store.journal import Job
from infernet.types import Address, BlockRef, Call, Hash32, ModelUse, Timestamp

MAX_ATTEMPTS = 5
JOB_TIMEOUT_S = 3_600.0
FIRST_BACKOFF_S, MAX_BACKOFF_S = 0.5, 60.0
log = structlog.get_logger()


class Runner:
    """Runs jobs. Each container bounds its own concurrency and time.

    Args:
        containers: what this node serves, by id.
        job_timeout_s: the most that one pass through a job's containers may take, its waits for them included.
    """

    def __init__(
        self,
        chain: Chain,
        containers: Mapping[str, Container],
        node: Address,
        clock: Clock,
        job_timeout_s: float = JOB_TIMEOUT_S,
    ) -> None:
        self._chain = chain
        self._containers = containers
        self._node = node
        self._clock = clock
        self._job_timeout_s = job_timeout_s

    async def run(
        self,
        job: Job,
        tracked: Tracked,
        recent_blocks: Callable[[], tuple[BlockRef, ...]],
        on_retry: Callable[[Job], None] = lambda _: None,
    ) -> Job:
        """The job with its output, state `computed`; or `failed`, with the reason.

        An endpoint that does not answer is asked again until it does; a container that breaks gets `MAX_ATTEMPTS`.

        Args:
            recent_blocks: the newest followed blocks, oldest first, asked for anew in each try: a reorg replaces them.
            on_retry: called with the job and what went wrong before each further try, to be written down.
        """
        for tries in count():
            try:
                features = await self._fetch_features(job, tracked, recent_blocks())
                output, models = await self._run_in_time(tracked.container, features)
            except InfernetError as error:
                before = job
                job = replace(job, code=error.code, note=error.message)
                if not is_endpoint_error(error):
                    job = replace(job, attempts=job.attempts + 1)
                    if not isinstance(error, RetryLater) or job.attempts >= MAX_ATTEMPTS:
                        return replace(job, state="failed")
                if job != before:
                    on_retry(job)
                pause_s = min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(tries, 16))
                log.warning("job.retry", job=job.key, code=error.code, reason=error.message, pause_s=pause_s)
                await self._clock.sleep(pause_s)
            else:
                return replace(job, state="computed", output=output, proof=b"", code="", note="", models=models)
        raise AssertionError("the loop ends by returning")

    async def _fetch_features(self, job: Job, tracked: Tracked, recent_blocks: tuple[BlockRef, ...]) -> bytes:
        if not tracked.subscription.mode & Mode.PULL:
            if keccak(tracked.features) != tracked.subscription.features_hash:
                raise JobRejected("features.hash", "the features are not those that the subscription commits to")
            return tracked.features
        block_hash = await self._fetch_block_at(job.starts_at, recent_blocks)
        data = encode_get_model_features(tracked.key.id, job.key.interval, job.starts_at, self._node)
        returned = await self._chain.call(Call(to=tracked.subscription.owner, data=data), at=block_hash)
        return decode_model_features(returned)

    async def _fetch_block_at(self, time: Timestamp, recent_blocks: tuple[BlockRef, ...]) -> Hash32:
        """The first block at or after a time: every node reads a consumer's features there, so all read the same."""
        for before, after in pairwise(recent_blocks):
            if before.hash == after.parent_hash and before.timestamp < time <= after.timestamp:
                return after.hash
        low, high = 0, recent_blocks[-1].number
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if (await self._fetch_block(middle)).timestamp >= time else (middle + 1, high)
        found = await self._fetch_block(low)
        if found.timestamp < time:
            raise RetryLater("chain.behind", f"the chain has no block of time {time} yet, though it had one")
        return found.hash

    async def _fetch_block(self, number: int) -> BlockRef:
        block = await self._chain.fetch_block(number)
        if block is None:
            raise RetryLater("chain.no_block", f"the endpoint has no block {number}")
        return block

    async def _run_in_time(self, container: str, features: bytes) -> tuple[bytes, tuple[ModelUse, ...]]:
        deadline = asyncio.timeout(self._job_timeout_s)
        try:
            async with deadline:
                return await self._run_chain(container, features)
        except TimeoutError:
            if not deadline.expired():
                raise
            raise JobRejected(
                "job.timeout",
                f"its containers took longer than {self._job_timeout_s:g} s: give them more concurrency, or set "
                "policy.job_timeout_s higher",
            ) from None

    async def _run_chain(self, container: str, features: bytes) -> tuple[bytes, tuple[ModelUse, ...]]:
        """The containers one after the other, each fed the output of the one before."""
        models: list[ModelUse] = []
        for name in split_chain(container):
            if name not in self._containers:
                raise JobRejected("container.not_served", f"this node does not serve {name} any more")
            serving = self._containers[name]
            if isinstance(serving, TracedContainer):
                features, use = await serving.run_traced(features)
                models.append(use)
            else:
                features = await serving.run(features)
        return features, tuple(models)
