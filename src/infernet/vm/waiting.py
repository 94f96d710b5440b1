"""Which transactions of the pool wait for answers from outside, and what they were answered so far."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from time import monotonic

from infernet.vm.spc.call import SpcRevert
from infernet.vm.spc.outside import AnswerNeeded, Question, Remembered, Start, ask_here

MAX_ASKING = 128
"""Transactions whose answers are on their way or kept. Others that want to ask wait until one of these is answered."""
DUTY_S = 1.0
MAX_DUTY_QUESTIONS = 1_024
"""Of many contracts, whose gas bounds them."""


class Waiting:
    """Answers, kept by transaction from its first question until it leaves the pool, or others need the room.

    At first every question is asked at once, on the thread that executes: there a chain without an event loop stays.
    `ask_beside` changes that for as long as somebody listens.

    Args:
        duty_s: how long the calls that a block must begin with wait for their answers, all together.
    """

    def __init__(self, duty_s: float = DUTY_S) -> None:
        self._duty_s = duty_s
        self._asking: dict[bytes, Remembered] = {}
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

    def open(self, tx_hash: bytes) -> Remembered | None:
        """What a transaction is executed with; None while that would lead no further."""
        known = self._asking.get(tx_hash)
        if known is not None:
            return None if known.is_waiting else known
        if self._is_full and tx_hash in self._turned_away:
            return None
        fresh = Remembered(lambda question: self._ask(tx_hash, fresh, question))
        return fresh

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

    def forget(self, tx_hash: bytes) -> None:
        """It has left the pool: mined, replaced or dropped."""
        self._turned_away.discard(tx_hash)
        known = self._asking.pop(tx_hash, None)
        if known is not None:
            known.cancel()
            if self._turned_away:
                self._wake()

    @property
    def _is_full(self) -> bool:
        return len(self._asking) >= MAX_ASKING and all(known.is_waiting for known in self._asking.values())

    def _ask(self, tx_hash: bytes, asks: Remembered, question: Question) -> Future[bytes]:
        if tx_hash not in self._asking:
            if self._is_full:
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
        del self._asking[next(tx_hash for tx_hash, known in self._asking.items() if not known.is_waiting)]

    def _give_up(self) -> bytes:
        raise SpcRevert(f"there was no answer within {self._duty_s:g} s: scheduled calls do not wait longer")
