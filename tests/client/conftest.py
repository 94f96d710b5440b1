"""The network that the client's tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from client_network import Network

from infernet.app.deployment import CORE, deploy_suite
from infernet.chain.anvil import AnvilChain
from infernet.chain.local import DEV_ACCOUNTS
from infernet.client import AsyncClient


@pytest.fixture
async def network(anvil: AnvilChain) -> AsyncIterator[Network]:
    async with await AsyncClient.connect(anvil.rpc_url, DEV_ACCOUNTS[1].private_key) as node:
        coordinator = (await deploy_suite(node.chain, node.signer, only=CORE)).coordinator
        await node.attach(coordinator)
        key = DEV_ACCOUNTS[0].private_key
        async with await AsyncClient.connect(anvil.rpc_url, key, coordinator=coordinator) as asker:
            yield Network(anvil, coordinator, asker, node)
