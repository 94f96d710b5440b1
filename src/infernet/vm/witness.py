"""A witness: a follower that asks the outside itself, and seals the blocks whose recorded answers it was given too."""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from infernet.errors import NodeMisconfigured, RetryLater
from infernet.vm.block import Block
from infernet.vm.chain import Chain
from infernet.vm.chain_store import KEPT_STATES
from infernet.vm.engine_thread import EngineThread
from infernet.vm.seal_book import SealedBlock
from infernet.vm.seal_exchange import SealExchange
from infernet.vm.transaction import compute_address

_ATTEMPTS = 3
_PAUSE_S = 1.0

log = structlog.get_logger()


class Witness:
    """One account's seals on one chain.

    Args:
        attempts: how often the outside is asked before what it says counts as different.
        pause_s: between two of them.
    """

    def __init__(
        self,
        chain: Chain,
        engine: EngineThread,
        private_key: bytes,
        exchange: SealExchange,
        *,
        attempts: int = _ATTEMPTS,
        pause_s: float = _PAUSE_S,
    ) -> None:
        """
        Raises:
            NodeMisconfigured: `layer.no_witness`: the account is none of the layer's witnesses.
        """
        self._chain, self._engine, self._key, self._exchange = chain, engine, private_key, exchange
        self._attempts, self._pause_s = attempts, pause_s
        self._address = compute_address(private_key)
        if self._address not in chain.seals.witnesses:
            raise NodeMisconfigured(
                "layer.no_witness",
                f"0x{self._address.hex()} is no witness of this layer: its file names those under [witnesses]",
            )

    async def resume(self) -> None:
        """Take up where it stopped: hand out what is sealed, look at what is not, as far back as states are kept.

        Raises:
            RetryLater: upstream cannot be reached.
        """
        head = self._chain.head.number
        for number in range(max(1, head - KEPT_STATES + 1), head + 1):
            block = await self._engine.run(self._chain.block_by_number, number)
            seals = await self._engine.run(self._chain.seals.read, number)
            if block is None or self._chain.seals.has_quorum(seals):
                continue
            if self._address in seals:
                await self._exchange.hand(block, seals[self._address])
            else:
                await self.look(SealedBlock(block, seals))

    async def look(self, sealed: SealedBlock) -> bool:
        """Seal a block of the chain, unless the outside says something else; one that has a quorum needs no more.

        Raises:
            RetryLater: upstream cannot be reached.
        """
        block = sealed.block
        if self._chain.seals.has_quorum(sealed.seals):
            return False
        if not await self._agrees(block):
            return False
        seal = self._chain.seals.sign(self._key, block)
        await self._engine.run(self._chain.seals.add, block, {self._address: seal})
        await self._exchange.hand(block, seal)
        return True

    async def gather(self) -> None:
        """Collect the others' seals, until cancelled: so that this node knows too what a quorum has sealed."""
        while True:
            await asyncio.sleep(self._pause_s)
            with contextlib.suppress(RetryLater):  # who follows upstream says so
                while await self._fill_next():
                    pass

    async def _fill_next(self) -> bool:
        """Whether the first block that lacked a quorum has one now."""
        chain, run = self._chain, self._engine.run
        block = await run(lambda: chain.block_by_number(chain.seals.sealed + 1))
        if block is None:
            return False
        seals = await run(chain.seals.select, block, await self._exchange.fetch(block))
        await run(chain.seals.add, block, seals)
        return await run(lambda: chain.seals.sealed) >= block.number

    async def _agrees(self, block: Block) -> bool:
        for attempt in range(1, self._attempts + 1):
            differences = await self._engine.run(self._chain.compare_outside, block)
            if not differences:
                return True
            if attempt < self._attempts:
                await asyncio.sleep(self._pause_s)
        for difference in differences:
            log.warning(
                "block.not_witnessed", block=block.number, hash="0x" + block.hash.hex(), **difference.describe()
            )
        return False
