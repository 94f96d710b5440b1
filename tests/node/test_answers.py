"""A node on a real chain with real contracts: every kind of subscription is answered."""

from __future__ import annotations

import asyncio

import pytest

from infernet.chain.local import DEV_ACCOUNTS
from infernet.client import AsyncClient
from infernet.protocol.calldata import decode_delivery
from infernet.testing.containers import FunctionContainer, reverse
from infernet.testing.world import World, wait_until

pytestmark = [pytest.mark.chain, pytest.mark.both_chains]


async def read_output(world: World, tx_hash: bytes) -> bytes:
    transaction = await world.chain.request("eth_getTransactionByHash", "0x" + tx_hash.hex())
    delivery = decode_delivery(bytes.fromhex(transaction["input"][2:]))
    assert delivery is not None
    return delivery.output


async def test_a_callback_is_answered_with_the_containers_output(world: World) -> None:
    async with world.run_node(reverse()) as node:
        key = await world.ask(b"abc")
        (answer,) = await world.wait_answers(key)
        await wait_until(lambda: node.get_state(key) == "delivered")
    assert answer.node == node.address
    assert await read_output(world, answer.tx_hash) == b"cba"
    assert await world.client.read(world.consumer, "StoreConsumer", "deliveries") == 1
    assert await world.fetch_statuses(node.address) == [True]


async def test_a_request_from_before_the_node_started_is_answered(world: World) -> None:
    key = await world.ask()
    await world.chain.mine(100)
    async with world.run_node(reverse()):
        await world.wait_answers(key)


async def test_a_request_is_taken_up_after_a_restart_without_a_new_block(world: World) -> None:
    key = await world.ask(container="later")
    async with world.run_node(reverse("first")) as node:
        await wait_until(lambda: node.pipeline.status().head is not None)
    async with world.run_node(reverse("later")):
        await world.wait_answers(key)


async def test_a_chain_feeds_each_container_the_output_of_the_one_before(world: World) -> None:
    async with world.run_node(FunctionContainer("a", lambda f: f + b"A"), FunctionContainer("b", lambda f: f + b"B")):
        key = await world.ask(b"x", "a,b")
        (answer,) = await world.wait_answers(key)
    assert await read_output(world, answer.tx_hash) == b"xAB"


async def test_redundancy_two_is_answered_by_two_nodes_once_each(world: World) -> None:
    async with world.run_node(reverse()) as one, world.run_node(reverse(), number=1) as two:
        key = await world.ask(redundancy=2)
        answers = await world.wait_answers(key, 2)
    assert {answer.node for answer in answers} == {one.address, two.address}
    assert [answer.redundancy for answer in answers] == [1, 2]
    assert await world.fetch_statuses(one.address) == await world.fetch_statuses(two.address) == [True]


async def test_a_subscription_is_answered_once_in_each_interval(world: World) -> None:
    echo = FunctionContainer("reverse", lambda features: features)
    async with world.mining(), world.run_node(echo) as node:
        key = await world.subscribe(period=12, frequency=3)
        answers = await world.wait_answers(key, 3)
        await wait_until(lambda: node.get_state(key, 3) == "delivered")
        await asyncio.sleep(0.2)
        assert len(await world.fetch_answers(key)) == 3
    assert [answer.interval for answer in answers] == [1, 2, 3]
    assert all(await world.fetch_statuses(node.address))


async def test_features_are_read_at_the_first_block_of_the_interval(world: World) -> None:
    started = asyncio.Event()

    async def answer(features: bytes) -> bytes:
        started.set()
        return features

    await world.client.transact(world.consumer, "StoreConsumer", "setFeatures", b"before")
    key = await world.subscribe(period=1000, frequency=1)
    (head, active_at) = (await world.rpc.fetch_head(), (await world.rpc.fetch_head()).timestamp + 1000)
    await world.chain.set_next_timestamp(active_at + 3)
    await world.client.transact(world.consumer, "StoreConsumer", "setFeatures", b"in the first block")
    for number in range(3):
        await world.client.transact(world.consumer, "StoreConsumer", "setFeatures", f"later {number}".encode())
    async with world.run_node(FunctionContainer("reverse", answer)):
        (delivered,) = await world.wait_answers(key)
    assert head.timestamp < active_at
    assert await read_output(world, delivered.tx_hash) == b"in the first block"


