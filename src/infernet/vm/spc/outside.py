"""The outside: what precompiles ask of the world beyond the chain, and what it answered.

A recorded precompile does all that it can compute, then puts a question to `SpcCall.ask`. Where the answer is there it
goes on at once. Where it is still on its way, `AnswerNeeded` ends the whole execution, which is begun anew when the
answer is there, and finds it. So nothing waits on the thread that executes; and a request that holds the time or the
number of its block is another question in each block, and is answered for none.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from infernet.vm.spc.call import SpcRevert

MAX_QUESTIONS = 16
MAX_ANSWER_BYTES = 2**20
"""After so many no more is asked: the last answer is as long as its own limit lets it be."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a precompile wants to know.

    Attributes:
        kind: what is asked, and of whom. Questions of one kind share workers.
        request: all that the answer depends on. Two questions of a kind with the same request are one.
        ask: fetches the answer, within its own limits of time and size, on any thread. Its errors are answers too: the
            precompile gets them as they are.
    """

    kind: str
    request: bytes
    ask: Callable[[], bytes]


Start: TypeAlias = Callable[[Question], "Future[bytes]"]


class AnswerNeeded(BaseException):
    """An execution cannot go on before this is answered; None where the question could not even be put.

    No error, so that nothing which survives errors takes it for one: neither a frame nor a precompile nor a log.

    Attributes:
        spent_s: how long the execution had run, where the engine says so.
    """

    def __init__(self, answer: Future[bytes] | None = None) -> None:
        super().__init__()
        self.answer = answer
        self.spent_s = 0.0


class Outside(Protocol):
    """Who answers the questions of one execution."""

    def ask(self, question: Question) -> bytes:
        """The answer, or the error that stands in its place.

        Raises:
            AnswerNeeded: there is none yet.
        """
        ...


def ask_here(question: Question) -> Future[bytes]:
    """Ask on this thread, which waits: where no event loop would come back to an unfinished execution."""
    answer: Future[bytes] = Future()
    settle(question, answer)
    return answer


def settle(question: Question, answer: Future[bytes]) -> None:
    """Ask, and make the answer known."""
    try:
        answer.set_result(question.ask())
    except Exception as error:  # noqa: BLE001  (it is raised where the answer is taken)
        answer.set_exception(error)


class Remembered:
    """The questions of one transaction or call, each asked once, however often it is executed.

    Args:
        start: begins to ask.
        most: questions.

    Attributes:
        spent_s: what executions have taken that came to no end.
    """

    def __init__(self, start: Start = ask_here, most: int = MAX_QUESTIONS) -> None:
        self._start, self._most = start, most
        self.spent_s = 0.0
        self._asked: dict[tuple[str, bytes], Future[bytes]] = {}

    @property
    def is_waiting(self) -> bool:
        """Whether an answer is on its way: of the last question, since an execution ends where it knows no more."""
        return bool(self._asked) and not next(reversed(self._asked.values())).done()

    def ask(self, question: Question) -> bytes:
        """See `Outside.ask`.

        Raises:
            SpcRevert: too much was asked.
        """
        key = (question.kind, question.request)
        answer = self._asked.get(key)
        if answer is None:
            self._check_room()
            answer = self._asked[key] = self._start(question)
        if answer.cancelled() or not answer.done():
            raise AnswerNeeded(answer)
        error = answer.exception()
        if error is not None:
            raise error.with_traceback(None)  # it may be raised again and again: each time would add to it
        return answer.result()

    def cancel(self) -> None:
        """Nobody wants the answers any more: what has not been asked is not."""
        for answer in tuple(self._asked.values()):
            answer.cancel()

    def _check_room(self) -> None:
        if len(self._asked) >= self._most:
            raise SpcRevert(f"a transaction asks the outside at most {self._most} questions")
        if sum(map(_measure, self._asked.values())) >= MAX_ANSWER_BYTES:
            raise SpcRevert(f"a transaction asks no more after {MAX_ANSWER_BYTES} bytes of answers")


def _measure(answer: Future[bytes]) -> int:
    is_there = answer.done() and not answer.cancelled() and answer.exception() is None
    return len(answer.result()) if is_there else 0
