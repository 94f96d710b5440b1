"""The network that the client's tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from client_network import Network

from infernet.app.deployment import CORE, deploy_suite
from infernet.chain.child import ChildChain
from infernet.chain.local import DEV_ACCOUNTS
from infernet.client import AsyncClient


@pytest.fixture
async def network(local_chain: ChildChain) -> AsyncIterator[Network]:
    async with await AsyncClient.connect(local_chain.rpc_url, DEV_ACCOUNTS[1].private_key) as node:
        coordinator = (await deploy_suite(node.chain, node.signer, only=CORE)).coordinator
        await node.attach(coordinator)
        key = DEV_ACCOUNTS[0].private_key
        async with await AsyncClient.connect(local_chain.rpc_url, key, coordinator=coordinator) as asker:
            yield Network(local_chain, coordinator, asker, node)