async def test_a_signed_request_is_created_and_answered_in_one_transaction(world: World) -> None:
    async with world.run_node(reverse()) as node:
        await wait_until(lambda: node.pipeline.status().head is not None)
        request = await world.client.sign_delegate(world.consumer, "reverse", b"abc")
        key = await node.pipeline.accept_request(request)
        (answer,) = await world.wait_answers(key)
    assert await read_output(world, answer.tx_hash) == b"cba"
    assert await world.fetch_statuses(node.address) == [True]


async def test_a_recurring_signed_request_is_created_by_its_first_answer_only(world: World) -> None:
    async with world.mining(), world.run_node(reverse()) as node:
        await wait_until(lambda: node.pipeline.status().head is not None)
        request = await world.client.sign_delegate(world.consumer, "reverse", b"abc", period=12, frequency=3)
        key = await node.pipeline.accept_request(request)
        answers = await world.wait_answers(key, 2)
    first, second, *_ = [
        (await world.chain.request("eth_getTransactionByHash", "0x" + a.tx_hash.hex()))["input"] for a in answers
    ]
    assert len(first) > len(second)
    assert all(await world.fetch_statuses(node.address))


async def test_a_subscription_for_this_node_alone_is_left_to_it(world: World) -> None:
    async with world.run_node(reverse()) as one, world.run_node(reverse(), number=1) as two:
        async with await AsyncClient.connect(
            world.chain.rpc_url, DEV_ACCOUNTS[6].private_key, coordinator=world.coordinator
        ) as client:
            key = await client.request("reverse", b"abc", node=two.address)
        (answer,) = await world.wait_answers(key)
        await wait_until(lambda: two.get_state(key) == "delivered")
    assert answer.node == two.address
    assert await world.fetch_statuses(one.address) == []


async def test_a_subscription_that_is_cancelled_while_it_runs_is_dropped(world: World) -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def hang(_: bytes) -> bytes:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()
        return b""

    async with world.run_node(FunctionContainer("slow", hang), reverse()) as node:
        key = await world.ask(container="slow")
        await asyncio.wait_for(started.wait(), 10)
        await world.client.transact(world.consumer, "StoreConsumer", "cancel", key.id)
        await wait_until(lambda: node.get_state(key) == "dropped")
        await asyncio.wait_for(cancelled.wait(), 10)
        await world.wait_answers(await world.ask())
    assert node.ended[0].code == "subscription.over"
    assert await world.fetch_statuses(node.address) == [True]


async def test_a_hundred_requests_at_once_are_all_answered_and_none_reverts(world: World) -> None:
    async with world.run_node(reverse()) as node:
        await world.chain.set_automine(False)
        asking = asyncio.gather(*(world.ask(str(number).encode()) for number in range(100)))
        await world.wait_pool(100)
        async with world.mining(0.1):
            keys = await asking
            await wait_until(lambda: sum(job.state == "delivered" for job in node.ended) == 100)
    assert len(set(keys)) == 100
    statuses = await world.fetch_statuses(node.address)
    assert len(statuses) < 50  # what is ready goes together
    assert all(statuses)
    assert await world.client.read(world.consumer, "StoreConsumer", "deliveries") == 100


async def test_a_request_that_comes_while_older_blocks_are_caught_up_with_waits_for_the_head(world: World) -> None:
    container = reverse()
    async with world.run_node(container) as node:
        await wait_until(lambda: node.pipeline.status().head is not None)
        node.pipeline._is_at_head = False
        key = await node.pipeline.accept_request(await world.client.sign_delegate(world.consumer, "reverse", b"abc"))
        await asyncio.sleep(0.2)
        assert (container.seen, node.get_state(key)) == ([], "")
        await world.chain.mine()
        await world.wait_answers(key)
