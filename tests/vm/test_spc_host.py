"""Stateful precompiles on the engine: storage, gas, reverts, records, in every kind of frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from sqlite3 import OperationalError

import pytest
from eth_abi.abi import encode
from evm import (
    ALICE,
    CALL,
    CALLCODE,
    COUNTER,
    DELEGATECALL,
    REVERT_EMPTY,
    STATICCALL,
    answer,
    ask,
    call,
    deploy,
    forward,
    push,
    send,
    sign,
)
from structlog.testing import capture_logs

from infernet.errors import NodeMisconfigured
from infernet.types import Address
from infernet.vm.block import Outcome
from infernet.vm.block_encoding import compute_records_hash
from infernet.vm.chain import BlockRejected, Chain
from infernet.vm.genesis import Genesis, build_dev_accounts
from infernet.vm.request import CallRequest
from infernet.vm.spc.addresses import LLM, VECTOR_DATABASE
from infernet.vm.spc.call import SpcCall, SpcOutOfGas, SpcRevert
from infernet.vm.spc.outside import Question

CELL, ORACLE = bytes.fromhex(VECTOR_DATABASE[2:]), bytes.fromhex(LLM[2:])
LOAD, STORE, FAIL, BURN, PUT, BREAK, TELL = (bytes((number,)) for number in range(7))
WORD = b"\x07" * 32


@dataclass(frozen=True)
class Cell:
    """Keeps one word."""

    address: Address = VECTOR_DATABASE
    name: str = "cell"
    recorded: bool = False

    def run(self, call: SpcCall) -> bytes:
        call.charge(100)
        action, argument = call.data[:1], call.data[1:]
        if action == STORE:
            call.charge(5_000)
            call.store(bytes(32), argument)
        elif action == FAIL:
            raise SpcRevert("not today")
        elif action == BURN:
            call.charge(10**12)
        elif action == PUT:
            call.store(bytes(32), call.blobs.put(argument))
        elif action == BREAK:
            raise RuntimeError("a mistake in the precompile")
        elif action == TELL:
            block = call.block
            return encode(
                ["address", "bool", "uint256", "uint256", "uint256"],
                [call.caller, call.is_static, block.number, block.timestamp, block.chain_id],
            )
        return call.load(bytes(32))


class Oracle:
    """Says another number each time it is asked."""

    address, name, recorded = LLM, "oracle", True

    def __init__(self) -> None:
        self.asked = 0

    def run(self, call: SpcCall) -> bytes:
        call.charge(500)
        answer = call.ask(Question("oracle", call.data, lambda: self.answer(call.data)))
        if call.data == BURN:
            raise SpcOutOfGas
        return answer

    def answer(self, data: bytes) -> bytes:
        self.asked += 1
        if data == FAIL:
            raise SpcRevert(f"failure {self.asked}")
        return self.asked.to_bytes(32, "big")


GENESIS = Genesis(accounts=build_dev_accounts(), spcs=(CELL, ORACLE))


@pytest.fixture
def oracle() -> Oracle:
    return Oracle()


@pytest.fixture
def chain(oracle: Oracle) -> Iterator[Chain]:
    chain = Chain(GENESIS, [Cell(), oracle])
    yield chain
    chain.close()


@pytest.fixture
def follower() -> Iterator[Chain]:
    chain = Chain(GENESIS, [Cell(), Oracle()], producer_key=None)
    yield chain
    chain.close()


def stored(chain: Chain) -> bytes:
    return chain.state(chain.head.number).storage(CELL, bytes(32))


def test_a_word_is_kept_in_the_precompiles_own_storage(chain: Chain) -> None:
    root = chain.head.header.state_root
    receipt = send(chain, CELL, STORE + WORD)
    assert receipt.succeeded
    assert (stored(chain), chain.head.header.state_root != root) == (WORD, True)
    assert ask(chain, CELL, LOAD).return_data == WORD
    assert ask(chain, deploy(chain, forward(CELL)), LOAD).return_data == WORD


def test_the_gas_is_what_it_charged(chain: Chain) -> None:
    calldata = 33 * 16
    assert send(chain, CELL, STORE + WORD, gas=100_000).gas_used == 21_000 + calldata + 5_100


def test_a_revert_says_why_and_returns_what_is_left(chain: Chain) -> None:
    result = ask(chain, deploy(chain, forward(CELL)), FAIL)
    assert (result.error, result.return_data) == (
        "execution reverted",
        bytes.fromhex("08c379a0") + encode(["string"], ["not today"]),
    )
    assert result.gas_used < 40_000


def test_too_little_gas_uses_all_of_it(chain: Chain) -> None:
    before = stored(chain)
    receipt = send(chain, CELL, BURN, gas=90_000)
    assert (receipt.succeeded, receipt.gas_used, stored(chain)) == (False, 90_000, before)
    (record,) = chain.head.records
    assert (record.outcome, record.output) == (Outcome.OUT_OF_GAS, b"")


def test_a_precompile_that_breaks_reverts_and_the_chain_goes_on(chain: Chain) -> None:
    with capture_logs() as lines:
        result = ask(chain, CELL, BREAK)
    assert b"cell: internal error" in result.return_data
    (line,) = lines
    assert line.pop("at").startswith("test_spc_host.py:")
    error = "RuntimeError('a mistake in the precompile')"
    assert line == {"event": "spc.failed", "log_level": "error", "name": "cell", "error": error}
    assert send(chain, CELL, STORE + WORD).succeeded


@pytest.mark.parametrize("fault", [MemoryError(), OSError(28, "No space left on device"), OperationalError("disk I/O")])
def test_what_a_machine_lacks_is_no_answer_of_the_chain(
    chain: Chain, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def fail(self: object, call: SpcCall) -> bytes:
        raise fault

    monkeypatch.setattr(Cell, "run", fail)
    monkeypatch.setattr(Oracle, "run", fail)
    with pytest.raises(NodeMisconfigured, match="cell lacked memory or disk here"):
        ask(chain, CELL, LOAD)
    assert b": internal error" in ask(chain, ORACLE, b"").return_data  # it is recorded: others take it from the block


def test_it_takes_no_value(chain: Chain) -> None:
    assert not send(chain, CELL, LOAD, value=1).succeeded
    assert chain.state(chain.head.number).balance(CELL) == 0


def test_a_static_call_reads_and_does_not_write(chain: Chain) -> None:
    send(chain, CELL, STORE + WORD)
    viewer = deploy(chain, forward(CELL, STATICCALL))
    assert ask(chain, viewer, LOAD).return_data == WORD
    result = ask(chain, viewer, STORE + bytes(32))
    assert result.error == "execution reverted"
    assert b"static" in result.return_data


@pytest.mark.parametrize("op", [DELEGATECALL, CALLCODE])
def test_it_is_not_run_in_another_accounts_place(chain: Chain, op: int) -> None:
    result = ask(chain, deploy(chain, forward(CELL, op)), LOAD)
    assert result.error == "execution reverted"
    assert b"delegatecall" in result.return_data


def test_it_knows_its_caller_and_its_block(chain: Chain) -> None:
    contract = deploy(chain, forward(CELL, STATICCALL))
    told = ask(chain, contract, TELL).return_data
    head = chain.head
    shown = ["0x" + contract.hex(), True, head.number, head.timestamp, chain.chain_id]
    assert told == encode(["address", "bool", "uint256", "uint256", "uint256"], shown)


def test_a_frame_that_reverts_takes_the_word_back_and_leaves_a_record(chain: Chain) -> None:
    inner = deploy(chain, call(CELL) + REVERT_EMPTY)
    outer = deploy(chain, call(inner) + answer())
    receipt = send(chain, outer, STORE + WORD)
    assert (receipt.succeeded, stored(chain)) == (True, bytes(32))
    (record,) = chain.head.records
    assert (record.spc, record.caller, record.input) == (CELL, inner, STORE + WORD)
    assert (record.outcome, record.gas, record.output) == (Outcome.OK, 5_100, WORD)


def test_a_constructor_may_call_it(chain: Chain) -> None:
    data = STORE + WORD
    run = b"\x5f\x5f" + push(len(data)) + b"\x5f\x5f" + push(CELL) + b"\x5a\xf1\x5f\x5f\xf3"
    init = push(len(data)) + push(6 + len(run)) + b"\x5f\x39" + run + data  # copies its own tail to memory
    assert send(chain, None, init).succeeded
    assert (stored(chain), len(chain.head.records)) == (WORD, 1)


def test_blobs_stay_with_their_block_and_not_with_a_call(chain: Chain) -> None:
    ask(chain, CELL, PUT + b"seen in a call")
    send(chain, CELL, PUT + b"kept")
    digest = stored(chain)
    store = chain.ledger._store
    assert store.get(digest) == b"kept"
    assert store._db.execute("SELECT count(*) FROM blobs") == [(1,)]


def test_the_header_commits_to_the_records(chain: Chain) -> None:
    send(chain, CELL, STORE + WORD)
    assert chain.head.header.extra_data == compute_records_hash(chain.head.records)
    send(chain, ALICE)
    assert (chain.head.header.extra_data, chain.head.records) == (b"", ())


def test_records_stand_in_the_order_of_execution_with_their_transaction(chain: Chain) -> None:
    twice = deploy(chain, call(ORACLE) + b"\x50" + call(CELL) + answer())
    chain.dev.automine = False
    for data in (LOAD, FAIL):
        chain.submit(sign(chain, twice, data).raw)
    chain.mine()
    assert [(record.tx_index, record.spc) for record in chain.head.records] == [
        (0, ORACLE),
        (0, CELL),
        (1, ORACLE),
        (1, CELL),
    ]


def test_an_address_that_is_not_enabled_is_an_account_without_code() -> None:
    chain = Chain(replace(GENESIS, spcs=(CELL,)), [Cell()])
    try:
        assert ask(chain, deploy(chain, forward(ORACLE)), LOAD).return_data == b""
        assert chain.state(0).code(ORACLE) == b""
        assert chain.state(0).code(CELL) == b"\xfe"
        receipt = send(chain, ORACLE, LOAD, value=5)
        assert (receipt.succeeded, chain.state(chain.head.number).balance(ORACLE)) == (True, 5)
    finally:
        chain.close()


def test_two_layers_with_other_precompiles_live_in_one_process(chain: Chain, oracle: Oracle) -> None:
    other = Chain(replace(GENESIS, chain_id=4242, spcs=(ORACLE,)), [Oracle()])
    try:
        assert ask(other, CELL, LOAD).return_data == b""
        assert ask(other, ORACLE, LOAD).return_data == (1).to_bytes(32, "big")
        assert oracle.asked == 0
        assert ask(chain, CELL, LOAD).return_data == bytes(32)
        gas = {ask(some, deploy(some, forward(CELL)), LOAD).gas_used for some in (chain, other)}
        assert len(gas) == 2  # one of them charged, both found the address warm
        assert max(gas) - min(gas) < 2_600
    finally:
        other.close()


def test_a_follower_takes_recorded_answers_and_computes_the_others(
    chain: Chain, follower: Chain, oracle: Oracle
) -> None:
    both = deploy(chain, call(ORACLE) + b"\x50" + call(CELL) + answer())
    for data in (STORE + WORD, FAIL, BURN, LOAD):
        send(chain, both, data)
    oracle.asked = 1_000
    send(chain, both, LOAD)
    assert chain.head.records[0].output == (1_001).to_bytes(32, "big")
    for encoded in chain.export(1, chain.head.number):
        follower.import_block(encoded)
    assert follower.head.hash == chain.head.hash
    assert follower.head.records == chain.head.records
    assert follower.state(follower.head.number).root == chain.head.header.state_root


@pytest.mark.parametrize(
    ("field", "value"),
    [("output", b"\x01"), ("gas", 1), ("caller", bytes(20)), ("outcome", Outcome.REVERTED), ("tx_index", 3)],
)
def test_a_follower_refuses_an_answer_that_it_computes_otherwise(
    chain: Chain, follower: Chain, field: str, value: object
) -> None:
    send(chain, CELL, STORE + WORD)
    block = chain.head
    forged = (replace(block.records[0], **{field: value}),)
    header = replace(block.header, extra_data=compute_records_hash(forged))
    with pytest.raises(BlockRejected, match=f"record 0: {field} is"):
        follower.process_proposal(replace(block, header=header, records=forged))


def test_a_follower_refuses_records_too_many_or_too_few(chain: Chain, follower: Chain) -> None:
    send(chain, CELL, STORE + WORD)
    block = chain.head
    for records in (block.records * 2, ()):
        header = replace(block.header, extra_data=compute_records_hash(records))
        with pytest.raises(BlockRejected, match="record"):
            follower.process_proposal(replace(block, header=header, records=records))


def test_a_call_asks_once_and_an_estimate_keeps_to_its_first_answer(chain: Chain, oracle: Oracle) -> None:
    contract = deploy(chain, forward(ORACLE))
    ask(chain, contract, LOAD)
    assert oracle.asked == 1
    request = CallRequest(sender=ALICE, to=contract, data=LOAD)
    gas = chain.estimate(request, chain.head.number)
    assert oracle.asked == 2
    assert send(chain, contract, LOAD, gas=gas).succeeded
    assert oracle.asked == 3


def test_an_operator_may_keep_calls_from_running_recorded_precompiles(oracle: Oracle) -> None:
    chain = Chain(GENESIS, [Cell(), oracle], run_recorded=False)
    try:
        assert ask(chain, ORACLE, LOAD).error == "execution reverted"
        assert oracle.asked == 0
        assert send(chain, ORACLE, LOAD).succeeded
        assert oracle.asked == 1
    finally:
        chain.close()


def test_the_pending_block_does_not_run_what_is_recorded(chain: Chain, oracle: Oracle) -> None:
    chain.dev.automine = False
    chain.submit(sign(chain, ORACLE, LOAD).raw)
    assert len(chain.pending_block().transactions) == 1
    assert chain.state("pending").nonce(ALICE) == chain.state(chain.head.number).nonce(ALICE) + 1
    assert oracle.asked == 0
    chain.mine()
    assert oracle.asked == 1


def test_a_recorded_precompile_keeps_nothing() -> None:
    class Forgetful(Oracle):
        def run(self, call: SpcCall) -> bytes:
            call.store(bytes(32), WORD)
            return b""

    chain = Chain(replace(GENESIS, spcs=(ORACLE,)), [Forgetful()])
    try:
        assert not send(chain, ORACLE).succeeded
    finally:
        chain.close()


def test_a_call_into_a_precompile_deep_down_does_not_disturb_its_callers(chain: Chain) -> None:
    counter = deploy(chain, COUNTER)
    path = forward(CELL)
    for _ in range(5):
        path = forward(deploy(chain, path), CALL)
    top = deploy(chain, call(counter) + b"\x50" + call(deploy(chain, path)) + answer())
    assert send(chain, top, STORE + WORD).succeeded
    assert stored(chain) == WORD
    assert chain.state(chain.head.number).storage(counter, bytes(32)) == (1).to_bytes(32, "big")
