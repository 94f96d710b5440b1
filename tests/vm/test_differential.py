"""The engine against the specification package as it comes: the same roots, receipts, gas and refusals."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from programs import CHAIN_ID, SENDERS, Scenario, make_scenario

from infernet.vm.block import compute_bloom
from infernet.vm.block_encoding import encode_receipt
from infernet.vm.engine import BlockEnv, TransactionRefused
from infernet.vm.osaka.engine import HISTORY_ADDRESS, HISTORY_CODE, OsakaEngine
from infernet.vm.osaka.precompiles import ADDRESSES
from infernet.vm.request import AccountOverride
from infernet.vm.spc.host import SpcHost
from infernet.vm.trace import StructLogger

SCENARIOS = 150
ENV = BlockEnv(
    chain_id=CHAIN_ID,
    number=7,
    timestamp=1_800_000_000,
    gas_limit=10_000_000,
    base_fee=10**9,
    coinbase=(0xFEE).to_bytes(20, "big"),
    prev_randao=b"\x5a" * 32,
    hashes=tuple(bytes((number,)) * 32 for number in range(7)),
)


class NoBlobs:
    def get(self, sha256: bytes) -> bytes:
        raise KeyError(sha256)

    def put(self, data: bytes) -> bytes:
        raise AssertionError


class Unmodified:
    """The package in a process of its own."""

    def __init__(self) -> None:
        numbers = [str(int.from_bytes(address, "big")) for address in ADDRESSES]
        script = str(Path(__file__).with_name("unmodified.py"))
        self._process = subprocess.Popen(
            [sys.executable, script, *numbers], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, scenario: Scenario) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(describe(scenario)) + "\n")
        stdin.flush()
        return json.loads(stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


@pytest.fixture(scope="module")
def unmodified() -> Iterator[Unmodified]:
    process = Unmodified()
    yield process
    process.close()


def accounts_of(scenario: Scenario) -> dict[bytes, AccountOverride]:
    accounts = {
        address: AccountOverride(balance=5, nonce=1, code=code, storage=scenario.slots[address])
        for address, code in scenario.codes.items()
    }
    accounts |= {address: AccountOverride(balance=10**20) for address in SENDERS}
    accounts[HISTORY_ADDRESS] = AccountOverride(nonce=1, code=HISTORY_CODE)
    return accounts


def describe(scenario: Scenario) -> dict[str, Any]:
    return {
        "accounts": {
            address.hex(): {
                "nonce": account.nonce or 0,
                "balance": account.balance or 0,
                "code": (account.code or b"").hex(),
                "slots": {slot.hex(): word.hex() for slot, word in (account.storage or {}).items()},
            }
            for address, account in accounts_of(scenario).items()
        },
        "chain_id": ENV.chain_id,
        "number": ENV.number,
        "timestamp": ENV.timestamp,
        "gas_limit": ENV.gas_limit,
        "base_fee": ENV.base_fee,
        "coinbase": ENV.coinbase.hex(),
        "prev_randao": ENV.prev_randao.hex(),
        "hashes": [value.hex() for value in ENV.hashes],
        "transactions": [transaction.raw.hex() for transaction in scenario.transactions],
    }


def run(scenario: Scenario, *, stepwise: bool = False) -> dict[str, Any]:
    engine = OsakaEngine()
    state, _ = engine.empty().edit(accounts_of(scenario))
    block = engine.begin(state, ENV, SpcHost({}, NoBlobs()))
    receipts, refused = [], []
    for transaction in scenario.transactions:
        try:
            done = block.execute(transaction, StructLogger(stack=False, storage=False) if stepwise else None)
        except TransactionRefused:
            refused.append(True)
            continue
        refused.append(False)
        bloom = compute_bloom([(log.address, log.topics) for log in done.logs])
        logs = [(log.address, log.topics, log.data) for log in done.logs]
        receipts.append(encode_receipt(transaction.type, done.succeeded, block.gas_used, bloom, logs).hex())
    after, changes = block.finish()
    assert state.apply(changes).root == after.root
    assert after.apply([change.reversed() for change in changes]).root == state.root
    return {"state_root": after.root.hex(), "receipts": receipts, "gas_used": block.gas_used, "refused": refused}


@pytest.mark.slow
@pytest.mark.parametrize("part", range(5))
def test_generated_blocks_lead_to_what_the_unmodified_package_says(unmodified: Unmodified, part: int) -> None:
    executed = 0
    for seed in range(part, SCENARIOS, 5):
        scenario = make_scenario(seed)
        expected = unmodified.run(scenario)
        executed += len(expected["receipts"])
        assert run(scenario) == expected, f"seed {seed}"
    assert executed > SCENARIOS // 5


def test_tracing_each_step_changes_nothing(unmodified: Unmodified) -> None:
    for seed in range(1000, 1015):
        scenario = make_scenario(seed)
        assert run(scenario, stepwise=True) == unmodified.run(scenario), f"seed {seed}"
