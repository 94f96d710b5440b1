"""A network with one node and the consumer that everything is measured with."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infernet.app.network import LocalNetwork, start_network
from infernet.chain.anvil import AnvilChain
from infernet.chain.artifacts import load_artifact
from infernet.client import AsyncClient
from infernet.client.outputs import Output
from infernet.settings import ContainerSettings
from infernet.types import Address, Receipt, SubscriptionKey

CONTAINER = "reverse"
CONTAINERS = [ContainerSettings(id=CONTAINER, kind="python", target="infernet.serve.examples:reverse")]
FEATURES = bytes(31) + b"\x2a"
GAS_PRICE, CALLBACK_GAS = 10**12, 100_000


@dataclass(frozen=True, slots=True)
class Bench:
    """What is measured."""

    network: LocalNetwork
    consumer: Address
    gas_limit: int

    @property
    def client(self) -> AsyncClient:
        return self.network.client

    async def request(self, redundancy: int = 1) -> tuple[Receipt, SubscriptionKey]:
        """One callback asked for."""
        arguments = (CONTAINER, FEATURES, GAS_PRICE, self.gas_limit, redundancy)
        receipt = await self.client.transact(self.consumer, "SlotConsumer", "request", *arguments)
        return receipt, self.client.read_created(receipt)[0]

    async def ask(self) -> tuple[Receipt, Output]:
        """One callback asked for and answered."""
        receipt, key = await self.request()
        return receipt, await self.client.wait_output(key)

    def encode_request(self) -> bytes:
        """The calldata of `request`."""
        arguments = (CONTAINER, FEATURES, GAS_PRICE, self.gas_limit, 1)
        return load_artifact("SlotConsumer").encode_call("request", arguments)


@contextlib.asynccontextmanager
async def start_bench(**options: Any) -> AsyncIterator[Bench]:
    """A network whose consumer has answered once: its slot is not zero any more. On anvil, as the peer was measured."""
    async with start_network(CONTAINERS, Path("unused"), chain_kind=AnvilChain, **options) as network:
        client = network.client
        consumer = await client.deploy("SlotConsumer", network.coordinator, network.user.address)
        overhead = await client.read(network.coordinator, "EIP712Coordinator", "DELIVERY_OVERHEAD_WEI")
        bench = Bench(network, consumer, CALLBACK_GAS + overhead)
        await bench.ask()
        yield bench
