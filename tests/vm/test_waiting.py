"""What a chain does with transactions whose answers a test gives by hand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from evm import ALICE, BOB, CAROL, GWEI, ask, call, send, sign

from infernet.types import Address
from infernet.vm import waiting
from infernet.vm.chain import EXECUTION_LIMIT_S, Chain
from infernet.vm.engine import Executed
from infernet.vm.genesis import Genesis, build_dev_accounts
from infernet.vm.osaka.engine import OsakaBlock
from infernet.vm.request import AccountOverride, TxRejected
from infernet.vm.spc.addresses import LLM, VECTOR_DATABASE
from infernet.vm.spc.call import SpcCall, SpcRevert
from infernet.vm.spc.outside import AnswerNeeded, Question, Remembered, ask_here
from infernet.vm.spc.workers import Workers
from infernet.vm.transaction import Transaction

ORACLE, CELL, CONTRACT = bytes.fromhex(LLM[2:]), bytes.fromhex(VECTOR_DATABASE[2:]), b"\xc0" * 20
TIME, NOW = b"", 3_000_000_000


class Oracle:
    """Asks what it is told to; told nothing, for the time of the block."""

    address, name, recorded = LLM, "oracle", True

    def run(self, call: SpcCall) -> bytes:
        call.charge(500)
        request = call.data or call.block.timestamp.to_bytes(32, "big")
        return call.ask(Question("oracle", request, lambda: b"at once: " + request))


@dataclass(frozen=True)
class Cell:
    """Keeps a word and a blob; asks, which it must not, where it is told nothing."""

    address: Address = VECTOR_DATABASE
    name: str = "cell"
    recorded: bool = False

    def run(self, call: SpcCall) -> bytes:
        if not call.data:
            return call.ask(Question("cell", b"", lambda: b"anything"))
        call.store(bytes(32), call.blobs.put(call.data))
        return b""


@dataclass
class Desk:
    """Where questions lie until the test answers them."""

    asked: list[tuple[Question, Future[bytes]]] = field(default_factory=list)
    woken: int = 0

    def start(self, question: Question) -> Future[bytes]:
        answer: Future[bytes] = Future()
        self.asked.append((question, answer))
        return answer

    def wake(self) -> None:
        self.woken += 1

    def answer(self, text: bytes = b"42") -> None:
        """The newest question."""
        self.asked[-1][1].set_result(text)


CODE = call(CELL) + b"\x50" + call(ORACLE) + b"\x5f\x55\x00"
"""Changes the state, then asks; stores whether that went well."""
GENESIS = Genesis(
    accounts=build_dev_accounts() | {CONTRACT: AccountOverride(nonce=1, code=CODE)}, spcs=tuple(sorted((CELL, ORACLE)))
)


@pytest.fixture
def chain() -> Iterator[Chain]:
    clock = count(2_000_000_000)
    chain = Chain(GENESIS, [Cell(), Oracle()], clock=lambda: float(next(clock)))
    yield chain
    chain.close()


@pytest.fixture
def desk(chain: Chain) -> Desk:
    desk = Desk()
    chain.waiting.ask_beside(desk.start, desk.wake)
    return desk


def test_nothing_remains_of_a_transaction_that_waits(chain: Chain, desk: Desk) -> None:
    chain.dev.automine = False
    empty = chain.prepare_proposal(NOW)
    tx_hash = chain.submit(sign(chain, CONTRACT, b"what").raw)
    tried = chain.prepare_proposal(NOW)
    assert desk.asked[0][0].request == b"what"  # it has changed the state, kept a blob, and asked
    assert (tried.block, tried.blobs, tried.changes, tried.refused) == (empty.block, {}, empty.changes, ())
    assert chain.pool.get(tx_hash) is not None

    desk.answer()
    assert desk.woken == 1
    block = chain.mine()
    assert [transaction.hash for transaction in block.transactions] == [tx_hash]
    assert [record.output for record in block.records] == [b"", b"42"]
    assert chain.state(1).storage(CONTRACT, bytes(32)) == (1).to_bytes(32, "big")
    assert len(desk.asked) == 1


def test_the_same_transaction_gets_the_same_answer_however_often_it_is_tried(chain: Chain, desk: Desk) -> None:
    chain.dev.automine = False
    chain.submit(sign(chain, ORACLE, b"what").raw)
    assert chain.prepare_proposal().block.transactions == ()
    desk.answer(b"first")
    drafts = [chain.prepare_proposal() for _ in range(3)]
    assert [draft.block.records[0].output for draft in drafts] == [b"first"] * 3
    assert len(desk.asked) == 1


def test_what_waits_is_not_executed_again_before_its_answer(
    chain: Chain, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    executed: list[bytes] = []
    execute = OsakaBlock.execute

    def note(self: OsakaBlock, transaction: Transaction, *arguments: Any, **options: Any) -> Executed:
        executed.append(transaction.hash)
        return execute(self, transaction, *arguments, **options)

    monkeypatch.setattr(OsakaBlock, "execute", note)
    slow = chain.submit(sign(chain, ORACLE, b"what").raw)
    for _ in range(3):
        chain.mine()
    assert executed == [slow]
    desk.answer()
    chain.mine_ready()
    assert executed == [slow, slow]


def test_all_executions_of_a_transaction_together_have_one_limit(chain: Chain, desk: Desk) -> None:
    tx_hash = chain.submit(sign(chain, ORACLE, b"what").raw)
    known = chain.waiting._asking[tx_hash]
    assert 0 < known.spent_s < 1
    known.spent_s = EXECUTION_LIMIT_S
    desk.answer()
    chain.mine_ready()
    assert chain.pool.get(tx_hash) is None
    assert chain.receipt(tx_hash) is None


def test_whoever_waits_for_room_is_told_when_another_leaves(
    chain: Chain, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MAX_ASKING", 1)
    first = chain.submit(sign(chain, ORACLE, b"first").raw)
    second = chain.submit(sign(chain, ORACLE, b"second", sender=BOB).raw)
    assert [question.request for question, _ in desk.asked] == [b"first"]
    woken = desk.woken
    chain.pool.drop(first)
    assert desk.woken > woken
    chain.mine_ready()
    desk.answer()
    chain.mine_ready()
    assert chain.receipt(second) is not None


def test_kept_answers_give_way_to_what_wants_to_ask(chain: Chain, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else those whose fee has become too low would keep everybody from asking."""
    monkeypatch.setattr(waiting, "MAX_ASKING", 1)
    chain.dev.automine = False
    cheap = chain.submit(sign(chain, ORACLE, b"cheap", max_fee=2 * GWEI).raw)
    chain.mine()
    desk.answer()
    chain.dev.set_next_base_fee(3 * GWEI)
    dear = chain.submit(sign(chain, ORACLE, b"dear", sender=BOB).raw)
    chain.mine()
    desk.answer()
    chain.dev.set_next_base_fee(3 * GWEI)
    assert [transaction.hash for transaction in chain.mine().transactions] == [dear]
    chain.dev.set_next_base_fee(GWEI)
    chain.mine()
    desk.answer()
    chain.dev.set_next_base_fee(GWEI)
    assert [transaction.hash for transaction in chain.mine().transactions] == [cheap]
    assert [question.request for question, _ in desk.asked] == [b"cheap", b"dear", b"cheap"]


