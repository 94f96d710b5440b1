"""What waits for a block, and in which order it leaves."""

from __future__ import annotations

import pytest
from evm import ALICE, BOB, CAROL, GWEI, KEYS

from infernet.vm import pool as pool_module
from infernet.vm.pool import Pool
from infernet.vm.request import TxRejected
from infernet.vm.transaction import FEE_MARKET, Transaction, sign_transaction


def tx(sender: bytes, nonce: int, *, fee: int = 10 * GWEI, tip: int = GWEI) -> Transaction:
    return sign_transaction(
        FEE_MARKET,
        KEYS[sender],
        chain_id=1,
        nonce=nonce,
        gas=21_000,
        max_fee=fee,
        max_priority_fee=tip,
        to=BOB,
    )


@pytest.fixture
def nonces() -> dict[bytes, int]:
    return {ALICE: 0, BOB: 5, CAROL: 0}


@pytest.fixture
def pool(nonces: dict[bytes, int]) -> Pool:
    return Pool(lambda address: nonces[address])


def test_the_higher_tip_goes_first_and_the_earlier_of_two_equal_ones(pool: Pool) -> None:
    waiting = [tx(ALICE, 0), tx(ALICE, 1, tip=9 * GWEI), tx(BOB, 5), tx(CAROL, 0, tip=2 * GWEI)]
    for transaction in waiting:
        pool.add(transaction)
    assert list(pool.select(GWEI, ())) == [waiting[3], waiting[0], waiting[1], waiting[2]]


def test_who_cannot_pay_the_base_fee_waits_with_all_that_come_after(pool: Pool) -> None:
    for transaction in (tx(ALICE, 0, fee=2 * GWEI), tx(ALICE, 1), tx(BOB, 5)):
        pool.add(transaction)
    assert [transaction.sender for transaction in pool.select(3 * GWEI, ())] == [BOB]
    assert len(list(pool.select(2 * GWEI, ()))) == 3


def test_the_tip_is_what_is_left_above_the_base_fee(pool: Pool) -> None:
    pool.add(tx(ALICE, 0, fee=5 * GWEI, tip=5 * GWEI))
    pool.add(tx(BOB, 5, fee=9 * GWEI, tip=2 * GWEI))
    assert [transaction.sender for transaction in pool.select(GWEI, ())] == [ALICE, BOB]
    assert [transaction.sender for transaction in pool.select(4 * GWEI, ())] == [BOB, ALICE]


def test_a_skipped_sender_gives_no_more(pool: Pool) -> None:
    for nonce in range(3):
        pool.add(tx(ALICE, nonce))
    pool.add(tx(BOB, 5, tip=1))
    skipped: set[bytes] = set()
    taken = []
    for transaction in pool.select(GWEI, skipped):
        taken.append(transaction.sender)
        skipped.add(ALICE)
    assert taken == [ALICE, BOB]


def test_a_replacement_pays_a_tenth_more_of_both(pool: Pool) -> None:
    old = tx(ALICE, 0)
    pool.add(old)
    for fee, tip in ((11 * GWEI, GWEI), (10 * GWEI, 2 * GWEI), (10_900_000_000, 1_100_000_000)):
        with pytest.raises(TxRejected, match="replacement transaction underpriced"):
            pool.add(tx(ALICE, 0, fee=fee, tip=tip))
    new = tx(ALICE, 0, fee=11 * GWEI, tip=1_100_000_000)
    pool.add(new)
    assert (pool.get(old.hash), pool.get(new.hash), len(pool)) == (None, new, 1)
    with pytest.raises(TxRejected, match="already known"):
        pool.add(new)


def test_a_replacement_may_round_its_tenth_down(pool: Pool) -> None:
    """As MetaMask does when it speeds a transaction up."""
    pool.add(tx(ALICE, 0, fee=586_457_331, tip=586_457_331))
    with pytest.raises(TxRejected, match="underpriced"):
        pool.add(tx(ALICE, 0, fee=645_103_063, tip=645_103_064))
    pool.add(tx(ALICE, 0, fee=645_103_064, tip=645_103_064))
    pool.add(tx(BOB, 0, fee=5, tip=0))
    with pytest.raises(TxRejected, match="underpriced"):
        pool.add(tx(BOB, 0, fee=5, tip=1))


def test_what_is_behind_a_gap_is_queued(pool: Pool) -> None:
    for nonce in (0, 1, 3):
        pool.add(tx(ALICE, nonce))
    assert [transaction.nonce for transaction in pool.pending[ALICE]] == [0, 1]
    assert [transaction.nonce for transaction in pool.queued[ALICE]] == [3]
    assert (pool.next_nonce(ALICE), pool.next_nonce(BOB)) == (2, 5)
    assert pool.drop(tx(ALICE, 0).hash)
    assert ALICE not in pool.pending
    assert not pool.drop(tx(ALICE, 0).hash)


def test_what_a_block_has_passed_is_forgotten(pool: Pool, nonces: dict[bytes, int]) -> None:
    for nonce in range(4):
        pool.add(tx(ALICE, nonce))
    nonces[ALICE] = 3
    pool.forget_used({ALICE})
    assert [transaction.nonce for transaction in pool.pending[ALICE]] == [3]
    assert len(pool) == 1


