"""The follower tells each block's events once, in order, and every reorg; on a chain in memory and on a real one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from itertools import pairwise
from pathlib import Path

import pytest
from follower_drivers import COORDINATOR, Driver, FakeDriver, WorldDriver, build_log
from hypothesis import given, settings
from hypothesis import strategies as st
from local_chains import KINDS, borrow, need_program

from infernet.chain.anvil import AnvilChain
from infernet.chain.child import ChildChain
from infernet.errors import RetryLater
from infernet.node.follower import KEEP_BLOCKS, Follower, Update
from infernet.ports import Chain
from infernet.testing.fake_chain import FakeChain
from infernet.testing.world import build_world
from infernet.types import Address


@pytest.fixture(params=["memory", *(pytest.param(kind, marks=pytest.mark.chain) for kind in KINDS)])
def driver_chain(
    request: pytest.FixtureRequest, start_chain: Callable[[type[ChildChain]], ChildChain]
) -> AbstractAsyncContextManager[ChildChain] | None:
    """On an anvil of the test's own: one with many snapshots behind it loses state in a deep reorg."""
    if request.param == "memory":
        return None
    kind = KINDS[request.param]
    need_program(kind)
    return AnvilChain() if kind is AnvilChain else borrow(start_chain(kind))


@pytest.fixture
async def driver(driver_chain: AbstractAsyncContextManager[ChildChain] | None, tmp_path: Path) -> AsyncIterator[Driver]:
    if driver_chain is None:
        yield FakeDriver()
        return
    async with driver_chain as local_chain, build_world(local_chain, tmp_path) as world:
        yield WorldDriver(world)


class Reader:
    """A follower and the chain as its reader knows it."""

    def __init__(self, chain: Chain, coordinator: Address = COORDINATOR, start_block: int = 0) -> None:
        self.follower = Follower(chain, coordinator, [], start_block)
        self.events: list[tuple[int, bytes]] = []
        self.updates: list[Update] = []

    async def poll(self) -> list[Update]:
        """Take all steps, as the pipeline would."""
        updates = [update async for update in self.follower.poll()]
        for update in updates:
            if update.rolled_back_to is not None:
                self.events = [event for event in self.events if event[0] <= update.rolled_back_to]
            self.events += [(event.block_number, event.tx_hash) for event in update.events]
        self.updates += updates
        return updates

    async def poll_past_errors(self, tries: int = 10) -> None:
        for _ in range(tries):
            try:
                await self.poll()
            except RetryLater:
                continue
            return
        raise AssertionError("it never came through")


async def read_truth(driver: Driver) -> list[tuple[int, bytes]]:
    head = await driver.chain.fetch_head()
    logs = await driver.chain.fetch_logs([driver.coordinator], 0, head.number)
    return [(log.block_number, log.tx_hash) for log in logs]


def is_linked(follower: Follower) -> bool:
    blocks = follower.recent_blocks
    return all(after.parent_hash == before.hash for before, after in pairwise(blocks)) and len(blocks) <= KEEP_BLOCKS


# --- on both ----------------------------------------------------------------------------------------------------


async def test_events_are_told_once_and_in_order(driver: Driver) -> None:
    reader = Reader(driver.chain, driver.coordinator)
    for blocks in (0, 1, 3):
        await driver.emit()
        await driver.mine(blocks)
        await reader.poll()
        assert await reader.poll() == []
    assert reader.events == await read_truth(driver)
    assert len(reader.events) >= 3
    assert is_linked(reader.follower)


@pytest.mark.parametrize("depth", [1, 2, 63])
async def test_a_reorg_is_rolled_back_to_the_last_common_block(driver: Driver, depth: int) -> None:
    reader = Reader(driver.chain, driver.coordinator)
    await driver.mine(70)
    await driver.emit()
    await reader.poll()
    head = await driver.chain.fetch_head()
    await driver.reorg(depth)
    await driver.emit()
    (update,) = await reader.poll()
    assert update.rolled_back_to == head.number - depth
    assert not update.is_reread
    assert reader.events == await read_truth(driver)
    assert is_linked(reader.follower)


async def test_a_deeper_reorg_has_the_chain_read_anew(driver: Driver) -> None:
    reader = Reader(driver.chain, driver.coordinator)
    await driver.emit()
    await driver.mine(70)
    await driver.emit()
    await reader.poll()
    await driver.reorg(KEEP_BLOCKS + 2)
    await driver.mine(1)
    updates = await reader.poll()
    assert updates[0].rolled_back_to == -1
    assert updates[0].is_reread
    assert reader.events == await read_truth(driver)
    assert is_linked(reader.follower)


async def test_following_goes_on_from_the_blocks_kept(driver: Driver) -> None:
    first = Reader(driver.chain, driver.coordinator)
    await driver.emit()
    await first.poll()
    await driver.reorg(1)
    second = Reader(driver.chain, driver.coordinator)
    second.follower = Follower(driver.chain, driver.coordinator, list(first.follower.recent_blocks))
    await driver.emit()
    (update,) = await second.poll()
    assert update.rolled_back_to is not None
    assert second.events == (await read_truth(driver))[-1:]


# --- what only a chain in memory does ----------------------------------------------------------------------------


async def test_the_first_block_read_is_the_one_asked_for() -> None:
    chain = FakeChain()
    chain.mine(5, [build_log(1)])
    chain.mine(5, [build_log(2)])
    reader = Reader(chain, start_block=7)
    await reader.poll()
    assert [number for number, _ in reader.events] == [10]


async def test_a_start_block_that_is_not_there_yet_is_waited_for() -> None:
    chain = FakeChain()
    chain.mine(3)
    reader = Reader(chain, start_block=50)
    await reader.poll()
    chain.mine(60, [build_log()])
    await reader.poll()
    assert [number for number, _ in reader.events] == [63]


