"""What all tests share: one local chain per session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import settings
from needs import need

from infernet.chain.anvil import AnvilChain
from infernet.chain.anvil_binary import find_anvil
from infernet.chain.rpc import RpcChain

settings.register_profile("soak", max_examples=2000, deadline=None)


@pytest.fixture(scope="session")
def anvil_session() -> Iterator[AnvilChain]:
    """One anvil for the whole session. Tests take `anvil`."""
    need(find_anvil() is not None, "no anvil: run `make setup`, or set INFERNET_ANVIL")
    chain = AnvilChain()
    asyncio.run(chain.start())
    yield chain
    asyncio.run(chain.stop())


@pytest.fixture
async def anvil(anvil_session: AnvilChain) -> AsyncIterator[AnvilChain]:
    """A local chain on which the test is alone: whatever it does is undone after it."""
    snapshot = await anvil_session.snapshot()
    yield anvil_session
    await anvil_session.set_interval(0)
    await anvil_session.set_automine(True)
    await anvil_session.revert(snapshot)


@pytest.fixture
async def rpc(anvil: AnvilChain) -> AsyncIterator[RpcChain]:
    """That chain as a node sees it."""
    async with RpcChain(anvil.rpc_url) as chain:
        yield chain
