"""What signed requests a node takes in, and how many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from infernet.errors import InvalidInput, JobRejected, RetryLater
from infernet.node.book import Book
from infernet.node.intake import Intake
from infernet.protocol.decision import Policy
from infernet.protocol.hashing import compute_container_id, keccak, to_address
from infernet.protocol.subscription import DelegateRequest, Subscription
from infernet.store.journal import Journal
from infernet.testing.fake_chain import FakeChain
from infernet.types import Address, ChainId, Gas, SubscriptionKey, Timestamp, Wei

CHAIN = ChainId(31337)
COORDINATOR, OWNER, NODE, OTHER = (to_address("0x" + digit * 40) for digit in "1234")
DAY_S = 86_400


class Door:
    """The intake of a node that serves `a`."""

    def __init__(self, journal: Journal) -> None:
        self.chain = FakeChain()
        self.book = Book(journal, CHAIN, COORDINATOR, NODE)
        policy = Policy(node=NODE, containers=frozenset({"a"}))
        self.intake = Intake(self.chain, journal, self.book, COORDINATOR, policy)

    async def post(self, request: DelegateRequest) -> SubscriptionKey:
        return await self.intake.accept(request, self.chain.head, 1)

    def build(self, nonce: int, owner: Address = OWNER, starts_in_s: int = 0) -> DelegateRequest:
        now = self.chain.head.timestamp
        terms = Subscription(
            owner=owner, container_id=compute_container_id("a"), features_hash=keccak(b"f"), max_gas_price=Wei(10**12),
            max_gas_limit=Gas(200_000), active_at=Timestamp(now + starts_in_s),
        )  # fmt: skip
        return DelegateRequest(nonce, Timestamp(now + 90 * DAY_S), terms, "a", b"f", b"s" * 65)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with Journal(tmp_path / "journal.sqlite") as journal:
        yield Door(journal)


async def test_an_owner_may_have_sixty_four_requests_wait(door: Door) -> None:
    for nonce in range(64):
        await door.post(door.build(nonce))
    with pytest.raises(RetryLater) as caught:
        await door.post(door.build(64))
    assert caught.value.code == "requests.too_many"
    await door.post(door.build(3))  # is known
    await door.post(door.build(64, owner=OTHER))
    assert len(door.book) == 65


async def test_all_owners_together_fill_a_node(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infernet.node.intake.MAX_REQUESTS", 2)
    await door.post(door.build(1))
    await door.post(door.build(1, owner=OTHER))
    with pytest.raises(RetryLater) as caught:
        await door.post(door.build(1, owner=NODE))
    assert caught.value.code == "requests.too_many"


async def test_a_request_that_begins_in_more_than_thirty_days_is_refused(door: Door) -> None:
    await door.post(door.build(1, starts_in_s=30 * DAY_S))
    with pytest.raises(InvalidInput) as caught:
        await door.post(door.build(2, starts_in_s=30 * DAY_S + 1))
    assert caught.value.code == "request.too_early"
    assert len(door.book) == 1


async def test_what_the_coordinator_would_not_create_is_refused_and_not_kept(door: Door) -> None:
    def refuse(_: object) -> bytes:
        raise JobRejected("revert.InvalidSignature", "no")

    door.chain.answer_call = refuse
    with pytest.raises(InvalidInput) as caught:
        await door.post(door.build(1))
    assert caught.value.code == "request.signature"
    assert len(door.book) == 0


async def test_what_the_policy_refuses_costs_no_look_at_the_chain(door: Door) -> None:
    request = door.build(1)
    dear = replace(request, subscription=replace(request.subscription, max_gas_limit=Gas(6_000_000)))
    with pytest.raises(InvalidInput) as caught:
        await door.post(dear)
    assert caught.value.code == "callback.too_dear"
    assert door.chain.calls == []
