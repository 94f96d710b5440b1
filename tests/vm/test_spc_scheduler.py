"""The rule of the chain that makes scheduled calls, and the contract behind it on a real EVM."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infernet.chain.anvil import AnvilChain
from infernet.chain.artifacts import load_artifact
from infernet.chain.fees import Fees
from infernet.chain.local import DEV_ACCOUNTS
from infernet.chain.rpc import RpcChain
from infernet.chain.sending import Message, build_transaction, send_and_wait
from infernet.keys.signer import LocalSigner
from infernet.protocol.hashing import to_address
from infernet.types import Address, ChainId, Gas, Wei
from infernet.vm.spc.addresses import SCHEDULER
from infernet.vm.spc.scheduler import MIN_BLOCK_GAS_LIMIT, DueCall, due_call, find_difference
from infernet.vm.transaction import Access, Transaction, decode_transaction

PRODUCER = LocalSigner(DEV_ACCOUNTS[0].private_key)
USER = LocalSigner(DEV_ACCOUNTS[1].private_key)
LOCAL = ChainId(31337)
ABI = load_artifact("Scheduler")
YES, NO = (1).to_bytes(32, "big"), bytes(32)
ADDRESS = bytes.fromhex(SCHEDULER[2:])


def _sign(due: DueCall, signer: LocalSigner = PRODUCER, value: int = 0) -> Transaction:
    message = Message(to_address(due.to), due.data, Wei(value))
    unsigned = build_transaction(message, LOCAL, 0, Gas(due.gas), Fees(Wei(10**9), Wei(0)))
    return decode_transaction(signer.sign_transaction(unsigned).raw, LOCAL)


def _due() -> DueCall:
    due = due_call(lambda _, __: YES, 60_000_000)
    assert due is not None
    return due


@pytest.mark.parametrize("returned", [NO, b"", b"\x00", (2).to_bytes(32, "big")])
def test_nothing_is_due_where_the_scheduler_does_not_say_so(returned: bytes) -> None:
    assert due_call(lambda _, __: returned, 60_000_000) is None


@pytest.mark.parametrize(("limit", "gas"), [(60_000_000, 16_777_216), (30_000_000, 15_000_000)])
def test_due_calls_get_half_a_block_or_the_most_that_a_transaction_may_have(limit: int, gas: int) -> None:
    asked: list[tuple[bytes, bytes]] = []

    def read(to: bytes, data: bytes) -> bytes:
        asked.append((to, data))
        return YES

    assert due_call(read, limit) == DueCall(ADDRESS, ABI.encode_call("runDue", []), gas)
    assert asked == [(ADDRESS, ABI.encode_call("isDue", []))]


def test_the_smallest_block_has_room_for_its_longest_call() -> None:
    due = due_call(lambda _, __: YES, MIN_BLOCK_GAS_LIMIT)
    assert due is not None
    longest = MIN_BLOCK_GAS_LIMIT // 4
    assert due.gas - 21_064 >= longest * 64 // 63 + 500_000


def test_the_producers_call_is_accepted() -> None:
    assert find_difference(_due(), _sign(_due()), bytes.fromhex(PRODUCER.address[2:])) is None


def test_any_other_first_transaction_is_named() -> None:
    due, producer = _due(), bytes.fromhex(PRODUCER.address[2:])
    good = _sign(due)
    wrong = {
        "does not begin": [None, _sign(due, USER), replace(good, to=bytes(20)), replace(good, to=None)],
        "not of type 2": [
            replace(good, type=0),
            _sign(due, value=1),
            replace(good, access_list=(Access(bytes(20), ()),)),
        ],
        "is not 0x": [replace(good, data=b""), replace(good, gas=good.gas - 1)],
    }
    for reason, transactions in wrong.items():
        for transaction in transactions:
            assert reason in (find_difference(due, transaction, producer) or "")


@pytest.mark.chain
async def test_a_scheduled_call_is_made_by_the_producers_transaction(anvil: AnvilChain, rpc: RpcChain) -> None:
    """On anvil with the contract where genesis would put it; the call schedules one more deposit for its owner."""
    await anvil.request("anvil_setCode", SCHEDULER, "0x" + ABI.runtime.hex())

    async def read_pending() -> DueCall | None:
        """The rule reads with the next block's number: on anvil the pending block's."""
        call = {"to": SCHEDULER, "data": "0x" + ABI.encode_call("isDue", []).hex()}
        answer = await anvil.request("eth_call", call, "pending")
        return due_call(lambda _, __: bytes.fromhex(answer[2:]), 30_000_000)

    head = await rpc.fetch_head()
    target = load_artifact("StoreConsumer")  # any contract without code at that address: the call then does nothing
    order = (Address("0x" + "11" * 20), 100_000, 10**11, 0, head.number + 3, 0)
    quote = (100_000 + 500_000) * 10**11
    schedule = ABI.encode_call("schedule", [order, target.bytecode[:4]])
    receipt = await send_and_wait(rpc, USER, Message(to_address(SCHEDULER), schedule, Wei(quote)), LOCAL)
    assert receipt.succeeded
    assert await read_pending() is None
    await anvil.mine()
    due = await read_pending()
    assert due is not None

    receipt = await send_and_wait(rpc, PRODUCER, Message(to_address(due.to), due.data, gas=Gas(due.gas)), LOCAL)
    assert receipt.succeeded
    assert receipt.block_number == head.number + 3
    balances = [await _balance(anvil, signer.address) for signer in (USER, PRODUCER)]
    assert sum(balances) == quote
    assert balances[1] > 60_000 * receipt.effective_gas_price // 2
    assert await read_pending() is None


async def _balance(anvil: AnvilChain, account: Address) -> int:
    call = {"to": SCHEDULER, "data": "0x" + ABI.encode_call("balanceOf", [account]).hex()}
    return int(await anvil.request("eth_call", call, "latest"), 16)
