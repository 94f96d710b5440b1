"""A node and money, on a chain: what it earns, what it leaves, and batches in which one item fails."""

from __future__ import annotations

import asyncio

import pytest

from infernet.client import Terms
from infernet.node.delivery import GasPolicy
from infernet.protocol.deliveries import decode_deliveries
from infernet.testing.containers import reverse
from infernet.testing.world import World, wait_until
from infernet.types import Wei

pytestmark = [pytest.mark.chain, pytest.mark.both_chains]
FEE = 10**16


async def test_paid_requests_of_one_block_are_answered_in_one_transaction_and_earn_their_fees(world: World) -> None:
    await world.client.deposit(10 * FEE)
    async with world.run_node(reverse()) as node:
        await wait_until(lambda: node.pipeline.status().head is not None)
        features = [bytes([number]) for number in range(10)]
        keys = await world.client.request_many("reverse", features, terms=Terms(fee=FEE))
        outputs = await asyncio.gather(*(world.client.wait_output(key) for key in keys))
    assert [output.output for output in outputs] == [one[::-1] for one in features]
    assert len({output.tx_hash for output in outputs}) <= 2
    assert (await world.client.read_balance(node.address)).free == 10 * FEE


async def test_a_delivery_that_fails_within_a_batch_is_noted_and_the_others_stand(world: World) -> None:
    await world.chain.set_automine(False)
    async with world.run_node(reverse(), gas_policy=GasPolicy(tip=Wei(1))) as node:
        asking = asyncio.gather(*(world.ask(bytes([number])) for number in range(4)))
        await world.wait_pool(4)
        await world.chain.mine()
        keys = await asking
        await wait_until(lambda: all(node.get_state(key) == "sent" for key in keys))
        rival = world.client  # it pays more, so its delivery stands first in the same block
        terms = await rival.fetch_terms(keys[2])
        deliveries = await world.count_pool()
        delivering = asyncio.create_task(
            rival.transact(
                rival.coordinator, "EIP712Coordinator", "deliverModelOutput", keys[2].id, 1, terms, b"rival", b"",
                gas=500_000,
            )
        )  # fmt: skip
        await world.wait_pool(deliveries + 1)
        await world.chain.set_automine(True)
        await world.chain.mine(2)
        await delivering
        for key in keys:
            await world.wait_answers(key)
        await wait_until(lambda: all(node.get_state(key) in ("delivered", "dropped") for key in keys))
        states = [node.get_state(key) for key in keys]
        job = node.find_job(keys[2])
        (failure,) = await world.fetch_failures()
        items = decode_deliveries(node.journal.read_transaction_data(failure.tx_hash) or b"")
    assert failure.node == node.address
    assert [item and item.id for item in items].index(keys[2].id) == failure.index
    assert states == ["delivered", "delivered", "dropped", "delivered"]
    assert job is not None
    assert job.code in ("revert.SubscriptionNotFound", "subscription.over")
    assert all(await world.fetch_statuses(node.address))


async def test_a_subscription_without_money_waits_and_goes_on_once_it_is_funded(world: World) -> None:
    await world.client.deposit(FEE)
    head = await world.rpc.fetch_head()
    key = await world.client.subscribe("reverse", b"ab", period=1000, active_at=head.timestamp, terms=Terms(fee=FEE))
    async with world.run_node(reverse()):
        await world.wait_answers(key)
        await world.chain.increase_time(1000)
        await world.chain.mine(3)
        await asyncio.sleep(0.2)
        assert len(await world.fetch_answers(key)) == 1
        await world.client.deposit(FEE)
        await world.client.fund(key)
        await world.wait_answers(key, 2)
    assert (await world.client.read_balance()).free == 0
