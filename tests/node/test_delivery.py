"""What a delivery is given to run on: enough gas for answers of every size."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infernet.node.delivery import compute_calldata_floor, compute_gas_limit
from infernet.protocol.subscription import Subscription
from infernet.testing.containers import FunctionContainer
from infernet.testing.world import World, wait_until
from infernet.types import Address, Gas, Hash32, Wei

TERMS = Subscription(
    owner=Address("0x" + "1" * 40), container_id=Hash32(bytes(32)), max_gas_price=Wei(1), max_gas_limit=Gas(200_000)
)
CALLBACK_GAS = 2_000_000


def test_the_gas_limit_holds_the_callbacks_share_back() -> None:
    assert compute_gas_limit(TERMS, b"") >= TERMS.max_gas_limit * 64 // 63


@given(st.binary(max_size=200))
def test_the_floor_counts_four_tokens_for_a_byte_that_is_not_zero_and_one_for_a_zero(data: bytes) -> None:
    tokens = sum(4 if byte else 1 for byte in data)
    assert compute_calldata_floor(data) == 21_000 + 10 * tokens


def test_the_gas_limit_is_never_below_the_floor_of_the_calldata() -> None:
    data = b"\xff" * 1_000_000
    assert compute_gas_limit(TERMS, data) == compute_calldata_floor(data)
    small = replace(TERMS, max_gas_limit=Gas(110_000))
    assert compute_gas_limit(small, b"\xff" * 1_000) > compute_calldata_floor(b"\xff" * 1_000)


@pytest.mark.chain
@pytest.mark.parametrize("size_kb", [1, 10, 50, 100])
async def test_an_answer_of_any_size_is_delivered(world: World, size_kb: int) -> None:
    container = FunctionContainer("reverse", lambda _: b"\xff" * (1_000 * size_kb))
    async with world.run_node(container) as node:
        key = await world.ask(callback_gas=CALLBACK_GAS)
        await world.wait_answers(key)
    assert await world.fetch_statuses(node.address) == [True]


@pytest.mark.chain
@pytest.mark.parametrize("size_kb", [1, 10, 50, 100])
@pytest.mark.parametrize("is_output_large", [False, True])
async def test_a_signed_request_with_features_of_any_size_is_created_and_answered(
    world: World, size_kb: int, is_output_large: bool
) -> None:
    features = b"\xff" * (1_000 * size_kb)
    container = FunctionContainer("reverse", lambda given: given if is_output_large else b"small")
    async with world.run_node(container) as node:
        await wait_until(lambda: node.pipeline.status().head is not None)
        request = await world.client.sign_delegate(
            world.consumer, "reverse", features, max_gas_limit=110_000 + CALLBACK_GAS
        )
        await world.wait_answers(await node.pipeline.accept_request(request))
    assert await world.fetch_statuses(node.address) == [True]
