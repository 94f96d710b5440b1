"""Transactions that take long, before a clock that only they move."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from evm import ALICE, BOB, CAROL, GWEI, sign

from infernet.vm import draft
from infernet.vm.chain import PRODUCTION_BUDGET_S, Chain
from infernet.vm.engine import Executed, TransactionTooSlow
from infernet.vm.genesis import Genesis, build_dev_accounts
from infernet.vm.osaka.engine import OsakaBlock
from infernet.vm.transaction import Transaction

EIGHTH_S = PRODUCTION_BUDGET_S / 8


class Clock:
    """Each execution takes as long as it is said to, up to its limit."""

    def __init__(self) -> None:
        self.now = 0.0
        self.takes: dict[bytes, float] = {}
        self.limits: list[tuple[bytes, float]] = []

    def say(self, transaction: Transaction, seconds: float) -> bytes:
        self.takes[transaction.hash] = seconds
        return transaction.raw


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock, execute = Clock(), OsakaBlock.execute

    def pass_time(
        self: OsakaBlock, transaction: Transaction, *arguments: Any, limit_s: float, **options: Any
    ) -> Executed:
        takes = clock.takes.get(transaction.hash, 0.0)
        clock.limits.append((transaction.sender, limit_s))
        clock.now += min(takes, limit_s)
        if takes > limit_s:
            raise TransactionTooSlow
        return execute(self, transaction, *arguments, **options)

    monkeypatch.setattr(OsakaBlock, "execute", pass_time)
    monkeypatch.setattr(draft, "perf_counter", lambda: clock.now)
    return clock


@pytest.fixture
def chain() -> Iterator[Chain]:
    chain = Chain(Genesis(accounts=build_dev_accounts()))
    chain.dev.automine = False
    yield chain
    chain.close()


def mine(chain: Chain) -> list[bytes]:
    return [transaction.sender for transaction in chain.mine().transactions]


def test_what_takes_long_comes_after_all_others_of_its_block(chain: Chain, clock: Clock) -> None:
    chain.submit(clock.say(sign(chain, BOB, tip=9 * GWEI), 1.5))
    chain.submit(sign(chain, BOB, sender=BOB).raw)
    assert mine(chain) == [BOB, ALICE]
    assert clock.limits == [(ALICE, EIGHTH_S), (BOB, EIGHTH_S), (ALICE, PRODUCTION_BUDGET_S - EIGHTH_S)]


def test_what_is_refused_for_its_time_costs_others_an_eighth_of_a_block(chain: Chain, clock: Clock) -> None:
    endless = chain.submit(clock.say(sign(chain, BOB, tip=9 * GWEI), 1e9))
    chain.submit(clock.say(sign(chain, BOB, sender=BOB), EIGHTH_S))
    assert mine(chain) == [BOB]
    assert chain.pool.get(endless) is None
    assert clock.now == PRODUCTION_BUDGET_S


def test_its_sender_goes_last_from_then_on_and_may_take_all_that_is_left(chain: Chain, clock: Clock) -> None:
    chain.submit(clock.say(sign(chain, BOB, tip=9 * GWEI), 1e9))
    assert mine(chain) == []
    clock.limits.clear()
    chain.submit(clock.say(sign(chain, BOB, tip=9 * GWEI), 1.9))
    chain.submit(sign(chain, BOB, sender=BOB).raw)
    assert mine(chain) == [BOB, ALICE]
    assert clock.limits == [(BOB, EIGHTH_S), (ALICE, PRODUCTION_BUDGET_S)]


def test_what_never_had_its_time_is_not_refused(chain: Chain, clock: Clock) -> None:
    slow = chain.submit(clock.say(sign(chain, BOB, tip=9 * GWEI), 1.5))
    for nonce in range(6):
        chain.submit(clock.say(sign(chain, BOB, sender=BOB, nonce=nonce), 0.2))
    assert mine(chain) == [BOB] * 6
    assert chain.pool.get(slow) is not None
    assert mine(chain) == [ALICE]


def test_what_comes_at_the_end_of_the_time_is_not_called_slow(chain: Chain, clock: Clock) -> None:
    for nonce in range(8):
        chain.submit(clock.say(sign(chain, BOB, nonce=nonce, tip=2 * GWEI), 0.23))
    chain.submit(clock.say(sign(chain, BOB, sender=CAROL), 0.2))
    assert mine(chain) == [ALICE] * 8
    assert not chain.pool.is_slow(CAROL)
    assert mine(chain) == [CAROL]


def test_a_chain_without_intervals_mines_a_slow_one_at_once(chain: Chain, clock: Clock) -> None:
    chain.dev.automine = True
    tx_hash = chain.submit(clock.say(sign(chain, BOB), 1.7))
    assert chain.receipt(tx_hash) is not None


def test_the_pending_block_has_it_too_and_is_not_executed_anew(chain: Chain, clock: Clock) -> None:
    chain.submit(clock.say(sign(chain, BOB, tip=9 * GWEI), 1.5))
    chain.submit(sign(chain, BOB, sender=BOB).raw)
    assert [transaction.sender for transaction in chain.pending_block().transactions] == [BOB, ALICE]
    clock.limits.clear()
    chain.submit(sign(chain, BOB, sender=CAROL, tip=1).raw)
    assert [transaction.sender for transaction in chain.pending_block().transactions] == [BOB, CAROL, ALICE]
    assert [sender for sender, _ in clock.limits] == [BOB, CAROL, ALICE]
    clock.limits.clear()
    chain.submit(sign(chain, BOB, nonce=1).raw)
    assert len(chain.pending_block().transactions) == 4
    assert [sender for sender, _ in clock.limits] == [ALICE]
