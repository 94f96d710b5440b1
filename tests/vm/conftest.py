"""A chain in memory behind its JSON-RPC, made anew for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from rpc_client import RpcClient

from infernet.chain.local import DEV_ACCOUNTS
from infernet.vm.chain import Chain
from infernet.vm.engine_thread import EngineThread
from infernet.vm.genesis import DEV_PRODUCER_KEY, Genesis, build_dev_accounts
from infernet.vm.rpc import serve_chain
from infernet.vm.transaction import FEE_MARKET, sign_transaction

PRODUCER = sign_transaction(FEE_MARKET, DEV_PRODUCER_KEY, chain_id=1, nonce=0, gas=0, max_fee=0).sender


def build_chain() -> Chain:
    return Chain(Genesis(producer=PRODUCER, accounts=build_dev_accounts()))


@pytest.fixture
async def served(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """Its URL. A test's parameters for this fixture are those of `serve_chain`."""
    options: dict[str, Any] = {"accounts": DEV_ACCOUNTS, "is_dev": True} | getattr(request, "param", {})
    engine = EngineThread()
    chain = await engine.run(build_chain)
    try:
        async with serve_chain(chain, engine, "127.0.0.1", 0, **options) as server:
            yield server.url
    finally:
        await engine.run(chain.close)
        engine.close()


@pytest.fixture
async def rpc(served: str) -> AsyncIterator[RpcClient]:
    """A client of it."""
    async with RpcClient(served) as client:
        yield client
