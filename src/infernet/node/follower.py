"""Follow: what the chain says next, in order, each block once, with reorgs told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field

import structlog

from infernet.errors import RetryLater
from infernet.ports import Chain
from infernet.protocol.events import Event, SubscriptionCancelled, decode_event
from infernet.types import Address, BlockRef, Log, Timestamp

KEEP_BLOCKS = 64
"""A reorg of up to this many blocks is rolled back; a deeper one has the node read the chain anew."""
MAX_RANGE_BLOCKS = 10_000
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Update:
    """A step forward along the chain.

    Attributes:
        rolled_back_to: number of the last block still valid, where the chain turned out to be another than followed.
        is_reread: True where that is deeper than the blocks kept: what was followed before does not count.
        blocks: the newest blocks of the step, oldest first, linked to one another; the last is the new tip.
        events: the Coordinator's events of the step, in chain order.
        at_head: False while older blocks are being caught up with.
        cancelled_at: the time of each block that holds a cancellation, by number.
    """

    rolled_back_to: int | None
    is_reread: bool
    blocks: tuple[BlockRef, ...]
    events: tuple[Event, ...]
    at_head: bool
    cancelled_at: Mapping[int, Timestamp] = field(default_factory=dict)

    @property
    def tip(self) -> BlockRef:
        """The newest block followed."""
        return self.blocks[-1]


class Follower:
    """Reads one Coordinator's logs by range, the range adapting to what the endpoint allows.

    Args:
        blocks: what was followed before, oldest first (up to `KEEP_BLOCKS`), from the journal.
        start_block: the first block of interest, usually the Coordinator's deployment.
    """

    def __init__(self, chain: Chain, coordinator: Address, blocks: list[BlockRef], start_block: int = 0) -> None:
        self._chain = chain
        self._coordinator = coordinator
        self._kept = blocks
        self._start_block = start_block
        self._range_blocks = MAX_RANGE_BLOCKS

    @property
    def tip(self) -> BlockRef | None:
        """The newest block followed, None before the first."""
        return self._kept[-1] if self._kept else None

    @property
    def recent_blocks(self) -> tuple[BlockRef, ...]:
        """The blocks kept, oldest first."""
        return tuple(self._kept)

    async def poll(self) -> AsyncIterator[Update]:
        """All that is new since the last call, in steps; nothing where the head is what was seen.

        The caller writes each step down before it takes the next one.

        Raises:
            RetryLater: the endpoint did not answer, is far behind, or its answers are of two different chains.
        """
        head = await self._chain.fetch_head()
        if any(block.hash == head.hash for block in self._kept):
            return  # the tip, or an endpoint that has yet to see blocks we followed: its past is our past
        if self._kept and head.number < self._kept[0].number:
            raise RetryLater(
                "chain.behind",
                f"the endpoint is at block {head.number}, block {self._kept[-1].number} was seen already: wait for it, "
                "use another endpoint, or begin a new journal where the chain itself began anew",
            )
        rolled_back_to = await self._find_fork(head)
        while True:
            update = await self._step(head, rolled_back_to)
            self._keep(update)
            rolled_back_to = None
            yield update
            if update.at_head:
                return

    async def _find_fork(self, head: BlockRef) -> int | None:
        """The number of the newest followed block that is still part of the chain; None where nothing was undone."""
        if self.tip is None or head.parent_hash == self.tip.hash:
            return None
        for block in reversed(self._kept):
            now = await self._chain.fetch_block(block.number) if block.number <= head.number else None
            if now is not None and now.hash == block.hash:
                return None if block is self.tip else block.number
        log.warning("chain.deep_reorg", kept_blocks=len(self._kept), restart_at=self._start_block)
        return self._start_block - 1

    async def _step(self, head: BlockRef, rolled_back_to: int | None) -> Update:
        seen = rolled_back_to if rolled_back_to is not None else self.tip.number if self.tip else self._start_block - 1
        first = min(seen + 1, head.number)
        while True:
            last = min(head.number, first + self._range_blocks - 1)
            try:
                logs, blocks = await asyncio.gather(
                    self._chain.fetch_logs([self._coordinator], first, last), self._fetch_blocks(head, first, last)
                )
            except RetryLater as error:
                if error.code != "chain.range_too_large" or self._range_blocks == 1:
                    raise
                self._range_blocks = max(1, self._range_blocks // 2)
            else:
                break
        self._check_links(blocks, logs, rolled_back_to)
        self._range_blocks = min(MAX_RANGE_BLOCKS, self._range_blocks * 2)
        events = tuple(event for event in map(decode_event, logs) if event is not None)
        is_reread = rolled_back_to is not None and all(block.number != rolled_back_to for block in self._kept)
        times = await self._fetch_times(blocks, events)
        return Update(rolled_back_to, is_reread, tuple(blocks), events, last == head.number, times)

    async def _fetch_times(self, blocks: list[BlockRef], events: Iterable[Event]) -> dict[int, Timestamp]:
        """When subscriptions were cancelled, which their events do not say: it decides which intervals had begun."""
        times = {block.number: block.timestamp for block in blocks}
        wanted = {event.block_number for event in events if isinstance(event, SubscriptionCancelled)}
        missing = sorted(wanted - set(times))
        for number, block in zip(missing, await asyncio.gather(*map(self._chain.fetch_block, missing)), strict=True):
            if block is None:
                raise RetryLater("chain.moved", "the chain changed while it was read")
            times[number] = block.timestamp
        return {number: times[number] for number in wanted}

    async def _fetch_blocks(self, head: BlockRef, first: int, last: int) -> list[BlockRef]:
        """The blocks of the range that have to be kept: all near the head, else only the last."""
        oldest = max(first, head.number - KEEP_BLOCKS + 1) if last == head.number else last
        numbers = range(oldest, last if last == head.number else last + 1)
        found = await asyncio.gather(*(self._chain.fetch_block(number) for number in numbers))
        blocks = [block for block in found if block is not None]
        if len(blocks) != len(numbers):
            raise RetryLater("chain.moved", "the chain changed while it was read")
        return [*blocks, head] if last == head.number else blocks

    def _check_links(self, blocks: list[BlockRef], logs: list[Log], rolled_back_to: int | None) -> None:
        """Refuse answers that mix two chains, as endpoints behind one address may give."""
        valid = [block for block in self._kept if rolled_back_to is None or block.number <= rolled_back_to]
        hashes = {block.number: block.hash for block in [*valid[-1:], *blocks]}
        for block in blocks:
            if hashes.get(block.number - 1, block.parent_hash) != block.parent_hash:
                raise RetryLater("chain.moved", "the chain changed while it was read")
        for entry in logs:
            if hashes.get(entry.block_number, entry.block_hash) != entry.block_hash:
                raise RetryLater("chain.moved", "the chain changed while it was read")

    def _keep(self, update: Update) -> None:
        """Keep what a reorg of `KEEP_BLOCKS` can reach, as the journal does: older blocks cannot be undone exactly."""
        last_valid = update.tip.number if update.rolled_back_to is None else update.rolled_back_to
        self._kept = [block for block in self._kept if block.number <= last_valid] + list(update.blocks)
        self._kept = [block for block in self._kept if block.number > update.tip.number - KEEP_BLOCKS]
