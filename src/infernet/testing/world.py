"""A local chain with a Coordinator, someone who asks, and nodes that come and go: what integration tests play with."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infernet.app.deployment import CORE, deploy_suite
from infernet.app.node import SystemClock
from infernet.chain.child import ChildChain
from infernet.chain.local import DEV_ACCOUNTS
from infernet.chain.rpc import RpcChain
from infernet.client import AsyncClient
from infernet.keys.signer import LocalSigner
from infernet.node import ChainPipeline
from infernet.node.delivery import GasPolicy
from infernet.ports import Container
from infernet.protocol.events import DeliveryFailed, SubscriptionFulfilled, decode_event
from infernet.protocol.hashing import to_address
from infernet.protocol.policy import Policy
from infernet.store.journal import Job, Journal
from infernet.types import Address, SubscriptionKey

ASKER, FIRST_NODE = 1, 2
PATIENCE_S = 60.0
POLL_S = 0.02


@dataclass
class RunningNode:
    """A pipeline at work, and what it said of its jobs."""

    pipeline: ChainPipeline
    journal: Journal
    signer: LocalSigner
    ended: list[Job]

    @property
    def address(self) -> Address:
        return self.signer.address

    def find_job(self, key: SubscriptionKey, interval: int = 1) -> Job | None:
        return next((job for job in self.journal.read_jobs(key) if job.key.interval == interval), None)

    def get_state(self, key: SubscriptionKey, interval: int = 1) -> str:
        job = self.find_job(key, interval)
        return job.state if job else ""


class World:
    """One Coordinator on one local_chain.

    Attributes:
        client: of the account that asks.
        consumer: a `StoreConsumer` whose signer is that account.
    """

    def __init__(self, chain: ChildChain, rpc: RpcChain, client: AsyncClient, consumer: Address, folder: Path) -> None:
        self.chain = chain
        self.rpc = rpc
        self.client = client
        self.consumer = consumer
        self.coordinator = client.coordinator
        self._folder = folder

    @asynccontextmanager
    async def run_node(
        self,
        *containers: Container,
        number: int = 0,
        rpc_url: str | None = None,
        gas_policy: GasPolicy | None = None,
        turn_window_s: int = 0,
        journal: str = "",
    ) -> AsyncIterator[RunningNode]:
        """A node of account `FIRST_NODE + number` with a journal of its own, kept from one run to the next."""
        signer = LocalSigner(DEV_ACCOUNTS[FIRST_NODE + number].private_key)
        ended: list[Job] = []
        served = {container.id: container for container in containers}
        async with contextlib.AsyncExitStack() as stack:
            rpc = await stack.enter_async_context(RpcChain(rpc_url or self.chain.rpc_url, timeout_s=2.0))
            book = stack.enter_context(Journal(self._folder / f"{journal or number}.sqlite"))
            pipeline = ChainPipeline(
                chain=rpc,
                chain_id=self.chain.chain_id,
                coordinator=self.coordinator,
                signer=signer,
                journal=book,
                containers=served,
                policy=Policy(node=signer.address, containers=frozenset(served), turn_window_s=turn_window_s),
                gas_policy=gas_policy or GasPolicy(),
                clock=SystemClock(),
                poll_interval_s=POLL_S,
                on_job=ended.append,
            )
            async with asyncio.TaskGroup() as tasks:
                task = tasks.create_task(pipeline.run())
                yield RunningNode(pipeline, book, signer, ended)
                task.cancel()

    @asynccontextmanager
    async def mining(self, every_s: float = 0.03) -> AsyncIterator[None]:
        """Blocks come by themselves, each one second of chain time after the one before."""
        await self.chain.request("anvil_setBlockTimestampInterval", 1)
        await self.chain.set_automine(False)
        task = asyncio.create_task(self._mine(every_s))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await self.chain.request("anvil_removeBlockTimestampInterval")
            await self.chain.set_automine(True)

    async def _mine(self, every_s: float) -> None:
        while True:
            await self.chain.mine()
            await asyncio.sleep(every_s)

    async def ask(
        self,
        features: bytes = b"features",
        container: str = "reverse",
        *,
        redundancy: int = 1,
        callback_gas: int = 100_000,
        max_gas_price: int = 10**12,
    ) -> SubscriptionKey:
        """The consumer asks once."""
        receipt = await self.client.transact(
            self.consumer, "StoreConsumer", "request", container, features, max_gas_price, 110_000 + callback_gas,
            redundancy,
        )  # fmt: skip
        return self.client.read_created(receipt)[0]

    async def subscribe(
        self, period: int, frequency: int, container: str = "reverse", redundancy: int = 1
    ) -> SubscriptionKey:
        """The consumer subscribes, in pull mode."""
        receipt = await self.client.transact(
            self.consumer, "StoreConsumer", "subscribe", container, 10**12, 210_000, frequency, period, redundancy
        )
        return self.client.read_created(receipt)[0]

    async def wait_pool(self, count: int) -> None:
        """Return once as many transactions wait for a block."""

        async def are_there() -> bool:
            return await self.count_pool() == count

        await wait_until(are_there)

    async def count_pool(self) -> int:
        """How many transactions wait for a block."""
        status = await self.chain.request("txpool_status")
        return int(status["pending"], 16) + int(status["queued"], 16)

    async def fetch_answers(self, key: SubscriptionKey) -> list[SubscriptionFulfilled]:
        """Every answer that the chain counted."""
        head = await self.rpc.fetch_head()
        events = map(decode_event, await self.rpc.fetch_logs([self.coordinator], 0, head.number))
        answers = [event for event in events if isinstance(event, SubscriptionFulfilled)]
        return [event for event in answers if (event.owner, event.id) == (key.owner, key.id)]

    async def fetch_failures(self) -> list[DeliveryFailed]:
        """Every delivery that failed within a batch."""
        head = await self.rpc.fetch_head()
        events = map(decode_event, await self.rpc.fetch_logs([self.coordinator], 0, head.number))
        return [event for event in events if isinstance(event, DeliveryFailed)]

    async def wait_answers(self, key: SubscriptionKey, count: int = 1) -> list[SubscriptionFulfilled]:
        """The answers, once there are as many."""
        answers: list[SubscriptionFulfilled] = []

        async def are_there() -> bool:
            answers[:] = await self.fetch_answers(key)
            return len(answers) >= count

        await wait_until(are_there)
        return answers

    async def fetch_statuses(self, account: Address) -> list[bool]:
        """Of each transaction of an account that is in a block, whether it succeeded."""
        head = await self.rpc.fetch_head()
        statuses = []
        for number in range(head.number + 1):
            receipts: list[dict[str, Any]] = await self.chain.request("eth_getBlockReceipts", hex(number))
            statuses += [r["status"] == "0x1" for r in receipts if to_address(r["from"]) == account]
        return statuses


@asynccontextmanager
async def build_world(chain: ChildChain, folder: Path) -> AsyncIterator[World]:
    """The Coordinator and a consumer, deployed."""
    key = DEV_ACCOUNTS[ASKER].private_key
    async with RpcChain(chain.rpc_url) as rpc, await AsyncClient.connect(chain.rpc_url, key) as client:
        deployment = await deploy_suite(rpc, client.signer, only=CORE)
        await client.attach(deployment.coordinator)
        consumer = await client.deploy("StoreConsumer", client.coordinator, client.address)
        yield World(chain, rpc, client, consumer, folder)
        await chain.request("anvil_setNextBlockBaseFeePerGas", hex(10**9))  # no snapshot brings this back


async def wait_until(condition: Callable[[], Any], patience_s: float = PATIENCE_S) -> None:
    """Return once the condition (a function, or a coroutine function) holds."""
    async with asyncio.timeout(patience_s):
        while True:
            holds = condition()
            if asyncio.iscoroutine(holds):
                holds = await holds
            if holds:
                return
            await asyncio.sleep(0.02)
