"""Scheduled calls on a layer: made at the top of the block by the producer's transaction, and missed by no follower."""

from __future__ import annotations

from typing import Any

import pytest
from evm import ALICE, BOB, COUNTER, GWEI, ask, deploy, encode_sealed, send

from infernet.chain.artifacts import load_artifact
from infernet.protocol.abi_codec import decode_abi
from infernet.protocol.hashing import to_address
from infernet.vm.chain import BlockRejected, Chain
from infernet.vm.genesis import Genesis, build_dev_accounts
from infernet.vm.request import AccountOverride
from infernet.vm.spc.addresses import SCHEDULER

ABI = load_artifact("Scheduler")
ADDRESS = bytes.fromhex(SCHEDULER[2:])
AT_BLOCK, AT_TIME = 0, 1
CALL_GAS, MAX_FEE = 100_000, 5 * GWEI
QUOTE = (CALL_GAS + 500_000) * MAX_FEE


def build_chain(**options: Any) -> Chain:
    accounts = {**build_dev_accounts(), ADDRESS: AccountOverride(nonce=1, code=ABI.runtime)}
    return Chain(Genesis(accounts=accounts), **options)


@pytest.fixture
def chain() -> Chain:
    return build_chain()


@pytest.fixture
def target(chain: Chain) -> bytes:
    return deploy(chain, COUNTER)


def schedule(
    chain: Chain, target: bytes, when: int, *, clock: int = AT_BLOCK, every: int = 0, value: int = QUOTE
) -> None:
    assert order(chain, target, (CALL_GAS, MAX_FEE, clock, when, every), value)


def order(chain: Chain, target: bytes, terms: tuple[int, ...], value: int) -> bool:
    """Whether it was taken."""
    return send(chain, ADDRESS, ABI.encode_call("schedule", [(to_address(target), *terms), b""]), value=value).succeeded


def count(chain: Chain, target: bytes) -> int:
    return int.from_bytes(chain.state(chain.head.number).storage(target, bytes(32)), "big")


def balance(chain: Chain, account: bytes) -> int:
    returned = ask(chain, ADDRESS, ABI.encode_call("balanceOf", [to_address(account)])).return_data
    return int(decode_abi(["uint256"], returned)[0])


def follow(chain: Chain) -> Chain:
    follower = build_chain(producer_key=None)
    for encoded in chain.export(1, chain.head.number):
        follower.import_block(encoded)
    return follower


def test_a_due_call_is_the_first_thing_in_its_block(chain: Chain, target: bytes) -> None:
    schedule(chain, target, chain.head.number + 3)
    chain.mine()
    assert (len(chain.head.transactions), count(chain, target)) == (0, 0)
    assert send(chain, BOB, value=1).tx_index == 1
    first = chain.head.transactions[0]
    assert (first.sender, first.to, first.data) == (chain.coinbase, ADDRESS, ABI.encode_call("runDue", []))
    assert count(chain, target) == 1
    chain.mine()
    assert (len(chain.head.transactions), count(chain, target)) == (0, 1)


def test_a_call_can_wait_for_a_time(chain: Chain, target: bytes) -> None:
    schedule(chain, target, chain.head.timestamp + 100, clock=AT_TIME)
    chain.mine(chain.head.timestamp + 50)
    assert count(chain, target) == 0
    chain.mine(chain.head.timestamp + 100)
    assert count(chain, target) == 1


def test_what_a_call_did_not_use_returns_to_its_owner(chain: Chain, target: bytes) -> None:
    before = chain.state(chain.head.number).balance(chain.coinbase)
    schedule(chain, target, chain.head.number + 2)
    tips = chain.state(chain.head.number).balance(chain.coinbase) - before
    chain.mine()
    earned = balance(chain, chain.coinbase)
    spent = before + tips - chain.state(chain.head.number).balance(chain.coinbase)
    assert balance(chain, ALICE) + earned == QUOTE
    assert spent < earned < 3 * spent


def test_a_recurring_call_is_made_by_every_producer_of_its_turn(chain: Chain, target: bytes) -> None:
    schedule(chain, target, chain.head.number + 2, every=2, value=3 * QUOTE)
    made = []
    for _ in range(6):
        chain.mine()
        made.append(count(chain, target))
    assert made == [1, 1, 2, 2, 3, 3]


def test_a_follower_makes_the_same_calls(chain: Chain, target: bytes) -> None:
    schedule(chain, target, chain.head.number + 2, every=1, value=5 * QUOTE)
    for _ in range(3):
        chain.mine()
    follower = follow(chain)
    assert follower.head.hash == chain.head.hash
    assert count(follower, target) == 3


def test_a_follower_refuses_a_block_that_leaves_a_due_call_out(
    chain: Chain, target: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule(chain, target, chain.head.number + 2)
    follower = follow(chain)
    monkeypatch.setattr(chain._executor, "_find_duty", lambda state, env: None)
    chain.mine()
    with pytest.raises(BlockRejected, match="calls are due"):
        follower.import_block(encode_sealed(chain, chain.head))
    assert follower.head.number == chain.head.number - 1


def test_burning_calls_leave_room_for_others_and_are_all_made(chain: Chain) -> None:
    burner = deploy(chain, b"\xfe")
    order = (to_address(burner), 8_000_000, 2 * GWEI, AT_BLOCK, chain.head.number + 6, 0)
    for _ in range(5):
        schedule_burner = ABI.encode_call("schedule", [order, b""])
        assert send(chain, ADDRESS, schedule_burner, value=8_500_000 * 2 * GWEI).succeeded
    blocks = []
    while ask(chain, ADDRESS, ABI.encode_call("isDue", [])).return_data[-1] or not blocks:
        assert send(chain, BOB, value=1).succeeded
        blocks.append(chain.receipts(chain.head)[0])
    assert len(blocks) == 3  # two of them fit into one transaction
    assert sum(receipt.gas_used for receipt in blocks) > 5 * 8_000_000
    assert max(receipt.gas_used for receipt in blocks) <= 2**24


def test_calls_that_pay_no_base_fee_fill_no_block(chain: Chain, target: bytes) -> None:
    assert not order(chain, target, (0, 0, AT_BLOCK, chain.head.number + 3, 1), 0)
    assert not order(chain, target, (0, chain.next_base_fee - 1, AT_BLOCK, chain.head.number + 3, 1), 10**18)
    for _ in range(4):
        chain.mine()
    assert chain.head.transactions == ()


def test_recurring_calls_cost_their_producer_nothing(chain: Chain) -> None:
    first = chain.head.number + 11
    for _ in range(10):
        assert order(chain, BOB, (0, 2 * GWEI, AT_BLOCK, first, 1), 10**16)
    assert chain.head.number == first - 1
    has = chain.state(chain.head.number).balance(chain.coinbase) + balance(chain, chain.coinbase)
    for _ in range(3):
        chain.mine()
        assert chain.receipts(chain.head)[0].gas_used > 200_000
        before, has = has, chain.state(chain.head.number).balance(chain.coinbase) + balance(chain, chain.coinbase)
        assert has >= before
