"""The runner: features in, output out, and nothing that failed is ever an output."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infernet.errors import InfernetError, JobRejected, NodeMisconfigured, RetryLater
from infernet.node.runner import MAX_BACKOFF_S, Runner
from infernet.protocol.abi_codec import encode_abi
from infernet.protocol.decision import Tracked
from infernet.protocol.hashing import keccak, to_address
from infernet.protocol.subscription import Mode, Subscription
from infernet.store.journal import Job
from infernet.testing.containers import FunctionContainer
from infernet.testing.fake_chain import GENESIS_TIME, FakeChain
from infernet.types import ChainId, Gas, Interval, JobKey, SubscriptionId, SubscriptionKey, Timestamp, Wei

OWNER, NODE = (to_address("0x" + digit * 40) for digit in "12")
KEY = SubscriptionKey(ChainId(1), NODE, OWNER, SubscriptionId(1))


class PatientClock:
    """Every pause is over at once, and remembered."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def now_s(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


class Workshop:
    def __init__(self, *containers: FunctionContainer) -> None:
        self.chain, self.clock = FakeChain(), PatientClock()
        served = {container.id: container for container in containers}
        self.runner = Runner(self.chain, served, NODE, self.clock)

    async def run(self, tracked: Tracked, starts_at: int = GENESIS_TIME, recent: int = 20) -> Job:
        job = Job(JobKey(KEY, Interval(1)), "accepted", Timestamp(starts_at), None)
        return await self.runner.run(job, tracked, lambda: tuple(b.ref for b in self.chain.blocks[-recent:]))


def build(container: str = "a", features: bytes = b"f", is_pull: bool = False) -> Tracked:
    terms = Subscription(
        owner=OWNER, container_id=keccak(container.encode()), max_gas_price=Wei(1), max_gas_limit=Gas(200_000),
        features_hash=bytes(32) if is_pull else keccak(features), mode=Mode.PULL if is_pull else Mode(0),
    )  # type: ignore[arg-type]  # fmt: skip
    return Tracked(KEY, terms, container, b"" if is_pull else features, created_block=0)


def echo(container_id: str = "a") -> FunctionContainer:
    return FunctionContainer(container_id, lambda features: features + container_id.encode())


async def test_the_output_is_that_of_the_container() -> None:
    done = await Workshop(echo()).run(build())
    assert (done.state, done.output, done.code) == ("computed", b"fa", "")


async def test_empty_features_are_features() -> None:
    assert (await Workshop(echo()).run(build(features=b""))).output == b"a"


async def test_a_chain_is_run_in_its_order() -> None:
    assert (await Workshop(echo("a"), echo("b")).run(build("b,a,b"))).output == b"fbab"


async def test_features_that_are_not_those_committed_to_are_refused() -> None:
    container = echo()
    done = await Workshop(container).run(replace(build(), features=b"other"))
    assert (done.state, done.code, done.output, container.seen) == ("failed", "features.hash", None, [])


async def test_a_container_that_is_not_served_any_more_fails_the_job() -> None:
    done = await Workshop(echo()).run(build("a,gone"))
    assert (done.state, done.code) == ("failed", "container.not_served")


@pytest.mark.parametrize("mined", [5, 200])
async def test_features_are_read_at_the_first_block_of_the_interval_recent_or_not(mined: int) -> None:
    workshop = Workshop(echo())
    workshop.chain.answer_call = lambda _: encode_abi(["bytes"], [b"pulled"])
    workshop.chain.mine(mined)
    for starts_at, number in ((GENESIS_TIME + 12 * 3, 3), (GENESIS_TIME + 12 * 3 + 1, 4), (GENESIS_TIME, 0), (0, 0)):
        done = await workshop.run(build(is_pull=True), starts_at)
        assert done.output == b"pulleda"
        assert workshop.chain.called_at[-1] == workshop.chain.blocks[number].ref.hash