async def test_a_range_that_is_too_large_is_halved_and_grows_again() -> None:
    chain = FakeChain()
    chain.mine(25_000, [build_log()])
    chain.max_range_blocks = 700
    reader = Reader(chain)
    await reader.poll()
    assert len(reader.events) == 1
    refused = chain.calls.count("fetch_logs")
    chain.max_range_blocks = 100_000
    chain.mine(20_000, [build_log(2)])
    await reader.poll()
    assert chain.calls.count("fetch_logs") - refused < 10
    assert len(reader.events) == 2


async def test_an_endpoint_that_refuses_even_one_block_is_told() -> None:
    chain = FakeChain()
    chain.max_range_blocks = 0
    with pytest.raises(RetryLater, match="at once"):
        await Reader(chain).poll()


async def test_a_lagging_endpoint_is_no_reorg() -> None:
    chain = FakeChain()
    chain.mine(100, [build_log()])
    reader = Reader(chain)
    await reader.poll()
    for lag in (1, 30, 63):
        chain.lag_blocks = lag
        assert await reader.poll() == []
    chain.lag_blocks = 80  # further than anything that was kept
    with pytest.raises(RetryLater) as caught:
        await reader.poll()
    assert caught.value.code == "chain.behind"
    chain.lag_blocks = 0
    chain.mine(1, [build_log(2)])
    (update,) = await reader.poll()
    assert update.rolled_back_to is None
    assert len(reader.events) == 2


async def test_answers_of_two_chains_are_refused() -> None:
    chain = FakeChain()
    chain.mine(10)
    reader = Reader(chain)
    await reader.poll()
    other = chain.fork()
    other.mine(3, [build_log(9)])
    chain.mine(3, [build_log(1)])
    ours = chain.blocks

    def alternate(method: str) -> None:
        chain.blocks = other.blocks if method == "fetch_logs" else ours

    chain.before_request = alternate
    with pytest.raises(RetryLater) as caught:
        await reader.poll()
    assert caught.value.code == "chain.moved"
    chain.before_request = lambda _: None
    chain.blocks = ours
    await reader.poll()
    assert [tx_hash[-1] for _, tx_hash in reader.events] == [1]


async def test_the_block_after_a_fork_must_link_to_the_last_valid_one() -> None:
    chain = FakeChain()
    chain.mine(10)
    reader = Reader(chain)
    await reader.poll()
    chain.reorg(1)
    other = chain.fork()
    other.reorg(5, 5)
    ours, heads = chain.blocks, iter([True])

    def alternate(method: str) -> None:  # the head and its parents are of one chain, the fork is sought in the other
        chain.blocks = ours if method == "fetch_head" or not next(heads, False) else other.blocks

    chain.before_request = alternate
    for _ in range(3):
        await reader.poll_past_errors()
    assert is_linked(reader.follower)


async def test_a_head_that_moves_while_it_is_read_loses_nothing() -> None:
    chain = FakeChain()
    chain.mine(5, [build_log(1)])
    reader = Reader(chain)
    moves = iter(range(2, 8))

    def move(method: str) -> None:
        if method == "fetch_logs" and (number := next(moves, None)) is not None:
            chain.mine(1, [build_log(number)])

    chain.before_request = move
    for _ in range(10):
        await reader.poll()
    assert [tx_hash[-1] for _, tx_hash in reader.events] == list(range(1, 8))


async def test_a_failed_read_is_taken_up_where_it_stood() -> None:
    chain = FakeChain()
    chain.mine(3, [build_log(1)])
    reader = Reader(chain)
    failure = RetryLater("chain.unreachable", "gone")
    for successes in range(6):
        chain.mine(2, [build_log(successes + 2)])
        chain.failures = [None] * successes + [failure]
        await reader.poll_past_errors()
    chain.failures = []
    await reader.poll()
    assert [tx_hash[-1] for _, tx_hash in reader.events] == list(range(1, 8))


async def test_blocks_that_are_kept_after_catching_up_are_near_the_tip() -> None:
    chain = FakeChain()
    chain.mine(20_005)
    reader = Reader(chain)
    await reader.poll()
    assert reader.follower.recent_blocks[0].number > 20_005 - KEEP_BLOCKS
    assert [update.at_head for update in reader.updates] == [False, False, True]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("mine"), st.integers(1, 12)),
        st.tuples(st.just("emit"), st.just(1)),
        st.tuples(st.just("reorg"), st.integers(1, 70)),
        st.tuples(st.just("lag"), st.integers(0, 5)),
        st.tuples(st.just("fail"), st.integers(0, 6)),
        st.tuples(st.just("poll"), st.just(1)),
    ),
    max_size=25,
)


@given(steps)
@settings(max_examples=60, deadline=None)
async def test_whatever_the_chain_does_the_reader_ends_with_its_events(steps: list[tuple[str, int]]) -> None:
    driver = FakeDriver()
    chain, reader = driver.chain, Reader(driver.chain)
    for kind, number in steps:
        match kind:
            case "mine":
                await driver.mine(number)
            case "emit":
                await driver.emit()
            case "reorg":
                await driver.reorg(min(number, len(chain.blocks) - 1) or 1) if len(chain.blocks) > 1 else None
            case "lag":
                chain.lag_blocks = min(number, len(chain.blocks) - 1)
            case "fail":
                chain.failures = [None] * number + [RetryLater("chain.unreachable", "gone")]
            case _:
                await reader.poll_past_errors(20)
        chain.lag_blocks = min(chain.lag_blocks, len(chain.blocks) - 1)
    chain.lag_blocks, chain.failures = 0, []
    await driver.emit()
    await reader.poll_past_errors()
    assert reader.events == await read_truth(driver)
    assert is_linked(reader.follower)
