"""Controls for development: time, mining, snapshots, other people's accounts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from evm import ALICE, BOB, COUNTER, GWEI, deploy, forward, send, sign

from infernet.errors import InvalidInput
from infernet.vm.chain import Chain, NewHead, Removed
from infernet.vm.genesis import Genesis, build_dev_accounts
from infernet.vm.request import CallRequest, TxRejected

GENESIS = Genesis(accounts=build_dev_accounts())
NOW = 1_800_000_000
STRANGER = b"\x77" * 20


class Clock:
    now = float(NOW)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def chain(clock: Clock) -> Iterator[Chain]:
    chain = Chain(GENESIS, clock=clock)
    yield chain
    chain.close()


def test_blocks_carry_the_clocks_time_and_never_the_same_twice(chain: Chain, clock: Clock) -> None:
    assert [block.timestamp for block in chain.dev.mine(3)] == [NOW, NOW + 1, NOW + 2]
    clock.now = NOW + 100.7
    assert chain.dev.mine()[0].timestamp == NOW + 100


def test_the_next_timestamp_can_be_chosen_and_time_goes_on_from_there(chain: Chain, clock: Clock) -> None:
    chain.dev.set_next_timestamp(NOW + 1_000)
    assert chain.dev.mine()[0].timestamp == NOW + 1_000
    clock.now += 5
    assert chain.dev.mine()[0].timestamp == NOW + 1_005
    assert chain.dev.increase_time(60) == 1_060
    assert chain.dev.mine()[0].timestamp == NOW + 1_065
    with pytest.raises(InvalidInput):
        chain.dev.set_next_timestamp(NOW)


def test_a_snapshot_is_what_is_returned_to(chain: Chain) -> None:
    counter = deploy(chain, COUNTER)
    first = chain.dev.snapshot()
    head, root = chain.head, chain.state(1).root
    gone = send(chain, counter)
    second = chain.dev.snapshot()
    send(chain, counter)
    chain.dev.increase_time(500)
    seen: list[object] = []
    chain.subscribe(seen.append)
    assert chain.dev.revert(first)
    assert (chain.head, chain.state(1).root) == (head, root)
    assert chain.state(1).storage(counter, bytes(32)) == bytes(32)
    assert (chain.receipt(gone.tx_hash), chain.block_by_number(2)) == (None, None)
    (event,) = seen
    assert isinstance(event, Removed)
    assert [entry.block.number for entry in event.blocks] == [3, 2]
    assert not chain.dev.revert(first)
    assert not chain.dev.revert(second)
    again = send(chain, counter)
    assert (again.block_number, chain.head.timestamp) == (2, head.timestamp + 1)


def test_a_snapshot_remembers_what_waited(chain: Chain) -> None:
    chain.dev.automine = False
    waiting = sign(chain, BOB)
    chain.submit(waiting.raw)
    snapshot = chain.dev.snapshot()
    chain.dev.mine()
    assert len(chain.pool) == 0
    chain.dev.revert(snapshot)
    assert chain.pool.get(waiting.hash) is not None
    assert chain.dev.mine()[0].transactions[0].hash == waiting.hash


def test_a_snapshot_undoes_writes_to_the_state(chain: Chain) -> None:
    snapshot, root = chain.dev.snapshot(), chain.state(0).root
    chain.dev.set_balance(STRANGER, 5)
    chain.dev.set_code(STRANGER, COUNTER)
    assert chain.state(0).root != root
    chain.dev.revert(snapshot)
    assert (chain.state(0).root, chain.state(0).balance(STRANGER)) == (root, 0)
    send(chain, BOB)
    assert chain.head.header.state_root == chain.state(1).root


def test_accounts_can_be_made_what_a_test_needs(chain: Chain) -> None:
    chain.dev.set_balance(STRANGER, 10**18)
    chain.dev.set_nonce(STRANGER, 9)
    chain.dev.set_code(STRANGER, COUNTER)
    chain.dev.set_storage(STRANGER, bytes(32), (41).to_bytes(32, "big"))
    state = chain.state(0)
    assert (state.balance(STRANGER), state.nonce(STRANGER), state.code(STRANGER)) == (10**18, 9, COUNTER)
    send(chain, STRANGER)
    assert chain.state(1).storage(STRANGER, bytes(32)) == (42).to_bytes(32, "big")
    with pytest.raises(InvalidInput, match="no account"):
        chain.dev.set_storage(b"\x78" * 20, bytes(32), bytes(32))


def test_writes_to_the_state_outlive_a_restart(tmp_path: Path) -> None:
    chain = Chain(GENESIS, path=tmp_path / "chain.sqlite")
    send(chain, BOB)
    chain.dev.set_balance(STRANGER, 77)
    chain.close()
    again = Chain(GENESIS, path=tmp_path / "chain.sqlite")
    try:
        assert again.state(1).balance(STRANGER) == 77
        send(again, BOB)
        assert again.head.header.state_root == again.state(2).root
    finally:
        again.close()


def test_an_impersonated_account_needs_no_key(chain: Chain) -> None:
    request = CallRequest(sender=STRANGER, to=BOB, value=1)
    with pytest.raises(TxRejected, match="unknown account"):
        chain.submit_request(request)
    chain.dev.impersonate(STRANGER)
    with pytest.raises(InvalidInput, match="insufficient funds"):
        chain.submit_request(request)
    chain.dev.set_balance(STRANGER, 10**18)
    before = chain.state(0).balance(BOB)
    receipt = chain.receipt(chain.submit_request(request))
    assert receipt is not None
    assert (receipt.sender, receipt.succeeded) == (STRANGER, True)
    assert chain.state(1).balance(BOB) == before + 1
    chain.dev.stop_impersonating(STRANGER)
    with pytest.raises(TxRejected):
        chain.submit_request(request)


def test_a_contract_can_be_impersonated_too(chain: Chain) -> None:
    counter = deploy(chain, COUNTER)
    contract = deploy(chain, forward(counter))
    chain.dev.impersonate(contract)
    chain.dev.set_balance(contract, 10**18)
    receipt = chain.receipt(chain.submit_request(CallRequest(sender=contract, to=counter)))
    assert receipt is not None
    assert (receipt.sender, receipt.succeeded) == (contract, True)


def test_impersonated_transactions_of_two_accounts_differ(chain: Chain) -> None:
    hashes = set()
    for address in (b"\x81" * 20, b"\x82" * 20):
        chain.dev.impersonate(address)
        chain.dev.set_balance(address, 10**18)
        hashes.add(chain.submit_request(CallRequest(sender=address, to=BOB, value=1, nonce=0, gas=21_000)))
    assert len(hashes) == 2


def test_a_reorg_replaces_blocks_by_others_with_what_is_named(chain: Chain) -> None:
    counter = deploy(chain, COUNTER)
    kept, lost = (chain.transaction(send(chain, counter).tx_hash) for _ in range(2))
    old = chain.head
    assert kept is not None
    assert lost is not None
    seen: list[object] = []
    chain.subscribe(seen.append)
    blocks = chain.dev.reorg([[lost.transaction], [kept.transaction, kept.transaction]])
    assert [[tx.hash for tx in block.transactions] for block in blocks] == [[], [kept.transaction.hash]]
    assert (chain.head.number, chain.head.hash != old.hash) == (old.number, True)
    assert [type(event) for event in seen] == [Removed, NewHead, NewHead]
    assert chain.state(chain.head.number).storage(counter, bytes(32))[-1] == 1
    assert (len(chain.pool), chain.receipt(lost.transaction.hash)) == (0, None)
    for depth in (0, 99):
        with pytest.raises(InvalidInput, match="blocks to replace"):
            chain.dev.reorg([[]] * depth)


def test_a_reorg_takes_the_clock_back_and_an_empty_block_never_replaces_itself(chain: Chain, clock: Clock) -> None:
    chain.dev.mine()
    chain.dev.set_next_timestamp(NOW + 1_000)
    chain.dev.mine(2)
    assert [block.timestamp for block in chain.dev.reorg([[], []])] == [NOW + 1, NOW + 2]
    before = chain.head
    (after,) = chain.dev.reorg([[]])
    assert (after.number, after.hash != before.hash) == (before.number, True)
    clock.now += 50
    assert chain.dev.mine()[0].timestamp == NOW + 51


def test_a_snapshot_of_a_block_that_was_replaced_is_gone(chain: Chain) -> None:
    before = chain.dev.snapshot()
    send(chain, BOB)
    after = chain.dev.snapshot()
    chain.dev.reorg([[]])
    assert not chain.dev.revert(after)
    assert chain.dev.revert(before)


def test_blocks_can_stand_apart_by_a_step(chain: Chain, clock: Clock) -> None:
    chain.dev.timestamp_step_s = 5
    start = chain.dev.mine()[0].timestamp
    clock.now += 100
    assert [block.timestamp - start for block in chain.dev.mine(2)] == [5, 10]
    chain.dev.timestamp_step_s = 0
    assert chain.dev.mine()[0].timestamp == start + 11
    chain.dev.timestamp_step_s = None
    assert chain.dev.mine()[0].timestamp == NOW + 100


def test_the_next_base_fee_can_be_chosen(chain: Chain) -> None:
    chain.dev.set_next_base_fee(3 * GWEI)
    with pytest.raises(TxRejected, match="less than block base fee"):
        chain.submit(sign(chain, BOB, max_fee=2 * GWEI).raw)
    assert send(chain, BOB).effective_gas_price == 4 * GWEI
    assert chain.dev.mine()[0].header.base_fee < 3 * GWEI


def test_a_chain_with_a_block_time_does_not_mine_by_itself() -> None:
    from dataclasses import replace

    chain = Chain(replace(GENESIS, block_time_s=2))
    try:
        assert (chain.dev.automine, chain.dev.interval_s) == (False, 2)
        chain.submit(sign(chain, BOB).raw)
        assert (chain.head.number, chain.next_nonce(ALICE)) == (0, 1)
        assert len(chain.mine().transactions) == 1
    finally:
        chain.close()
