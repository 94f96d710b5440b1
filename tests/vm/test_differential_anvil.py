"""The chain against anvil, whose engine is another: same transactions, same receipts, same accounts afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from needs import need
from programs import CONTRACTS, SENDERS, Scenario, make_scenario
from rpc_client import Refused, RpcClient

from infernet.chain.anvil import AnvilChain
from infernet.chain.anvil_binary import find_anvil
from infernet.vm.block import Receipt
from infernet.vm.chain import Chain
from infernet.vm.genesis import DEV_PRODUCER, Genesis, build_dev_accounts
from infernet.vm.request import AccountOverride, TxRejected
from infernet.vm.transaction import Transaction

SCENARIOS = 40
GWEI = 10**9
START = 1_900_000_000
SLOTS = [number.to_bytes(32, "big") for number in range(5)]

pytestmark = pytest.mark.chain


class Osaka(AnvilChain):
    """Of the same fork as ours."""

    def _arguments(self, folder: Path) -> list[str]:
        return [*super()._arguments(folder), "--hardfork", "osaka"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def anvil() -> AsyncIterator[RpcClient]:
    need(find_anvil() is not None, "no anvil: run `make setup`, or set INFERNET_ANVIL")
    async with Osaka(block_gas_limit=60_000_000) as chain, RpcClient(chain.rpc_url) as client:
        await client("anvil_setCoinbase", show(DEV_PRODUCER))
        await client("anvil_setBalance", show(DEV_PRODUCER), hex(10**22))
        yield client


def show(data: bytes) -> str:
    return "0x" + data.hex()


def build_ours(scenario: Scenario) -> Chain:
    contracts = {
        address: AccountOverride(balance=5, nonce=1, code=code, storage=scenario.slots[address])
        for address, code in scenario.codes.items()
    }
    return Chain(Genesis(accounts=build_dev_accounts() | contracts))


async def prepare_anvil(anvil: RpcClient, scenario: Scenario) -> None:
    for address, code in scenario.codes.items():
        await anvil("anvil_setCode", show(address), show(code))
        await anvil("anvil_setBalance", show(address), "0x5")
        await anvil("anvil_setNonce", show(address), "0x1")
        for slot, word in scenario.slots[address].items():
            await anvil("anvil_setStorageAt", show(address), show(slot), show(word))


def run_ours(chain: Chain, transaction: Transaction, timestamp: int) -> dict[str, Any] | None:
    chain.dev.set_next_timestamp(timestamp)
    chain.dev.set_next_base_fee(GWEI)
    try:
        receipt = chain.receipt(chain.submit(transaction.raw))
    except TxRejected:
        return None
    return None if receipt is None else summarize(receipt)


def summarize(receipt: Receipt) -> dict[str, Any]:
    return {
        "status": int(receipt.succeeded),
        "gas": receipt.gas_used,
        "price": receipt.effective_gas_price,
        "contract": None if receipt.contract_address is None else show(receipt.contract_address),
        "logs": [(show(log.address), [show(topic) for topic in log.topics], show(log.data)) for log in receipt.logs],
    }


async def run_anvil(
    anvil: RpcClient, transaction: Transaction, timestamp: int, *, is_expected: bool
) -> dict[str, Any] | None:
    """It mines a moment after it has answered."""
    await anvil("anvil_setNextBlockTimestamp", timestamp)
    await anvil("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    try:
        tx_hash = await anvil("eth_sendRawTransaction", show(transaction.raw))
    except Refused:
        return None
    for _ in range(200 if is_expected else 1):
        receipt = await anvil("eth_getTransactionReceipt", tx_hash)
        if receipt is not None:
            break
        await asyncio.sleep(0.02)
    if receipt is None:
        return None
    return {
        "status": int(receipt["status"], 16),
        "gas": int(receipt["gasUsed"], 16),
        "price": int(receipt["effectiveGasPrice"], 16),
        "contract": receipt.get("contractAddress"),
        "logs": [(log["address"], log["topics"], log["data"]) for log in receipt["logs"]],
    }


async def read_anvil(anvil: RpcClient, address: bytes) -> dict[str, Any]:
    account = show(address)
    words = [await anvil("eth_getStorageAt", account, show(slot), "latest") for slot in SLOTS]
    return {
        "balance": await anvil.number("eth_getBalance", account, "latest"),
        "nonce": await anvil.number("eth_getTransactionCount", account, "latest"),
        "code": await anvil("eth_getCode", account, "latest"),
        "slots": words,
    }


def read_ours(chain: Chain, address: bytes) -> dict[str, Any]:
    state = chain.state(chain.head.number)
    return {
        "balance": state.balance(address),
        "nonce": state.nonce(address),
        "code": show(state.code(address)),
        "slots": [show(state.storage(address, slot)) for slot in SLOTS],
    }


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("part", range(4))
async def test_generated_transactions_do_the_same_on_both(anvil: RpcClient, part: int) -> None:
    mined = 0
    for seed in range(30_000 + part, 30_000 + SCENARIOS, 4):
        scenario = make_scenario(seed, portable=True)
        snapshot = await anvil("evm_snapshot")
        await prepare_anvil(anvil, scenario)
        chain = build_ours(scenario)
        try:
            touched = {*CONTRACTS, *SENDERS}
            for index, transaction in enumerate(scenario.transactions):
                ours = run_ours(chain, transaction, START + 10 * index)
                theirs = await run_anvil(anvil, transaction, START + 10 * index, is_expected=ours is not None)
                assert ours == theirs, f"seed {seed}, transaction {index}"
                mined += ours is not None
                if ours is not None and ours["contract"] is not None:
                    touched.add(bytes.fromhex(ours["contract"][2:]))
            for address in sorted(touched):
                assert read_ours(chain, address) == await read_anvil(anvil, address), f"seed {seed}, {show(address)}"
        finally:
            chain.close()
            await anvil("anvil_dropAllTransactions")
            await anvil("evm_revert", snapshot)
    assert mined > SCENARIOS // 4
