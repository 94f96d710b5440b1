"""Follow: what the chain says next, in order, each block once, with reorgs told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog

from infernet.errors import RetryLater
from infernet.ports import Chain
from infernet.protocol.events import Event, decode_event
from infernet.types import Address, BlockRef, Log

KEEP_BLOCKS = 64
"""A reorg of up to this many blocks is rolled back; a deeper one has the node read the chain anew."""
MAX_RANGE_BLOCKS = 10_000
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Update:
    """A step forward along the chain.

    Attributes:
        rolled_back_to: number of the last block still valid, where the chain turned out to be another than followed.
        blocks: the newest blocks of the step, oldest first, linked to one another; the last is the new tip.
        events: the Coordinator's events of the step, in chain order.
        at_head: False while older blocks are being caught up with.
    """

    rolled_back_to: int | None
    blocks: tuple[BlockRef, ...]
    events: tuple[Event, ...]
    at_head: bool

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
            RetryLater: the endpoint did not answer, or its answers are of two different chains.
        """
        head = await self._chain.fetch_head()
        if self.tip is not None and (head.hash == self.tip.hash or self._is_behind(head)):
            return
        rolled_back_to = await self._find_fork(head)
        while True:
            update = await self._step(head, rolled_back_to)
            self._keep(update)
            rolled_back_to = None
            yield update
            if update.at_head:
                return

    def _is_behind(self, head: BlockRef) -> bool:
        """True for an endpoint that has yet to see blocks we followed: its past is our past."""
        return any(block.hash == head.hash for block in self._kept)

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
        if rolled_back_to is not None:
            first = rolled_back_to + 1
        else:
            first = self.tip.number + 1 if self.tip else min(self._start_block, head.number)
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
        return Update(rolled_back_to, tuple(blocks), events, at_head=last == head.number)

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
        hashes = {block.number: block.hash for block in blocks}
        if rolled_back_to is None and self.tip is not None:
            hashes.setdefault(self.tip.number, self.tip.hash)
        for block in blocks:
            if hashes.get(block.number - 1, block.parent_hash) != block.parent_hash:
                raise RetryLater("chain.moved", "the chain changed while it was read")
        for entry in logs:
            if hashes.get(entry.block_number, entry.block_hash) != entry.block_hash:
                raise RetryLater("chain.moved", "the chain changed while it was read")

    def _keep(self, update: Update) -> None:
        if update.rolled_back_to is not None:
            self._kept = [block for block in self._kept if block.number <= update.rolled_back_to]
        self._kept = [*self._kept, *update.blocks][-KEEP_BLOCKS:]
