"""Reorgs under a working node: exactly one answer on the chain that stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from infernet.chain.anvil import AnvilChain
from infernet.chain.child import ChildChain
from infernet.protocol.calldata import decode_delivery
from infernet.protocol.hashing import keccak
from infernet.testing.containers import FunctionContainer, reverse
from infernet.testing.world import RunningNode, World, wait_until
from infernet.types import SubscriptionKey, TxHash

pytestmark = [pytest.mark.chain, pytest.mark.both_chains]


@pytest.fixture(params=[10_000, 3], ids=["in one step", "three blocks at a time"], autouse=True)
def _range(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infernet.node.follower.MAX_RANGE_BLOCKS", request.param)


@pytest.fixture
async def local_chain(local_chain: ChildChain) -> AsyncIterator[ChildChain]:
    """An anvil of its own: one with many blocks behind it runs what a deep reorg puts back on a state without code."""
    if not isinstance(local_chain, AnvilChain):
        yield local_chain
        return
    async with AnvilChain() as chain:
        yield chain


async def reorg(world: World, depth: int, *raws: str) -> None:
    """Replace the newest blocks; the first new one holds the raw transactions."""
    await world.chain.request("anvil_reorg", depth, [[raw, 0] for raw in raws])
    found = await world.rpc.fetch_receipts([TxHash(keccak(bytes.fromhex(raw[2:]))) for raw in raws])
    assert all(receipt is not None and receipt.logs for receipt in found)


async def fetch_raw(world: World, tx_hash: bytes) -> str:
    raw: str = await world.chain.request("eth_getRawTransactionByHash", "0x" + tx_hash.hex())
    return raw


async def fetch_created(world: World, key: SubscriptionKey) -> Any:
    """The block and the raw transaction that created a subscription."""
    head = await world.rpc.fetch_head()
    logs = await world.rpc.fetch_logs([world.coordinator], 0, head.number)
    log = next(log for log in logs if len(log.topics) > 2 and int.from_bytes(log.topics[2]) == key.id)
    return log.block_number, await fetch_raw(world, log.tx_hash)


async def see_head(world: World, node: RunningNode) -> None:
    head = await world.rpc.fetch_head()
    await wait_until(lambda: head in node.pipeline._follower.recent_blocks)


async def wait_settled(world: World, node: RunningNode, key: SubscriptionKey) -> None:
    async def is_delivered() -> bool:
        for _ in range(20):
            if node.get_state(key) == "delivered" and await world.fetch_answers(key):
                return True
            await asyncio.sleep(0.05)
        await world.chain.mine()  # a pool may lose transactions in a reorg: they are sent again as blocks pass
        return False

    try:
        await wait_until(is_delivered)
    except TimeoutError:
        report, head = node.pipeline.report(key.owner, key.id), await world.rpc.fetch_head()
        raise AssertionError(f"no answer to {key}: {report}; followed {node.pipeline.status()}; head {head}") from None
    await world.chain.mine(2)
    await see_head(world, node)
    await asyncio.sleep(0.1)
    assert len(await world.fetch_answers(key)) == 1
    assert all(await world.fetch_statuses(node.address))


async def test_a_delivery_whose_block_is_orphaned_is_broadcast_again_as_it_was(world: World) -> None:
    async with world.run_node(reverse()) as node:
        key = await world.ask()
        (before,) = await world.wait_answers(key)
        await wait_until(lambda: node.get_state(key) == "delivered")
        await reorg(world, 1)
        await wait_settled(world, node, key)
        (after,) = await world.fetch_answers(key)
    assert after.tx_hash == before.tx_hash
    assert after.block_hash != before.block_hash


async def test_a_delivery_that_is_orphaned_under_many_blocks_is_broadcast_again(world: World) -> None:
    async with world.run_node(reverse()) as node:
        key = await world.ask()
        await world.wait_answers(key)
        await wait_until(lambda: node.get_state(key) == "delivered")
        await world.chain.mine(7)
        await see_head(world, node)
        await reorg(world, 8)
        await wait_settled(world, node, key)


async def test_a_request_that_moves_up_by_many_blocks_is_answered_once(world: World) -> None:
    async with world.run_node(reverse()) as node:
        key = await world.ask()
        await world.wait_answers(key)
        await wait_until(lambda: node.get_state(key) == "delivered")
        block, raw = await fetch_created(world, key)
        await world.chain.mine(9)
        await see_head(world, node)
        head = await world.rpc.fetch_head()
        depth = head.number - block + 1
        await world.chain.request("anvil_setNextBlockBaseFeePerGas", hex(7))
        await world.chain.request("anvil_reorg", depth, [[raw, depth - 2]])
        await wait_settled(world, node, key)


async def test_a_request_that_moves_to_another_block_is_answered_once(world: World) -> None:
    async with world.run_node(reverse()) as node:
        key = await world.ask()
        await world.wait_answers(key)
        await wait_until(lambda: node.get_state(key) == "delivered")
        block, raw = await fetch_created(world, key)
        await world.chain.mine(3)
        await see_head(world, node)
        head = await world.rpc.fetch_head()
        await reorg(world, head.number - block + 1, raw)
        await wait_settled(world, node, key)


async def test_a_request_that_is_orphaned_for_good_is_forgotten_and_costs_no_revert(world: World) -> None:
    async with world.run_node(reverse()) as node:
        key = await world.ask()
        await world.wait_answers(key)
        await wait_until(lambda: node.get_state(key) == "delivered")
        block, _ = await fetch_created(world, key)
        head = await world.rpc.fetch_head()
        await reorg(world, head.number - block + 1)
        await see_head(world, node)
        assert node.find_job(key) is None
        await world.chain.mine(2)
        await see_head(world, node)
        other = await world.ask(b"another")  # takes the same id
        await wait_settled(world, node, other)


async def test_an_id_that_comes_to_mean_other_terms_is_answered_for_those(world: World) -> None:
    release = asyncio.Event()

    async def hold_the_first(features: bytes) -> bytes:
        if features == b"first":
            await release.wait()
        return features[::-1]

    async with world.run_node(FunctionContainer("reverse", hold_the_first)) as node:
        key = await world.ask(b"first")
        await wait_until(lambda: node.get_state(key) == "accepted")
        await reorg(world, 1)
        again = await world.ask(b"second")
        assert again == key
        release.set()
        (answer,) = await world.wait_answers(key)
        await wait_settled(world, node, key)
    transaction = await world.chain.request("eth_getTransactionByHash", "0x" + answer.tx_hash.hex())
    delivery = decode_delivery(bytes.fromhex(transaction["input"][2:]))
    assert delivery is not None
    assert delivery.output == b"dnoces"


async def test_features_of_an_orphaned_block_are_read_anew(world: World) -> None:
    release = asyncio.Event()

    async def hold_the_first(features: bytes) -> bytes:
        if features == b"old":
            await release.wait()
        return features

    container = FunctionContainer("reverse", hold_the_first)
    key = await world.subscribe(period=1000, frequency=1)
    active_at = (await world.rpc.fetch_head()).timestamp + 1000
    async with world.run_node(container) as node:
        await world.chain.set_next_timestamp(active_at)
        await world.client.transact(world.consumer, "StoreConsumer", "setFeatures", b"old")
        await wait_until(lambda: container.seen == [b"old"])
        await reorg(world, 1)
        await world.chain.set_next_timestamp(active_at + 5)  # a reorg takes the clock back
        await world.client.transact(world.consumer, "StoreConsumer", "setFeatures", b"new")
        await wait_until(lambda: b"new" in container.seen)
        release.set()
        await world.wait_answers(key)
    assert container.seen[-1] != b"old"
    assert all(await world.fetch_statuses(node.address))


async def test_a_signed_request_outlives_the_block_that_created_it(world: World) -> None:
    async with world.run_node(reverse()) as node:
        await wait_until(lambda: node.pipeline.status().head is not None)
        key = await node.pipeline.accept_request(await world.client.sign_delegate(world.consumer, "reverse", b"abc"))
        await world.wait_answers(key)
        await wait_until(lambda: node.get_state(key) == "delivered")
        await reorg(world, 1)
        await wait_settled(world, node, key)


async def test_a_reorg_deeper_than_what_is_kept_has_the_chain_read_anew(world: World) -> None:
    async with world.run_node(reverse()) as node:
        old = await world.ask(b"old")
        await world.wait_answers(old)
        await wait_until(lambda: node.get_state(old) == "delivered")
        block, raw = await fetch_created(world, old)
        await world.chain.mine(80)
        await see_head(world, node)
        head = await world.rpc.fetch_head()
        await reorg(world, head.number - block + 1, raw)
        await wait_settled(world, node, old)
        await wait_settled(world, node, await world.ask(b"after"))


async def test_a_reorg_while_the_node_is_off_is_noticed(world: World) -> None:
    async with world.run_node(reverse()) as node:
        key = await world.ask()
        await world.wait_answers(key)
        await wait_until(lambda: node.get_state(key) == "delivered")
    await reorg(world, 1)
    async with world.run_node(reverse()) as node:
        await wait_settled(world, node, key)
