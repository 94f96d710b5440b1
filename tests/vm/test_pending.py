"""What is pending is what the next block would be, and is executed once however often it is asked for."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from evm import ALICE, BOB, CAROL, COUNTER, GWEI, deploy, sign

from infernet.vm.chain import Chain
from infernet.vm.genesis import Genesis, build_dev_accounts
from infernet.vm.osaka.engine import OsakaBlock
from infernet.vm.request import TxRejected

SLOT = bytes(32)
NOW = 1_800_000_000


@pytest.fixture
def chain() -> Iterator[Chain]:
    chain = Chain(Genesis(accounts=build_dev_accounts(), gas_limit=5_000_000), clock=lambda: float(NOW))
    chain.dev.automine = False
    yield chain
    chain.close()


@pytest.fixture
def counter(chain: Chain) -> bytes:
    chain.dev.automine = True
    counter = deploy(chain, COUNTER)
    chain.dev.automine = False
    return counter


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The hash of each transaction that the engine executes."""
    seen: list[bytes] = []
    execute = OsakaBlock.execute

    def note(self: OsakaBlock, transaction, *args, **options):  # type: ignore[no-untyped-def]
        seen.append(transaction.hash)
        return execute(self, transaction, *args, **options)

    monkeypatch.setattr(OsakaBlock, "execute", note)
    return seen


def read_count(chain: Chain, counter: bytes) -> int:
    return chain.state("pending").storage(counter, SLOT)[-1]


def test_what_waits_is_executed_once_as_more_comes(chain: Chain, counter: bytes, executed: list[bytes]) -> None:
    for number in range(1, 6):
        chain.submit(sign(chain, counter, sender=(ALICE, BOB)[number % 2]).raw)
        assert [read_count(chain, counter) for _ in range(3)] == [number] * 3
    assert len(executed) == len(set(executed)) == 5
    assert len(chain.pending_block().transactions) == 5
    assert chain.mine().header.state_root == chain.state(chain.head.number).root


def test_what_pays_more_stands_first_though_it_came_last(chain: Chain, counter: bytes) -> None:
    cheap, dear = sign(chain, counter), sign(chain, counter, sender=BOB, tip=2 * GWEI)
    chain.submit(cheap.raw)
    assert read_count(chain, counter) == 1
    chain.submit(dear.raw)
    assert read_count(chain, counter) == 2
    assert [transaction.hash for transaction in chain.pending_block().transactions] == [dear.hash, cheap.hash]


def test_what_has_left_the_pool_is_not_pending(chain: Chain, counter: bytes) -> None:
    first, second = sign(chain, counter), sign(chain, counter, sender=BOB)
    chain.submit_many([first.raw, second.raw])
    assert read_count(chain, counter) == 2
    chain.pool.drop(second.hash)
    assert read_count(chain, counter) == 1
    chain.mine()
    assert read_count(chain, counter) == 1


def test_what_is_written_or_set_is_seen(chain: Chain, counter: bytes) -> None:
    chain.submit(sign(chain, counter).raw)
    assert read_count(chain, counter) == 1
    chain.dev.set_storage(counter, SLOT, (41).to_bytes(32, "big"))
    assert read_count(chain, counter) == 42
    chain.dev.increase_time(500)
    assert chain.pending_block().timestamp == NOW + 500


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_block_that_comes_of_it(chain: Chain, counter: bytes, seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(60):
        transaction = sign(
            chain,
            counter,
            sender=dice.choice([ALICE, BOB, CAROL]),
            gas=dice.choice([60_000, 60_000, 2_000_000]),  # some do not fit beside others
            tip=dice.choice([1, GWEI, GWEI, 2 * GWEI]),
            value=dice.choice([0, 0, 9_999 * 10**18]),  # not twice of one account
        )
        try:
            chain.submit(transaction.raw)
        except TxRejected:
            continue
        if dice.random() < 0.7:
            state, fresh = chain.state("pending"), chain.prepare_proposal()
            assert state.root == fresh.block.header.state_root
            assert chain.pending_block().hash == fresh.block.hash
        if dice.random() < 0.1:
            chain.mine()
