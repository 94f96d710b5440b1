"""The engine against revm, by its Python package: a fresh instance for each transaction.

pyrevm 0.3.7 is revm 8, which knows Cancun and nothing of what came after. Generated transactions leave out what Prague
and Osaka brought (`Dice.cancun`); the one rule that cannot be left out, the floor under the price of calldata
(EIP-7623), is applied to its answer. It executes messages only: fee, tip and the sender's nonce are booked here.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable
from typing import Any

import pytest
from needs import need_module
from programs import CHAIN_ID, CONTRACTS, SENDERS, make_scenario
from test_differential import ENV, NoBlobs, accounts_of

from infernet.protocol.hashing import keccak
from infernet.vm.engine import Executed, State, TransactionRefused
from infernet.vm.osaka.engine import OsakaEngine
from infernet.vm.spc.host import SpcHost
from infernet.vm.transaction import Transaction, compute_floor_gas

SCENARIOS = 400
SLOTS = range(5)
NOTHING = {"balance": 0, "nonce": 0, "code": keccak(b""), "slots": [0] * len(SLOTS)}

HAS_WHEEL = sys.version_info < (3, 13) and (sys.platform == "darwin" or platform.machine() == "x86_64")

pytestmark = pytest.mark.skipif(not HAS_WHEEL, reason="pyrevm has no wheel for this machine")


def show(data: bytes) -> str:
    return "0x" + data.hex()


def unshow(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def price(transaction: Transaction) -> int:
    return transaction.effective_price(ENV.base_fee)


def prepare(state: State, accounts: Iterable[bytes], transaction: Transaction) -> Any:
    """An instance that holds the accounts of `state`, the sender's without the gas that it buys."""
    revm = need_module("pyrevm")
    block = revm.BlockEnv(
        number=ENV.number,
        coinbase=show(ENV.coinbase),
        timestamp=ENV.timestamp,
        prevrandao=ENV.prev_randao,
        basefee=ENV.base_fee,
        gas_limit=ENV.gas_limit,
        excess_blob_gas=0,
    )
    accesses = [
        (show(entry.address), [int.from_bytes(slot, "big") for slot in entry.slots])
        for entry in transaction.access_list
    ]
    fields = revm.TxEnv(caller=show(transaction.sender), nonce=transaction.nonce, access_list=accesses)
    env = revm.Env(cfg=revm.CfgEnv(chain_id=CHAIN_ID), block=block, tx=fields)
    evm = revm.EVM(env=env, spec_id="CANCUN", gas_limit=ENV.gas_limit)
    for account in accounts:
        balance = state.balance(account) - (
            transaction.gas * price(transaction) if account == transaction.sender else 0
        )
        info = revm.AccountInfo(balance=balance, nonce=state.nonce(account), code=state.code(account) or None)
        evm.insert_account_info(show(account), info)
        for slot in SLOTS:
            if word := read_slot(state, account, slot):
                before = evm.snapshot()
                evm.insert_account_storage(show(account), slot, word)
                evm.revert(before)  # it stays in the database, and its account is cold again
    return evm


def execute(evm: Any, transaction: Transaction) -> Any:
    gas = {"value": transaction.value, "gas": transaction.gas}
    sender = show(transaction.sender)
    try:
        if transaction.to is None:
            evm.deploy(sender, transaction.data, **gas)
        else:
            evm.message_call(sender, show(transaction.to), transaction.data, **gas, gas_price=price(transaction))
    except RuntimeError:
        assert evm.result is not None, "refused before it ran"
    return evm.result


def summarize_ours(done: Executed) -> dict[str, Any]:
    logs = [(log.address, log.topics, log.data) for log in done.logs]
    return {"succeeded": done.succeeded, "gas": done.gas_used, "logs": logs}


def summarize_theirs(result: Any, floor: int) -> dict[str, Any]:
    logs = [(unshow(log.address), tuple(map(unshow, log.topics)), log.data[1]) for log in result.logs]
    return {"succeeded": result.is_success, "gas": max(result.gas_used, floor), "logs": logs}


def describe_ours(state: State, account: bytes) -> dict[str, Any]:
    return {
        "balance": state.balance(account),
        "nonce": state.nonce(account),
        "code": keccak(state.code(account)),
        "slots": [read_slot(state, account, slot) for slot in SLOTS],
    }


def describe_theirs(evm: Any, account: bytes) -> dict[str, Any]:
    info = evm.basic(show(account))
    slots = [evm.storage(show(account), slot) for slot in SLOTS]
    return {"balance": info.balance, "nonce": info.nonce, "code": info.code_hash, "slots": slots}


def compute_dues(transaction: Transaction, gas_used: int, account: bytes) -> int:
    """What the protocol pays into an account after the message: gas that is left, and the tip."""
    left = (transaction.gas - gas_used) * price(transaction) if account == transaction.sender else 0
    tip = gas_used * (price(transaction) - ENV.base_fee) if account == ENV.coinbase else 0
    return left + tip


def compare(evm: Any, transaction: Transaction, gas_used: int, before: State, after: State) -> set[bytes]:
    """The accounts that the transaction touched, all of them the same on both."""
    touched = set(map(unshow, evm.journal_state))
    for account in touched:
        ours, theirs = describe_ours(after, account), describe_theirs(evm, account)
        theirs["balance"] += compute_dues(transaction, gas_used, account)
        if account == transaction.sender:
            assert ours["nonce"] == before.nonce(account) + 1
            theirs["nonce"] = ours["nonce"]
        if describe_ours(before, account)["nonce"] == 0 and ours == NOTHING and theirs["nonce"] == 1:
            continue  # created and destroyed: accounts go with the transaction's end, which it leaves to its caller
        assert ours == theirs, show(account)
    return touched


def read_slot(state: State, account: bytes, slot: int) -> int:
    return int.from_bytes(state.storage(account, slot.to_bytes(32, "big")), "big")


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_generated_transactions_do_what_they_do_on_revm(part: int) -> None:
    executed = 0
    for seed in range(50_000 + part, 50_000 + SCENARIOS, 4):
        scenario = make_scenario(seed, portable=True, cancun=True)
        engine = OsakaEngine()
        state, _ = engine.empty().edit(accounts_of(scenario))
        known = {*CONTRACTS, *SENDERS, ENV.coinbase}
        for index, transaction in enumerate(scenario.transactions):
            block = engine.begin(state, ENV, SpcHost({}, NoBlobs()))
            try:
                done = block.execute(transaction)
            except TransactionRefused:
                continue
            before, (state, _) = state, block.finish()
            evm = prepare(before, known, transaction)
            result = execute(evm, transaction)
            where = f"seed {seed}, transaction {index}"
            assert summarize_ours(done) == summarize_theirs(result, compute_floor_gas(transaction)), where
            known |= compare(evm, transaction, done.gas_used, before, state)
            executed += 1
    assert executed > SCENARIOS // 2
