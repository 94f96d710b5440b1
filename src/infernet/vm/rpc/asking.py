"""Calls that ask the outside: they wait for it off the engine's thread, and are made again with what it answered."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from typing import TypeVar

from infernet.vm.engine_thread import EngineThread
from infernet.vm.request import At
from infernet.vm.rpc.errors import exceeds, refuse
from infernet.vm.spc.outside import AnswerNeeded, Remembered

R = TypeVar("R")


class Asked(Remembered):
    """What one request asked, and where it was first made: it is made again there, though the head moves on."""

    _place: At | None = None

    def pin(self, place: At) -> At:
        """The place of the first time."""
        if self._place is None:
            self._place = place
        return self._place


class Asking:
    """Makes calls on the engine's thread until they have all their answers.

    Args:
        most: calls that wait at a time.
    """

    def __init__(self, engine: EngineThread, most: int) -> None:
        self._engine = engine
        self._most, self._waiting = most, 0

    async def run(self, call: Callable[[], R], asked: Asked, left: Callable[[], Awaitable[object]]) -> R:
        """What the call comes to.

        Args:
            call: asks by `asked`, and has no effect before it has all answers.
            left: ends when nobody wants to know any more.

        Raises:
            RpcError: too many wait already; or nobody wants to know.
        """
        with contextlib.ExitStack() as stack:
            stack.callback(asked.cancel)
            is_counted = False
            while isinstance(result := await self._engine.run(_attempt, call), AnswerNeeded):
                if not is_counted:
                    stack.enter_context(self._take_place())
                    is_counted = True
                await _wait(result.answer, left)
            return result

    @contextlib.contextmanager
    def _take_place(self) -> Iterator[None]:
        if self._waiting >= self._most:
            raise exceeds(f"{self._most} calls wait for answers from outside already: try again later")
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1


def _attempt(call: Callable[[], R]) -> R | AnswerNeeded:
    try:
        return call()
    except AnswerNeeded as needed:
        return needed


async def _wait(answer: Future[bytes] | None, left: Callable[[], Awaitable[object]]) -> None:
    loop, answered = asyncio.get_running_loop(), asyncio.Event()
    if answer is not None:
        answer.add_done_callback(lambda _: tell(loop, answered.set))
    tasks = [asyncio.ensure_future(end) for end in (answered.wait(), left())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if not answered.is_set():
        raise refuse("the client has left")


def tell(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
    """Call it on this loop, from any thread; nobody is told any more once the loop has ended."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(function)
