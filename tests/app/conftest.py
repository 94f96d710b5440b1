"""Two accounts on a chain with the contracts: one that publishes models, and one beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from infernet.app.deployment import CORE, deploy_suite
from infernet.chain.child import ChildChain
from infernet.chain.local import DEV_ACCOUNTS
from infernet.client import AsyncClient


@pytest.fixture
async def creator(local_chain: ChildChain) -> AsyncIterator[AsyncClient]:
    async with await AsyncClient.connect(local_chain.rpc_url, DEV_ACCOUNTS[1].private_key) as client:
        deployment = await deploy_suite(client.chain, client.signer, only=CORE)
        await client.attach(deployment.coordinator)
        yield client


@pytest.fixture
async def other(local_chain: ChildChain, creator: AsyncClient) -> AsyncIterator[AsyncClient]:
    key, coordinator = DEV_ACCOUNTS[0].private_key, creator.coordinator
    async with await AsyncClient.connect(local_chain.rpc_url, key, coordinator=coordinator) as client:
        yield client
