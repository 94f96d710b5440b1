"""The arithmetic here and in the Coordinator's views is the same, on a chain."""

from __future__ import annotations

import random

import pytest

from infernet.app.deployment import CORE, deploy_suite, plan_suite
from infernet.chain.child import ChildChain
from infernet.chain.local import DEV_ACCOUNTS
from infernet.chain.rpc import RpcChain
from infernet.keys.signer import LocalSigner
from infernet.protocol.decision import compute_turn_delay
from infernet.protocol.fees import compute_shares
from infernet.protocol.hashing import ZERO_HASH, to_address
from infernet.protocol.money_calldata import QUOTE_ANSWER, TURN_DELAY, encode_turn_delay
from infernet.protocol.subscription import Subscription
from infernet.types import Call, ChainId, Gas, Interval, SubscriptionId, SubscriptionKey, Wei

pytestmark = [pytest.mark.chain, pytest.mark.both_chains]
SIGNER = LocalSigner(DEV_ACCOUNTS[0].private_key)
CASES = 100


async def test_a_nodes_turn_is_the_contracts(local_chain: ChildChain) -> None:
    dice = random.Random(7)
    async with RpcChain(local_chain.rpc_url) as rpc:
        coordinator = (await deploy_suite(rpc, SIGNER, only=CORE)).coordinator
        calls, expected = [], []
        for _ in range(CASES):
            owner, node = (to_address(dice.randbytes(20)) for _ in range(2))
            number, interval = SubscriptionId(dice.getrandbits(32)), Interval(dice.getrandbits(32))
            window_s = dice.choice([0, 1, 60, 86_400, 2**32 - 1])
            key = SubscriptionKey(ChainId(31337), coordinator, owner, number)
            calls.append(Call(coordinator, encode_turn_delay(owner, number, interval, node, window_s)))
            expected.append(compute_turn_delay(key, interval, node, window_s))
        answers = await rpc.call_many(calls)
    assert [TURN_DELAY.decode_returned(answer) for answer in answers if isinstance(answer, bytes)] == expected


async def test_a_fees_split_is_the_contracts(local_chain: ChildChain) -> None:
    dice = random.Random(8)
    async with RpcChain(local_chain.rpc_url) as rpc:
        parts = plan_suite(protocol_share_bps=333, protocol_to=SIGNER.address)
        coordinator = (await deploy_suite(rpc, SIGNER, parts, only=CORE)).coordinator
        calls, expected = [], []
        for _ in range(CASES):
            fee = dice.choice([dice.getrandbits(128), dice.getrandbits(14), 10**15])
            terms = Subscription(
                owner=SIGNER.address, container_id=ZERO_HASH, max_gas_price=Wei(1), max_gas_limit=Gas(1), fee=fee,
                royalty_bps=dice.randrange(5_001), verifier_fee=min(fee // 3, 2**96 - 1),
            )  # fmt: skip
            calls.append(Call(coordinator, QUOTE_ANSWER.encode(terms.as_tuple())))
            shares = compute_shares(terms, 333)
            expected.append((shares.node, shares.creator, shares.verifier, shares.protocol))
        answers = await rpc.call_many(calls)
    assert [QUOTE_ANSWER.decode_all(answer) for answer in answers if isinstance(answer, bytes)] == expected
