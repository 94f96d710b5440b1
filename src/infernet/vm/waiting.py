"""Which transactions of the pool wait for answers from outside, and what they were answered so far."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from time import monotonic

from infernet.vm.request import TxRejected
from infernet.vm.spc.call import SpcRevert
from infernet.vm.spc.outside import AnswerNeeded, Question, Remembered, Start, ask_here
from infernet.vm.transaction import Transaction

MAX_ASKING = 128
"""Transactions whose answers are on their way or kept. Others that want to ask wait until one of these is answered."""
DUTY_S = 1.0
MAX_DUTY_QUESTIONS = 1_024
"""Of many contracts, whose gas bounds them."""
MAX_UNPAID, UNPAID_S = 32, 600.0
"""Questions that a sender may have put in so many seconds and not paid for: then its transactions wait."""
_SAME_CALL = ("to", "value", "data", "gas", "access_list", "authorizations")


class _Asks(Remembered):
    """What one transaction asks."""

    def __init__(self, transaction: Transaction, start: Callable[[_Asks, Question], Future[bytes]]) -> None:
        super().__init__(lambda question: start(self, question))
        self.transaction = transaction
        self._used: set[tuple[str, bytes]] = set()

    def ask(self, question: Question) -> bytes:
        self._used.add((question.kind, question.request))
        return super().ask(question)

    def begin_anew(self) -> None:
        """It is executed once more."""
        self._used.clear()

    def count_unpaid(self, *, is_mined: bool) -> int:
        """Of what was really asked: all, or what the execution that was mined asked no more."""
        used = self._used if is_mined else ()
        return sum(not answer.cancelled() and key not in used for key, answer in self._asked.items())


class Waiting:
    """Answers, kept by transaction from its first question until it leaves the pool, or others need the room.

    At first every question is asked at once, on the thread that executes: there a chain without an event loop stays.
    `ask_beside` changes that for as long as somebody listens.

    Args:
        duty_s: how long the calls that a block must begin with wait for their answers, all together.
    """

    def __init__(self, duty_s: float = DUTY_S) -> None:
        self._duty_s = duty_s
        self._asking: dict[bytes, _Asks] = {}
        self._unpaid: dict[bytes, tuple[float, int]] = {}
        self._turned_away: set[bytes] = set()
        self.ask_at_once()

    def ask_at_once(self) -> None:
        """From now on wait for each answer; what was being asked is asked again."""
        self._start: Start = ask_here
        self._wake: Callable[[], None] = lambda: None
        self._asking.clear()
        self._turned_away.clear()

    def ask_beside(self, start: Start, wake: Callable[[], None]) -> None:
        """From now on leave transactions that ask out of the block until they are answered.

        Args:
            start: begins to ask a question elsewhere.
            wake: says that a transaction may go on: called from any thread.
        """
        self._start, self._wake = start, wake

    def open(self, transaction: Transaction) -> Remembered | None:
        """What a transaction is executed with; None while that would lead no further."""
        known = self._asking.get(transaction.hash)
        if known is not None:
            known.begin_anew()
            return None if known.is_waiting else known
        if transaction.hash in self._turned_away and not self._may_begin(transaction):
            return None
        return _Asks(transaction, self._ask)

    def open_duty(self) -> Remembered:
        """What the calls are executed with that a block must begin with: they cannot be left out."""
        deadline = monotonic() + self._duty_s

        def ask(question: Question) -> Future[bytes]:
            answer = self._start(question)
            wait([answer], timeout=max(deadline - monotonic(), 0))
            if answer.done():
                return answer
            answer.cancel()
            return ask_here(Question(question.kind, question.request, self._give_up))

        return Remembered(ask, MAX_DUTY_QUESTIONS)

    def replace(self, old: Transaction, new: Transaction) -> None:
        """One takes the other's place in the pool, and its answers.

        Raises:
            TxRejected: the old one has asked, and the new one is another call: then nobody would pay for the answers.
        """
        known = self._asking.get(old.hash)
        if known is None:
            return
        if any(getattr(old, name) != getattr(new, name) for name in _SAME_CALL):
            message = "replacement transaction underpriced: the old one has asked the outside, only its fee can change"
            raise TxRejected("tx.has_asked", message)
        known.transaction = new
        self._asking[new.hash] = self._asking.pop(old.hash)

    def forget(self, tx_hash: bytes, *, is_mined: bool = False) -> None:
        """It has left the pool: mined, replaced or dropped."""
        self._turned_away.discard(tx_hash)
        known = self._asking.get(tx_hash)
        if known is not None:
            known.cancel()
            self._leave(known, is_mined=is_mined)
            if self._turned_away:
                self._wake()

    @property
    def _is_full(self) -> bool:
        return len(self._asking) >= MAX_ASKING and all(known.is_waiting for known in self._asking.values())

    def _may_begin(self, transaction: Transaction) -> bool:
        since, unpaid = self._unpaid.get(transaction.sender, (0.0, 0))
        return not self._is_full and (unpaid < MAX_UNPAID or monotonic() > since + UNPAID_S)

    def _ask(self, asks: _Asks, question: Question) -> Future[bytes]:
        tx_hash = asks.transaction.hash
        if tx_hash not in self._asking:
            if not self._may_begin(asks.transaction):
                self._turned_away.add(tx_hash)
                raise AnswerNeeded
            if len(self._asking) >= MAX_ASKING:
                self._forget_oldest()
            self._turned_away.discard(tx_hash)
            self._asking[tx_hash] = asks
        answer = self._start(question)
        answer.add_done_callback(lambda _: self._wake())
        return answer

    def _forget_oldest(self) -> None:
        """Of those that are answered: it is in the block already, or nothing has taken it for long."""
        self._leave(next(known for known in self._asking.values() if not known.is_waiting), is_mined=False)

    def _leave(self, asks: _Asks, *, is_mined: bool) -> None:
        del self._asking[asks.transaction.hash]
        unpaid = asks.count_unpaid(is_mined=is_mined)
        if unpaid:
            now = monotonic()
            self._unpaid = {who: entry for who, entry in self._unpaid.items() if now <= entry[0] + UNPAID_S}
            since, before = self._unpaid.get(asks.transaction.sender, (now, 0))
            self._unpaid[asks.transaction.sender] = (since, before + unpaid)

    def _give_up(self) -> bytes:
        raise SpcRevert(f"there was no answer within {self._duty_s:g} s: scheduled calls do not wait longer")
