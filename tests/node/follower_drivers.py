"""Two chains for the same suite: one in memory, one real."""

from __future__ import annotations

from typing import Protocol

from infernet.ports import Chain
from infernet.protocol.events import NONCE_BURNED
from infernet.protocol.hashing import ZERO_HASH, to_address
from infernet.testing.fake_chain import FakeChain
from infernet.testing.world import World
from infernet.types import Address, Log, TxHash

COORDINATOR = to_address("0x" + "c0" * 20)


def build_log(number: int = 1) -> Log:
    """A nonce that was burned."""
    topics = (NONCE_BURNED.topic, bytes(32), number.to_bytes(32))
    return Log(COORDINATOR, topics, b"", 0, ZERO_HASH, TxHash(number.to_bytes(32)), 0)


class Driver(Protocol):
    """What the suite does to a chain."""

    chain: Chain
    coordinator: Address

    async def mine(self, blocks: int) -> None: ...
    async def emit(self) -> None:
        """A block with one event."""
        ...

    async def reorg(self, depth: int) -> None:
        """As many other blocks, all empty."""
        ...


class FakeDriver:
    coordinator = COORDINATOR

    def __init__(self) -> None:
        self.chain = FakeChain()
        self._emitted = 0

    async def mine(self, blocks: int) -> None:
        self.chain.mine(blocks)

    async def emit(self) -> None:
        self._emitted += 1
        self.chain.mine(1, [build_log(self._emitted)])

    async def reorg(self, depth: int) -> None:
        self.chain.reorg(depth)


class WorldDriver:
    def __init__(self, world: World) -> None:
        self._world = world
        self.chain = world.rpc
        self.coordinator = world.coordinator

    async def mine(self, blocks: int) -> None:
        await self._world.chain.mine(blocks)

    async def emit(self) -> None:
        await self._world.ask()

    async def reorg(self, depth: int) -> None:
        await self._world.chain.request("anvil_reorg", depth, [])
