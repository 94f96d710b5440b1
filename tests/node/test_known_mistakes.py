"""Mistakes that nodes of this kind are known for, one test each, on a real chain.

Those of single parts are tested beside them: a stuck transaction, an underfunded account and an endpoint's error in
`test_trouble.py`, a hot loop and empty input in `test_runner.py`.
"""

from __future__ import annotations

import asyncio

import pytest

from infernet.protocol.calldata import decode_delivery
from infernet.testing.containers import FunctionContainer, reverse
from infernet.testing.world import World, wait_until

pytestmark = pytest.mark.chain


async def test_the_inputs_of_one_interval_are_never_delivered_as_those_of_the_next(world: World) -> None:
    release = asyncio.Event()

    async def hold_the_first(features: bytes) -> bytes:
        if features == b"of interval 1":
            await release.wait()
        return features

    container = FunctionContainer("reverse", hold_the_first)
    await world.client.transact(world.consumer, "StoreConsumer", "setFeatures", b"of interval 1")
    key = await world.subscribe(period=1000, frequency=2)
    created_at = (await world.rpc.fetch_head()).timestamp
    async with world.run_node(container) as node:
        await world.chain.set_next_timestamp(created_at + 1000)
        await world.chain.mine()
        await wait_until(lambda: container.seen == [b"of interval 1"])
        await world.chain.set_next_timestamp(created_at + 2000)
        await world.client.transact(world.consumer, "StoreConsumer", "setFeatures", b"of interval 2")
        head = await world.rpc.fetch_head()
        await wait_until(lambda: node.pipeline.status().head == head.number)
        release.set()
        (answer,) = await world.wait_answers(key)
        await wait_until(lambda: node.get_state(key, 2) == "delivered")
        assert node.get_state(key, 1) == "dropped"
    transaction = await world.chain.request("eth_getTransactionByHash", "0x" + answer.tx_hash.hex())
    delivery = decode_delivery(bytes.fromhex(transaction["input"][2:]))
    assert delivery is not None
    assert (delivery.interval, delivery.output) == (2, b"of interval 2")
    assert await world.fetch_statuses(node.address) == [True]


async def test_a_delivery_that_lands_after_its_interval_frees_the_next_one_at_once(world: World) -> None:
    """The node cannot know of a block that nobody told it of: that delivery reverts, and costs no further block."""
    release = asyncio.Event()

    async def hold_the_first(features: bytes) -> bytes:
        if not container.seen[1:]:
            await release.wait()
        return features

    container = FunctionContainer("reverse", hold_the_first)
    key = await world.subscribe(period=1000, frequency=2)
    created_at = (await world.rpc.fetch_head()).timestamp
    async with world.run_node(container) as node:
        await world.chain.set_next_timestamp(created_at + 1000)
        await world.chain.mine()
        await wait_until(lambda: len(container.seen) == 1)
        await world.chain.set_next_timestamp(created_at + 2000)  # of the block that the delivery makes
        release.set()
        await wait_until(lambda: node.get_state(key, 2) == "delivered")
        assert node.get_state(key, 1) == "dropped"
    assert await world.fetch_statuses(node.address) == [False, True]


async def test_time_is_the_chains_and_not_the_walls(world: World) -> None:
    key = await world.subscribe(period=86_400, frequency=1)
    head = await world.rpc.fetch_head()
    async with world.run_node(reverse()) as node:
        await world.chain.set_next_timestamp(head.timestamp + 80_000)
        await world.chain.mine()
        await world.wait_answers(await world.ask(b"meanwhile"))
        assert node.get_state(key) == ""
        await world.chain.set_next_timestamp(head.timestamp + 86_401)
        await world.chain.mine()
        await world.wait_answers(key)


async def test_gas_is_not_the_exact_estimate(world: World) -> None:
    async with world.run_node(reverse()) as node:
        key = await world.ask()
        (answer,) = await world.wait_answers(key)
    transaction = await world.chain.request("eth_getTransactionByHash", "0x" + answer.tx_hash.hex())
    (receipt,) = await world.rpc.fetch_receipts([answer.tx_hash])
    assert receipt is not None
    assert int(transaction["gas"], 16) > receipt.gas_used + 100_000  # all that the callback was promised
    assert await world.fetch_statuses(node.address) == [True]


async def test_a_cheap_subscription_for_a_container_it_does_not_run_does_not_wedge_the_listener(world: World) -> None:
    async with world.run_node(reverse()):
        for number in range(20):
            await world.ask(bytes([number + 1]), container="not served", max_gas_price=1)
        await world.wait_answers(await world.ask())


async def test_finished_work_is_not_thrown_away_when_sending_fails(world: World) -> None:
    container = reverse()
    async with world.run_node(container) as node:
        await world.chain.request("anvil_setBalance", node.address, "0x0")
        key = await world.ask()
        await wait_until(lambda: node.get_state(key) == "signed")
    assert len(container.seen) == 1
    again = reverse()
    await world.chain.request("anvil_setBalance", node.address, hex(10**18))
    async with world.run_node(again):
        await world.wait_answers(key)
    assert again.seen == []
