"""The producer's account and what the system contracts keep for it."""

from __future__ import annotations

import pytest
from evm import BOB, GWEI, ask, send

from infernet.chain.artifacts import load_artifact
from infernet.protocol.abi_codec import decode_abi
from infernet.protocol.hashing import to_address
from infernet.vm.chain import Chain
from infernet.vm.earnings import ENOUGH_BLOCKS, Earnings
from infernet.vm.genesis import DEV_PRODUCER, Genesis, build_dev_accounts
from infernet.vm.request import AccountOverride
from infernet.vm.spc.addresses import SCHEDULER, TRAINING

PURSES = {at: load_artifact(name) for name, at in (("Scheduler", SCHEDULER), ("Training", TRAINING))}
ETHER = 10**18


def build_chain(balance: int) -> Chain:
    accounts = {**build_dev_accounts(), DEV_PRODUCER: AccountOverride(balance=balance)}
    for at, abi in PURSES.items():
        accounts[bytes.fromhex(at[2:])] = AccountOverride(nonce=1, code=abi.runtime)
    chain = Chain(Genesis(accounts=accounts))
    Earnings(chain)
    return chain


def deposit(chain: Chain, at: str, value: int) -> None:
    data = PURSES[at].encode_call("deposit", [to_address(chain.coinbase)])
    assert send(chain, bytes.fromhex(at[2:]), data, value=value).succeeded


def read_kept(chain: Chain, at: str) -> int:
    data = PURSES[at].encode_call("balanceOf", [to_address(chain.coinbase)])
    return int(decode_abi(["uint256"], ask(chain, bytes.fromhex(at[2:]), data).return_data)[0])


def read_account(chain: Chain) -> int:
    return chain.state(chain.head.number).balance(chain.coinbase)


@pytest.mark.parametrize("at", PURSES)
def test_a_producer_that_runs_dry_takes_what_it_earned(at: str) -> None:
    chain = build_chain(ETHER // 10)
    deposit(chain, at, 3 * ETHER)
    assert read_kept(chain, at) == 3 * ETHER
    chain.mine()
    assert (read_kept(chain, at), len(chain.head.transactions)) == (0, 1)
    assert read_account(chain) > 3 * ETHER
    chain.mine()
    assert chain.head.transactions == ()


def test_a_producer_that_has_enough_leaves_it_where_it_is() -> None:
    chain = build_chain(ENOUGH_BLOCKS * ETHER)
    deposit(chain, SCHEDULER, 3 * ETHER)
    chain.mine()
    assert read_kept(chain, SCHEDULER) == 3 * ETHER


def test_what_is_not_worth_its_gas_is_left() -> None:
    chain = build_chain(ETHER // 10)
    deposit(chain, SCHEDULER, 1_000_000 * GWEI)
    chain.mine()
    assert read_kept(chain, SCHEDULER) == 1_000_000 * GWEI


def test_scheduled_calls_go_on_where_they_pay_for_themselves() -> None:
    chain = build_chain(ETHER // 50)
    abi, at = PURSES[SCHEDULER], bytes.fromhex(SCHEDULER[2:])
    order = (to_address(BOB), 100_000, 2 * GWEI, 0, chain.head.number + 2, 1)
    assert send(chain, at, abi.encode_call("schedule", [order, b""]), value=ETHER).succeeded
    for _ in range(60):
        chain.mine()
        assert chain.head.transactions[0].to == at
    assert any(len(block.transactions) == 2 for block in map(chain.block_by_number, range(1, 61)) if block)
    assert read_account(chain) > ETHER // 60
