"""Run: features in, output out, by the containers that this node serves. What fails is never an output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import structlog

from infernet.errors import InvalidInput, JobRejected, RetryLater
from infernet.ports import Chain, Clock, Container
from infernet.protocol.calldata import decode_model_features, encode_get_model_features
from infernet.protocol.decision import Tracked
from infernet.protocol.hashing import keccak, split_chain
from infernet.protocol.subscription import Mode
from infernet.store.journal import Job
from infernet.types import Address, BlockRef, Call, Hash32, Timestamp

MAX_ATTEMPTS = 5
MAX_BACKOFF_S = 60.0
log = structlog.get_logger()


class Runner:
    """Runs jobs. Each container bounds its own concurrency and time.

    Args:
        containers: what this node serves, by id.
    """

    def __init__(self, chain: Chain, containers: Mapping[str, Container], node: Address, clock: Clock) -> None:
        self._chain = chain
        self._containers = containers
        self._node = node
        self._clock = clock

    async def run(self, job: Job, tracked: Tracked, recent_blocks: tuple[BlockRef, ...]) -> Job:
        """The job with its output, state `computed`; or `failed`, with the reason.

        An endpoint that does not answer is asked again until it does; a container that breaks gets `MAX_ATTEMPTS`.
        """
        while True:
            try:
                features = await self._fetch_features(job, tracked, recent_blocks)
                output = await self._run_chain(tracked.container, features)
            except (JobRejected, InvalidInput) as error:
                return replace(job, state="failed", code=error.code, note=error.message)
            except RetryLater as error:
                if not error.code.startswith("chain."):
                    job = replace(job, attempts=job.attempts + 1)
                    if job.attempts >= MAX_ATTEMPTS:
                        return replace(job, state="failed", code=error.code, note=error.message)
                pause_s = min(MAX_BACKOFF_S, 0.5 * 2**job.attempts)
                log.warning("job.retry", job=job.key, code=error.code, reason=error.message, pause_s=pause_s)
                await self._clock.sleep(pause_s)
            else:
                return replace(job, state="computed", output=output, proof=b"", code="", note="")

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
            if before.timestamp < time <= after.timestamp:
                return after.hash
        low, high = 0, recent_blocks[-1].number
        while low < high:
            middle = (low + high) // 2
            block = await self._chain.fetch_block(middle)
            if block is None:
                raise RetryLater("chain.no_block", f"the endpoint has no block {middle}")
            low, high = (low, middle) if block.timestamp >= time else (middle + 1, high)
        found = await self._chain.fetch_block(low)
        if found is None:
            raise RetryLater("chain.no_block", f"the endpoint has no block {low}")
        return found.hash

    async def _run_chain(self, container: str, features: bytes) -> bytes:
        """The containers one after the other, each fed the output of the one before."""
        for name in split_chain(container):
            features = await self._containers[name].run(features)
        return features
