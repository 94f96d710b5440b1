"""A node on a real chain where something is wrong: it notes why, serves the others, and loses nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from infernet.chain.local import DEV_ACCOUNTS
from infernet.client import AsyncClient
from infernet.errors import JobRejected, RetryLater
from infernet.node.delivery import GasPolicy
from infernet.testing.containers import FunctionContainer, reverse
from infernet.testing.proxy import FaultyProxy, Trouble
from infernet.testing.world import RunningNode, World, wait_until
from infernet.types import SubscriptionKey, Wei

pytestmark = [pytest.mark.chain, pytest.mark.both_chains]
REVERTING = "0x60006000fd"
SPARE = 7
GWEI = 10**9


async def ask_for_account(world: World, code: str, features: bytes = b"abc") -> SubscriptionKey:
    """A request whose owner's callback is `code`."""
    account = DEV_ACCOUNTS[SPARE]
    async with await AsyncClient.connect(
        world.chain.rpc_url, account.private_key, coordinator=world.coordinator
    ) as client:
        key = await client.request("reverse", features)
    await world.chain.request("anvil_setCode", account.address, code)
    return key


async def test_a_consumer_that_reverts_is_noted_and_the_others_are_served(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infernet.node.delivery.MAX_REFUSALS", 3)
    bad = await ask_for_account(world, REVERTING)
    async with world.mining(), world.run_node(reverse()) as node:
        await world.wait_answers(await world.ask())
        await wait_until(lambda: node.get_state(bad) == "failed")
        await world.wait_answers(await world.ask())
    job = next(job for job in node.ended if job.key.subscription == bad)
    assert (job.code, job.attempts) == ("revert.CallbackFailed", 3)
    assert "CallbackFailed" in job.note
    assert await world.fetch_answers(bad) == []
    assert await world.fetch_statuses(node.address) == [True, True]


async def test_a_refused_delivery_is_tried_once_for_each_block(world: World) -> None:
    bad = await ask_for_account(world, REVERTING)
    async with world.run_node(reverse()) as node:
        await wait_until(lambda: (job := node.find_job(bad)) is not None and job.attempts == 1)
        for _ in range(3):  # other work at the same head is no reason to try again
            node.pipeline._sender.submit(node.find_job(bad))  # type: ignore[arg-type]
            await asyncio.sleep(0.05)
        assert (job := node.find_job(bad)) is not None
        assert job.attempts == 1


async def test_a_consumer_that_stops_reverting_is_answered(world: World) -> None:
    bad = await ask_for_account(world, REVERTING)
    async with world.run_node(reverse()) as node:
        await wait_until(lambda: (job := node.find_job(bad)) is not None and job.attempts == 1)
        await world.chain.request("anvil_setCode", DEV_ACCOUNTS[SPARE].address, "0x")
        await world.chain.mine()
        await world.wait_answers(bad)
    assert await world.fetch_statuses(node.address) == [True]


async def test_a_consumer_that_refuses_what_costs_something_costs_nothing(world: World) -> None:
    """Its callback reverts where `tx.gasprice` is not zero."""
    bad = await ask_for_account(world, "0x3a600657005b60006000fd")
    async with world.run_node(reverse()) as node:
        await wait_until(lambda: (job := node.find_job(bad)) is not None and job.code == "revert.CallbackFailed")
    assert await world.fetch_statuses(node.address) == []


async def test_a_callback_that_needs_more_gas_than_allowed_is_noted(world: World) -> None:
    async with world.mining(), world.run_node(reverse()) as node:
        hungry = await world.ask(callback_gas=3_000)
        await wait_until(lambda: (job := node.find_job(hungry)) is not None and job.code == "revert.CallbackFailed")
        await world.wait_answers(await world.ask())
    assert await world.fetch_statuses(node.address) == [True]


async def test_a_gas_limit_above_the_blocks_ends_in_a_note(world: World) -> None:
    async with world.mining(), world.run_node(reverse()) as node:
        huge = await world.ask(callback_gas=400_000_000)
        await world.wait_answers(await world.ask())
        report = node.pipeline.report(huge.owner, huge.id)
    assert report is not None
    assert (report.code, report.jobs) == ("callback.too_dear", ())
    assert all(await world.fetch_statuses(node.address))


async def test_a_transaction_above_the_endpoints_gas_cap_does_not_wedge_the_account(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.mining(), world.run_node(reverse()) as node:
        generous = replace(node.pipeline._policy, max_callback_gas=10**9)
        monkeypatch.setattr(node.pipeline, "_policy", generous)
        big = await world.ask(callback_gas=20_000_000)
        await world.wait_answers(await world.ask())
        await wait_until(lambda: node.get_state(big) in ("failed", "delivered"))
    assert all(await world.fetch_statuses(node.address))


async def test_a_container_that_is_not_served_does_not_wedge_the_node(world: World) -> None:
    async with world.run_node(reverse()) as node:
        foreign = await world.ask(container="elsewhere")
        await world.wait_answers(await world.ask())
        report = node.pipeline.report(foreign.owner, foreign.id)
    assert report is not None
    assert report.code == "container.not_served"
    assert report.jobs == ()


async def test_what_the_model_rejects_is_never_delivered(world: World) -> None:
    def refuse(_: bytes) -> bytes:
        raise JobRejected("features.mismatch", "the features do not fit the model")

    async with world.mining(), world.run_node(FunctionContainer("bad", refuse), reverse()) as node:
        key = await world.ask(container="bad")
        await wait_until(lambda: node.get_state(key) == "failed")
        await world.wait_answers(await world.ask())
        job = node.find_job(key)
    assert job is not None
    assert (job.code, job.note) == ("features.mismatch", "the features do not fit the model")
    assert await world.fetch_answers(key) == []


async def test_a_container_that_breaks_is_tried_a_few_times_with_pauses(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(_: bytes) -> bytes:
        raise RetryLater("container.crashed", "the worker ended")

    pauses: list[float] = []
    broken = FunctionContainer("broken", crash)
    async with world.run_node(broken, reverse()) as node:
        clock = node.pipeline._clock

        async def sleep(seconds: float) -> None:
            if seconds >= 0.5:
                pauses.append(seconds)
            await asyncio.sleep(0.01)

        monkeypatch.setattr(clock, "sleep", sleep)
        key = await world.ask(container="broken")
        await wait_until(lambda: node.get_state(key) == "failed")
        await world.wait_answers(await world.ask())
    assert len(broken.seen) == 5
    assert pauses == [0.5, 1.0, 2.0, 4.0]
    assert await world.fetch_answers(key) == []


async def test_a_price_limit_below_the_base_fee_waits_until_it_falls(world: World) -> None:
    await world.chain.request("anvil_setNextBlockBaseFeePerGas", hex(50 * GWEI))
    await world.chain.mine()
    async with world.mining(), world.run_node(reverse()) as node:  # an eighth less with each empty block
        cheap = await world.ask(max_gas_price=2 * GWEI)
        await world.wait_answers(await world.ask())
        assert await world.fetch_answers(cheap) == []
        (answer,) = await world.wait_answers(cheap)
    (receipt,) = await world.rpc.fetch_receipts([answer.tx_hash])
    assert receipt is not None
    assert receipt.effective_gas_price <= 2 * GWEI
    assert await world.fetch_statuses(node.address) == [True, True]


async def test_the_operators_own_limit_holds_too(world: World) -> None:
    await world.chain.request("anvil_setNextBlockBaseFeePerGas", hex(50 * GWEI))
    await world.chain.mine()
    async with world.run_node(reverse(), gas_policy=GasPolicy(max_fee=Wei(3 * GWEI))) as node:
        key = await world.ask()
        await wait_until(lambda: node.get_state(key) == "computed")
        await world.chain.mine()
        await asyncio.sleep(0.1)
        assert await world.fetch_statuses(node.address) == []
        await world.chain.request("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
        await world.chain.mine()
        await world.wait_answers(key)


async def mine_dear_blocks(world: World, node: RunningNode, until: SubscriptionKey) -> None:
    """Blocks at 20 gwei, each seen by the node before the next, until one holds the answer."""

    async def is_seen() -> bool:
        return node.pipeline.status().head == (await world.rpc.fetch_head()).number

    async def is_answered() -> bool:
        await world.chain.request("anvil_setNextBlockBaseFeePerGas", hex(20 * GWEI))
        await world.chain.mine()
        await wait_until(is_seen)
        return bool(await world.fetch_answers(until))

    await wait_until(is_answered)


async def test_a_stuck_transaction_is_replaced_by_one_that_pays_more(world: World) -> None:
    async with world.run_node(reverse()) as node:
        key = await world.ask(features=b"stuck")
        await world.wait_answers(key)
        await world.chain.set_automine(False)
        stuck_key = asyncio.create_task(world.ask(b"stuck too"))
        await world.wait_pool(1)
        await world.chain.mine()
        stuck = await stuck_key
        await wait_until(lambda: node.get_state(stuck) == "sent")
        before = node.find_job(stuck)
        await mine_dear_blocks(world, node, stuck)  # the base fee is above what the transaction may pay
        await wait_until(lambda: node.get_state(stuck) == "delivered")
        after = node.find_job(stuck)
    assert before is not None
    assert after is not None
    assert before.tx_hash != after.tx_hash
    assert await world.fetch_statuses(node.address) == [True, True]


async def test_a_transaction_that_may_not_pay_enough_makes_way_for_others(world: World) -> None:
    async with world.run_node(reverse()) as node:
        await world.chain.set_automine(False)
        asking = asyncio.gather(world.ask(b"cheap", max_gas_price=3 * GWEI), world.ask(b"dear"))
        await world.wait_pool(2)
        await world.chain.mine()
        cheap, dear = await asking
        await wait_until(lambda: node.get_state(cheap) == "sent" and node.get_state(dear) == "sent")
        await mine_dear_blocks(world, node, dear)
        assert await world.fetch_answers(cheap) == []
        await world.chain.request("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
        await world.chain.mine()
        await world.chain.set_automine(True)
        await world.chain.mine()
        await world.wait_answers(cheap)
    assert all(await world.fetch_statuses(node.address))


async def test_an_underfunded_account_delivers_once_it_is_funded(world: World) -> None:
    address = DEV_ACCOUNTS[2].address
    await world.chain.set_balance(address, Wei(1))
    async with world.run_node(reverse()) as node:
        key = await world.ask()
        await wait_until(lambda: (job := node.find_job(key)) is not None and job.code == "tx.insufficient_funds")
        await world.chain.mine(5)
        await asyncio.sleep(0.2)
        assert node.get_state(key) == "computed"
        await world.chain.set_balance(address, Wei(10**18))
        await world.chain.mine()
        await world.wait_answers(key)
    assert await world.fetch_statuses(node.address) == [True]


@pytest.mark.parametrize("trouble", ["refuse", "hang", "garbage", "error"])
async def test_an_endpoint_that_fails_for_a_while_costs_no_delivery(world: World, trouble: Trouble) -> None:
    async with FaultyProxy(world.chain.rpc_url).serve() as proxy, world.run_node(reverse(), rpc_url=proxy.url) as node:
        await world.wait_answers(await world.ask(b"before"))
        proxy.set_trouble(trouble)
        during = await world.ask(b"during")
        await asyncio.sleep(0.3)
        assert await world.fetch_answers(during) == []
        proxy.set_trouble("none")
        await world.wait_answers(during)
        await world.wait_answers(await world.ask(b"after"))
    assert await world.fetch_statuses(node.address) == [True, True, True]


async def test_an_endpoint_that_fails_while_a_delivery_is_sent_costs_no_delivery(world: World) -> None:
    async with FaultyProxy(world.chain.rpc_url).serve() as proxy:

        def cut(features: bytes) -> bytes:
            proxy.set_trouble("refuse")
            return features

        async with world.run_node(FunctionContainer("reverse", cut), rpc_url=proxy.url) as node:
            key = await world.ask()
            await wait_until(lambda: node.get_state(key) == "computed")
            await asyncio.sleep(0.2)
            proxy.set_trouble("none")
            await world.wait_answers(key)
    assert await world.fetch_statuses(node.address) == [True]


async def test_two_nodes_that_race_give_one_answer(world: World) -> None:
    async with world.mining(), world.run_node(reverse()) as one, world.run_node(reverse(), number=1) as two:
        keys = [await world.ask(bytes([number])) for number in range(5)]
        await wait_until(lambda: len(one.ended) == len(two.ended) == 5)
        for key in keys:
            assert len(await world.fetch_answers(key)) == 1
    assert {job.state for job in one.ended + two.ended} <= {"delivered", "dropped"}


async def test_nodes_that_take_turns_do_not_race(world: World) -> None:
    """Chain time goes on by a second when both have done what the last one asked of them."""
    await world.chain.request("anvil_setBlockTimestampInterval", 1)
    async with (
        world.run_node(reverse(), turn_window_s=60) as one,
        world.run_node(reverse(), number=1, turn_window_s=60) as two,
    ):

        async def is_settled() -> bool:
            head = (await world.rpc.fetch_head()).number
            statuses = [node.pipeline.status() for node in (one, two)]
            return all(status.head == head and set(status.jobs) <= {"delivered", "dropped"} for status in statuses)

        async def are_answered() -> bool:
            await world.chain.mine()
            await wait_until(is_settled)
            return all([await world.fetch_answers(key) for key in keys])

        keys = []
        for number in range(5):
            keys.append(await world.ask(bytes([number])))
            await wait_until(is_settled)
        await wait_until(are_answered)
        assert [len(await world.fetch_answers(key)) for key in keys] == [1] * 5
    assert await world.fetch_failures() == []
    assert await world.fetch_statuses(one.address) + await world.fetch_statuses(two.address) == [True] * 5


async def test_an_answer_that_comes_too_late_for_its_interval_is_not_sent(world: World) -> None:
    gate = asyncio.Event()

    async def wait(features: bytes) -> bytes:
        await gate.wait()
        return features

    key = await world.subscribe(period=100, frequency=1)
    head = await world.rpc.fetch_head()
    await world.chain.set_next_timestamp(head.timestamp + 100)
    await world.chain.mine()
    async with world.run_node(FunctionContainer("reverse", wait)) as node:
        await wait_until(lambda: node.get_state(key) == "accepted")
        await world.chain.set_next_timestamp(head.timestamp + 199)  # the next block is of interval 2
        await world.chain.mine()
        await wait_until(lambda: node.get_state(key) == "dropped")
        gate.set()
    assert node.ended[0].code == "interval.over"
    assert await world.fetch_statuses(node.address) == []


async def test_a_transaction_that_the_pool_lost_is_sent_again(world: World) -> None:
    async with world.run_node(reverse()) as node:
        await world.wait_answers(await world.ask(b"before"))
        await world.chain.set_automine(False)
        asking = asyncio.create_task(world.ask(b"lost"))
        await world.wait_pool(1)
        await world.chain.mine()
        key = await asking
        await wait_until(lambda: node.get_state(key) == "sent")
        sent = node.find_job(key)
        await world.chain.request("anvil_dropAllTransactions")
        async with world.mining(0.1):
            (answer,) = await world.wait_answers(key)
    assert sent is not None
    (receipt,) = await world.rpc.fetch_receipts([answer.tx_hash])
    assert receipt is not None
    assert await world.fetch_statuses(node.address) == [True, True]
    transaction = await world.chain.request("eth_getTransactionByHash", "0x" + answer.tx_hash.hex())
    assert int(transaction["nonce"], 16) == 1