def test_there_is_an_end_to_it(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "MAX_PER_SENDER", 2)
    monkeypatch.setattr(pool_module, "MAX_TRANSACTIONS", 3)
    for transaction in (tx(ALICE, 0), tx(ALICE, 1), tx(BOB, 5)):
        pool.add(transaction)
    with pytest.raises(TxRejected, match="account limit exceeded"):
        pool.add(tx(ALICE, 2))
    with pytest.raises(TxRejected, match="txpool is full"):
        pool.add(tx(BOB, 6))
    with pytest.raises(TxRejected, match="nonce too high"):
        pool.add(tx(CAROL, 1_000))


# --- A full pool


@pytest.fixture
def small_pool(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> Pool:
    monkeypatch.setattr(pool_module, "MAX_TRANSACTIONS", 3)
    return pool


def test_a_full_pool_gives_up_what_pays_least(small_pool: Pool) -> None:
    cheap, waiting = tx(CAROL, 0, fee=3 * GWEI), [tx(ALICE, 0), tx(BOB, 5, fee=5 * GWEI)]
    for transaction in (*waiting, cheap):
        small_pool.add(transaction)
    with pytest.raises(TxRejected, match="transaction underpriced"):
        small_pool.add(tx(ALICE, 1, fee=3 * GWEI))
    better = tx(ALICE, 1, fee=4 * GWEI)
    small_pool.add(better)
    assert {*small_pool.waiting} == {*waiting, better}


def test_of_one_sender_the_last_is_given_up(small_pool: Pool) -> None:
    waiting = [tx(ALICE, nonce, fee=2 * GWEI) for nonce in range(3)]
    for transaction in waiting:
        small_pool.add(transaction)
    better = tx(BOB, 5)
    small_pool.add(better)
    assert {*small_pool.waiting} == {*waiting[:2], better}


def test_what_waits_for_a_nonce_is_given_up_first_and_takes_nobodys_place(small_pool: Pool) -> None:
    gapped, waiting = tx(CAROL, 9, fee=100 * GWEI), [tx(ALICE, 0), tx(BOB, 5)]
    for transaction in (*waiting, gapped):
        small_pool.add(transaction)
    first = tx(ALICE, 1, fee=GWEI)
    small_pool.add(first)
    assert {*small_pool.waiting} == {*waiting, first}
    with pytest.raises(TxRejected, match="txpool is full"):
        small_pool.add(gapped)


def test_what_is_no_longer_behind_a_gap_is_worth_its_fee(small_pool: Pool, nonces: dict[bytes, int]) -> None:
    behind, cheap = tx(CAROL, 1, fee=50 * GWEI), tx(ALICE, 0, fee=2 * GWEI)
    for transaction in (behind, cheap, tx(BOB, 5)):
        small_pool.add(transaction)
    with pytest.raises(TxRejected, match="txpool is full"):
        small_pool.add(tx(ALICE, 9))
    nonces[CAROL] = 1
    small_pool.add(tx(ALICE, 1, fee=3 * GWEI))
    assert [small_pool.get(transaction.hash) for transaction in (behind, cheap)] == [behind, None]


def test_an_old_one_is_forgotten(nonces: dict[bytes, int]) -> None:
    now, left = [0.0], []
    pool = Pool(
        nonces.__getitem__, lambda tx_hash, is_mined=False: left.append((tx_hash, is_mined)), clock=lambda: now[0]
    )
    old, young = tx(ALICE, 0), tx(BOB, 5)
    pool.add(old)
    now[0] = 60.0
    pool.add(young)
    now[0] = pool_module.LIFETIME_S
    pool.forget_old()
    assert len(pool) == 2
    now[0] += 1
    pool.forget_old()
    assert (pool.waiting, left) == ((young,), [(old.hash, False)])


def test_what_waits_of_a_sender_is_added_up(pool: Pool) -> None:
    for nonce in range(3):
        pool.add(tx(ALICE, nonce))
    assert pool.compute_cost(ALICE, 3) == 3 * 21_000 * 10 * GWEI
    assert pool.compute_cost(ALICE, 1) == 2 * 21_000 * 10 * GWEI
    assert pool.compute_cost(BOB, 0) == 0


def test_a_slow_sender_goes_last_for_some_minutes(nonces: dict[bytes, int]) -> None:
    now = [0.0]
    pool = Pool(nonces.__getitem__, clock=lambda: now[0])
    for transaction in (tx(ALICE, 0, tip=9 * GWEI), tx(ALICE, 1), tx(BOB, 5)):
        pool.add(transaction)
    chosen = []
    for transaction in pool.select(GWEI, ()):
        chosen.append((transaction.sender, transaction.nonce))
        if len(chosen) == 1:
            pool.note_slow(ALICE)
    assert chosen == [(ALICE, 0), (BOB, 5), (ALICE, 0), (ALICE, 1)]
    assert [transaction.sender for transaction in pool.select(GWEI, ())] == [BOB, ALICE, ALICE]
    now[0] = pool_module.SLOW_S
    assert [transaction.sender for transaction in pool.select(GWEI, ())] == [ALICE, ALICE, BOB]
