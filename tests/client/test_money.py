"""Money through the client, on a chain: deposits, paid requests, who gets what, refunds."""

from __future__ import annotations

import pytest
from client_network import Network

from infernet.client import Balance, Terms
from infernet.errors import InvalidInput, JobRejected
from infernet.protocol.calldata import encode_deliver_model_output
from infernet.protocol.events import decode_event
from infernet.protocol.hashing import ZERO_ADDRESS, compute_container_id
from infernet.types import Interval

pytestmark = [pytest.mark.chain, pytest.mark.both_chains]
FEE = 10**15


async def test_a_deposit_is_there_and_can_be_taken_out(network: Network) -> None:
    await network.asker.deposit(3 * FEE)
    await network.node.deposit(FEE, account=network.asker.address)
    assert await network.asker.read_balance() == Balance(4 * FEE, 0)
    await network.asker.withdraw(FEE)
    assert await network.node.read_balance(network.asker.address) == Balance(3 * FEE, 0)
    with pytest.raises(JobRejected) as caught:
        await network.asker.withdraw(4 * FEE)
    assert caught.value.code == "revert.InsufficientBalance"


async def test_a_paid_answer_pays_node_and_creator_as_quoted(network: Network) -> None:
    creator, asker = network.node, network.asker
    await creator.claim_namespace("maker")
    await creator.publish_model(
        "maker/model:1", b"\x01" * 32, "ipfs://x", royalty_bps=1_000, royalty_to=network.chain.accounts[9].address
    )
    to, bps = await asker.read_royalty(compute_container_id("maker/model:1"))
    assert (to, bps) == (network.chain.accounts[9].address, 1_000)
    await asker.deposit(2 * FEE)
    key = await asker.request("maker/model:1", b"x", terms=Terms(fee=FEE))
    assert await asker.read_balance() == Balance(FEE, FEE)
    shares = await asker.quote(await asker.fetch_terms(key))
    assert (shares.node, shares.creator) == (FEE * 9 // 10, FEE // 10)
    await network.deliver(key, b"\x01" * 32)
    assert (await asker.wait_output(key)).output == b"\x01" * 32
    assert await asker.read_balance() == Balance(FEE, 0)
    assert await creator.read_balance() == Balance(shares.node, 0)
    assert await asker.read_balance(to) == Balance(shares.creator, 0)


async def test_what_was_not_answered_is_refunded_after_the_deadline(network: Network) -> None:
    await network.asker.deposit(FEE)
    head = await network.asker.chain.fetch_head()
    key = await network.asker.request("a", b"x", terms=Terms(fee=FEE, deadline=head.timestamp + 50))
    with pytest.raises(JobRejected) as caught:
        await network.node.expire(key)
    assert caught.value.code == "revert.NotExpired"
    await network.chain.increase_time(60)
    await network.chain.mine()
    await network.node.expire(key)
    assert await network.asker.read_balance() == Balance(FEE, 0)


async def test_another_pays_where_it_allows_it(network: Network) -> None:
    await network.node.deposit(FEE)
    terms = Terms(fee=FEE, payer=network.node.address)
    with pytest.raises(JobRejected) as caught:
        await network.asker.request("a", b"x", terms=terms)
    assert caught.value.code == "revert.InsufficientAllowance"
    await network.node.allow(network.asker.address, FEE)
    await network.asker.request("a", b"x", terms=terms)
    assert await network.node.read_balance() == Balance(0, FEE)


async def test_a_subscription_without_money_pauses_and_is_funded(network: Network) -> None:
    await network.asker.deposit(FEE)
    head = await network.asker.chain.fetch_head()
    key = await network.asker.subscribe("a", b"x", period=600, active_at=head.timestamp, terms=Terms(fee=FEE))
    receipt = await network.deliver(key, b"y")
    names = [type(decode_event(log)).__name__ for log in receipt.logs]
    assert {"SubscriptionPaused", "SubscriptionFulfilled"} <= set(names)
    await network.asker.deposit(FEE)
    await network.node.fund(key)
    assert await network.asker.read_balance() == Balance(0, FEE)


async def test_an_output_is_read_out_of_a_batch_in_which_another_item_failed(network: Network) -> None:
    key = await network.asker.request("a", b"x")
    terms = await network.asker.fetch_terms(key)
    late, right = (
        encode_deliver_model_output(key.id, Interval(interval), terms, output)
        for interval, output in ((2, b"late"), (1, b"right"))
    )
    await network.node.transact(
        network.coordinator, "EIP712Coordinator", "deliverModelOutputs", [late, right, right], gas=2_000_000
    )
    assert (await network.asker.wait_output(key)).output == b"right"


async def test_a_node_posts_a_bond_and_takes_it_back_in_its_time(network: Network) -> None:
    verifier = network.chain.accounts[8].address
    await network.node.list_node("https://node.example", ["a"])
    await network.node.post_bond(verifier, FEE)
    assert await network.asker.read_bond(verifier, network.node.address) == FEE
    await network.node.start_unbonding(verifier, FEE)
    with pytest.raises(JobRejected) as caught:
        await network.node.withdraw_bond(verifier)
    assert caught.value.code == "revert.StillUnbonding"
    await network.chain.increase_time(8 * 24 * 3600)
    await network.chain.mine()
    await network.node.withdraw_bond(verifier)


async def test_a_subscription_that_is_not_there_is_named(network: Network) -> None:
    key = await network.asker.request("a", b"x")
    with pytest.raises(InvalidInput) as caught:
        await network.node.fetch_terms(key._replace(owner=ZERO_ADDRESS))
    assert caught.value.code == "subscription.unknown"