def test_a_chain_that_asks_at_once_puts_all_into_one_block(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MAX_ASKING", 1)
    chain.dev.automine = False
    for sender in (ALICE, BOB):
        chain.submit(sign(chain, ORACLE, b"what", sender=sender).raw)
    assert len(chain.mine().transactions) == 2


def test_an_error_is_an_answer_that_stays(chain: Chain, desk: Desk) -> None:
    chain.dev.automine = False
    chain.submit(sign(chain, ORACLE, b"what").raw)
    chain.prepare_proposal()
    desk.asked[0][1].set_exception(SpcRevert("nobody knows"))
    outputs = {chain.prepare_proposal().block.records[0].output for _ in range(2)}
    assert len(outputs) == 1
    assert b"nobody knows" in outputs.pop()


def test_a_question_that_is_another_one_in_each_block_ends_with_the_budget(chain: Chain, desk: Desk) -> None:
    tx_hash = chain.submit(sign(chain, ORACLE, TIME).raw)
    for number in range(16):
        assert (chain.head.number, len(desk.asked)) == (0, number + 1)
        desk.answer()
        chain.mine_ready()
    assert len({question.request for question, _ in desk.asked}) == 16
    receipt = chain.receipt(tx_hash)
    assert receipt is not None
    assert not receipt.succeeded
    assert b"at most 16 questions" in chain.head.records[0].output


def test_what_leaves_the_pool_is_asked_no_more(chain: Chain, desk: Desk) -> None:
    tx_hash = chain.submit(sign(chain, ORACLE, b"what").raw)
    chain.pool.drop(tx_hash)
    assert desk.asked[0][1].cancelled()
    chain.submit(sign(chain, ORACLE, b"what").raw)
    assert len(desk.asked) == 2
    chain.pool.restore([])
    assert desk.asked[1][1].cancelled()


def test_what_has_asked_is_mined_before_its_nonce_is_used_for_something_else(chain: Chain, desk: Desk) -> None:
    tx_hash = chain.submit(sign(chain, ORACLE, b"what").raw)
    for other in ({"data": b"another"}, {"data": b"what", "value": 1}, {"data": b"what", "gas": 900_000}):
        with pytest.raises(TxRejected, match="replacement transaction underpriced"):
            chain.submit(sign(chain, ORACLE, max_fee=20 * GWEI, tip=2 * GWEI, nonce=0, **other).raw)
    assert len(desk.asked) == 1
    desk.answer()
    chain.mine_ready()
    assert chain.receipt(tx_hash) is not None


def test_who_pays_more_for_the_same_call_keeps_its_answers(chain: Chain, desk: Desk) -> None:
    chain.submit(sign(chain, ORACLE, b"what").raw)
    dearer = chain.submit(sign(chain, ORACLE, b"what", max_fee=20 * GWEI, tip=2 * GWEI, nonce=0).raw)
    desk.answer()
    chain.mine_ready()
    assert chain.receipt(dearer) is not None
    assert len(desk.asked) == 1


def leave_unpaid(chain: Chain, desk: Desk, sender: bytes = ALICE) -> bool:
    """Ask, and be gone before it is paid for; whether anything was asked."""
    before = len(desk.asked)
    tx_hash = chain.submit(sign(chain, ORACLE, b"what", sender=sender).raw)
    for _, answer in desk.asked[before:]:
        answer.set_running_or_notify_cancel()
    chain.pool.drop(tx_hash)
    return len(desk.asked) > before


def test_who_leaves_many_answers_unpaid_asks_no_more_for_some_minutes(
    chain: Chain, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000.0]
    monkeypatch.setattr(waiting, "monotonic", lambda: now[0])
    monkeypatch.setattr(waiting, "MAX_UNPAID", 3)
    assert [leave_unpaid(chain, desk) for _ in range(5)] == [True] * 3 + [False] * 2
    assert leave_unpaid(chain, desk, sender=BOB)
    later = chain.submit(sign(chain, ORACLE, b"what").raw)
    assert send(chain, CAROL, sender=BOB).succeeded
    assert chain.receipt(later) is None
    now[0] += waiting.UNPAID_S + 1
    chain.mine_ready()
    desk.answer()
    chain.mine_ready()
    assert chain.receipt(later) is not None


def test_what_was_asked_and_paid_for_is_not_counted(chain: Chain, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MAX_UNPAID", 1)
    for _ in range(3):
        tx_hash = chain.submit(sign(chain, ORACLE, b"what").raw)
        desk.answer()
        chain.mine_ready()
        assert chain.receipt(tx_hash) is not None
    assert len(desk.asked) == 3


def test_what_the_mined_execution_asked_no_more_is_unpaid(
    chain: Chain, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MAX_UNPAID", 14)
    chain.submit(sign(chain, ORACLE, TIME).raw)  # another question in each block
    for _ in range(16):
        desk.answer()
        chain.mine_ready()
    assert chain.head.number == 1
    chain.submit(sign(chain, ORACLE, b"what").raw)
    assert len(desk.asked) == 16


def test_a_snapshot_that_is_reverted_to_brings_back_what_waited(chain: Chain, desk: Desk) -> None:
    tx_hash = chain.submit(sign(chain, ORACLE, b"what").raw)
    snapshot = chain.dev.snapshot()
    desk.answer(b"first")
    chain.mine_ready()
    assert chain.receipt(tx_hash) is not None
    assert chain.dev.revert(snapshot)
    chain.mine_ready()
    assert chain.receipt(tx_hash) is None
    desk.answer(b"second")
    chain.mine_ready()
    assert chain.head.records[0].output == b"second"


def test_others_of_the_block_are_taken_in_their_order(chain: Chain, desk: Desk) -> None:
    chain.dev.automine = False
    slow = sign(chain, ORACLE, b"what", tip=3 * GWEI)
    others = [sign(chain, BOB, sender=BOB, nonce=nonce) for nonce in range(2)]
    chain.submit_many([transaction.raw for transaction in (slow, *others)])
    assert [tx.hash for tx in chain.mine().transactions] == [tx.hash for tx in others]
    desk.answer()
    assert [tx.hash for tx in chain.mine().transactions] == [slow.hash]


def test_without_a_loop_questions_are_asked_at_once(chain: Chain) -> None:
    assert send(chain, ORACLE, b"what").succeeded
    assert chain.head.records[0].output == b"at once: what"
    assert ask(chain, ORACLE, b"what").return_data == b"at once: what"


def test_when_nobody_listens_any_more_what_waits_is_asked_at_once(chain: Chain, desk: Desk) -> None:
    chain.submit(sign(chain, ORACLE, b"what").raw)
    chain.waiting.ask_at_once()
    chain.mine_ready()
    assert chain.head.records[0].output == b"at once: what"


def test_a_precompile_that_followers_run_cannot_ask(chain: Chain) -> None:
    assert b"cell: internal error" in ask(chain, CELL).return_data


# --- What one execution asks


def test_after_so_many_bytes_of_answers_no_more_is_asked() -> None:
    outside = Remembered()
    assert len(outside.ask(Question("kind", b"1", lambda: bytes(2**19)))) == 2**19
    assert len(outside.ask(Question("kind", b"2", lambda: bytes(2**19)))) == 2**19
    with pytest.raises(SpcRevert, match="1048576 bytes"):
        outside.ask(Question("kind", b"3", lambda: b""))
    assert len(outside.ask(Question("kind", b"1", lambda: b""))) == 2**19


def test_an_execution_that_is_given_up_meets_no_error() -> None:
    outside = Remembered(lambda _: Future())
    for request in (b"1", b"2"):
        with pytest.raises(AnswerNeeded):
            outside.ask(Question("kind", request, lambda: b""))
    outside.cancel()
    for request in (b"1", b"2", b"3"):
        with pytest.raises(AnswerNeeded):
            outside.ask(Question("kind", request, lambda: b""))


def test_questions_of_two_kinds_are_two() -> None:
    outside = Remembered()
    assert [outside.ask(Question(kind, b"1", kind.encode)) for kind in ("one", "two", "one")] == [
        b"one",
        b"two",
        b"one",
    ]


def test_no_handler_of_errors_takes_a_missing_answer_for_one() -> None:
    assert not issubclass(AnswerNeeded, Exception)
    with pytest.raises(AnswerNeeded):
        Remembered(lambda _: Future()).ask(Question("kind", b"", lambda: b""))


def test_asking_here_raises_what_the_question_does() -> None:
    def fail() -> bytes:
        raise SpcRevert("no")

    assert isinstance(ask_here(Question("kind", b"", fail)).exception(), SpcRevert)


# --- Workers


@pytest.fixture
def workers() -> Iterator[Workers]:
    workers = Workers(per_kind=2)
    yield workers
    workers.close()


def test_a_kind_that_is_slow_keeps_no_other_waiting(workers: Workers) -> None:
    door = threading.Event()
    slow = [workers.start(Question("slow", bytes([n]), lambda: bytes([door.wait(60)]))) for n in range(3)]
    assert workers.start(Question("fast", b"", lambda: b"fast")).result(60) == b"fast"
    assert not any(answer.done() for answer in slow)
    door.set()
    assert [answer.result(60) for answer in slow] == [b"\x01"] * 3


def test_so_many_of_a_kind_are_asked_at_a_time_and_no_more(workers: Workers) -> None:
    door, asked = threading.Semaphore(0), threading.Semaphore(0)
    running: list[int] = []

    def answer() -> bytes:
        running.append(1)
        asked.release()
        door.acquire(timeout=60)
        at_once = len(running)
        running.pop()
        return bytes([at_once])

    answers = [workers.start(Question("kind", bytes([n]), answer)) for n in range(6)]
    for _ in range(2):
        assert asked.acquire(timeout=60)
    door.release(6)
    assert max(answer.result(60)[0] for answer in answers) <= 2


def test_what_nobody_wants_to_know_any_more_is_not_asked(workers: Workers) -> None:
    door = threading.Event()
    for n in range(2):
        workers.start(Question("kind", bytes([n]), lambda: bytes([door.wait(60)])))
    asked: list[int] = []
    unwanted = workers.start(Question("kind", b"unwanted", lambda: bytes(asked.append(1) or b"")))
    wanted = workers.start(Question("kind", b"wanted", lambda: b"yes"))
    assert unwanted.cancel()
    door.set()
    assert wanted.result(60) == b"yes"
    assert asked == []


def test_workers_that_are_closed_ask_no_more() -> None:
    workers, door, begun = Workers(per_kind=1), threading.Event(), threading.Event()

    def wait() -> bytes:
        begun.set()
        return bytes([door.wait(60)])

    first = workers.start(Question("kind", b"1", wait))
    second = workers.start(Question("kind", b"2", lambda: b"never"))
    assert begun.wait(60)
    workers.close()
    door.set()
    assert first.result(60) == b"\x01"
    assert not second.done()