async def test_an_interval_that_a_reorg_took_back_is_waited_for() -> None:
    workshop = Workshop(echo())
    workshop.chain.answer_call = lambda _: encode_abi(["bytes"], [b"pulled"])
    workshop.chain.mine(3)

    async def mine_while_resting(seconds: float) -> None:
        workshop.clock.pauses.append(seconds)
        workshop.chain.mine(1)

    workshop.clock.sleep = mine_while_resting  # type: ignore[method-assign]
    done = await workshop.run(build(is_pull=True), workshop.chain.head.timestamp + 1)
    assert done.state == "computed"
    assert len(workshop.clock.pauses) == 1


async def test_a_block_that_is_orphaned_while_it_is_read_is_looked_for_again() -> None:
    workshop = Workshop(echo())
    workshop.chain.answer_call = lambda _: encode_abi(["bytes"], [b"pulled"])
    workshop.chain.mine(5)
    reorgs = iter([True])
    workshop.chain.before_request = lambda method: (
        workshop.chain.reorg(3) and None if method == "call" and next(reorgs, False) else None
    )
    done = await workshop.run(build(is_pull=True), workshop.chain.head.timestamp)
    assert done.output == b"pulleda"
    assert workshop.chain.called_at == [workshop.chain.head.hash]


@pytest.mark.parametrize(
    "failure",
    [
        RetryLater("chain.unreachable", "gone"),
        RetryLater("chain.block_unknown", "pruned"),
        NodeMisconfigured("chain.method_unsupported", "no such method"),
    ],
)
async def test_an_endpoint_that_fails_while_features_are_read_never_has_the_job_run_on_empty_input(
    failure: InfernetError,
) -> None:
    container = echo()
    workshop = Workshop(container)
    workshop.chain.answer_call = lambda _: encode_abi(["bytes"], [b"pulled"])
    workshop.chain.mine(5)
    workshop.chain.failures = [failure] * 12
    done = await workshop.run(build(is_pull=True))
    assert (done.output, container.seen, done.attempts) == (b"pulleda", [b"pulled"], 0)
    assert workshop.clock.pauses[:4] == [0.5, 1.0, 2.0, 4.0]
    assert max(workshop.clock.pauses) == MAX_BACKOFF_S


@pytest.mark.parametrize("returned", [b"", b"\0" * 31, b"\xff" * 64])
async def test_a_consumer_that_shows_no_features_is_not_run_on_empty_input(returned: bytes) -> None:
    container = echo()
    workshop = Workshop(container)
    workshop.chain.answer_call = lambda _: returned
    done = await workshop.run(build(is_pull=True))
    assert (done.state, done.code, container.seen) == ("failed", "abi.malformed", [])


async def test_a_consumer_that_reverts_when_asked_for_features_fails_the_job() -> None:
    workshop = Workshop(echo())

    def revert(_: object) -> bytes:
        raise JobRejected("revert.NotYet", "the call reverted: NotYet()")

    workshop.chain.answer_call = revert
    done = await workshop.run(build(is_pull=True))
    assert (done.state, done.code, done.note) == ("failed", "revert.NotYet", "the call reverted: NotYet()")


async def test_a_container_that_fails_is_not_run_in_a_hot_loop() -> None:
    def crash(_: bytes) -> bytes:
        raise RetryLater("container.crashed", "the worker ended")

    container = FunctionContainer("a", crash)
    workshop = Workshop(container)
    done = await workshop.run(build())
    assert (done.state, done.code, done.output, done.attempts) == ("failed", "container.crashed", None, 5)
    assert len(container.seen) == 5
    assert workshop.clock.pauses == [0.5, 1.0, 2.0, 4.0]


async def test_a_container_that_recovers_answers() -> None:
    failures = iter([RetryLater("container.timeout", "too long")] * 2)

    def stumble(features: bytes) -> bytes:
        if (failure := next(failures, None)) is not None:
            raise failure
        return features

    done = await Workshop(FunctionContainer("a", stumble)).run(build())
    assert (done.state, done.output, done.code) == ("computed", b"f", "")
