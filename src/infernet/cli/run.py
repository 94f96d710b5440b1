"""Run a coroutine until it ends or a signal ends it, with everything it opened closed again."""

from __future__ import annotations

import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

from infernet.cli.output import set_up_logs

T = TypeVar("T")
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Interrupted(BaseException):
    """A signal ended the work, and everything is closed."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        self.name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name


def raise_interrupted(number: int, frame: object) -> None:
    """A signal handler for work without an event loop."""
    raise Interrupted(number)


def run(work: Coroutine[Any, Any, T], *, logs: str = "warning", log_format: str = "console") -> T:
    """As `asyncio.run`, where Ctrl-C, SIGTERM and a terminal that goes away all end the work in the same orderly way.

    Only the first signal counts: closing is bounded in time, and a second Ctrl-C would leave things behind. A signal
    that the caller ignores (`nohup`) stays ignored.

    Raises:
        Interrupted: after a signal, when everything is closed.
    """
    import asyncio

    set_up_logs(logs, log_format)
    received: list[int] = []

    async def main() -> T:
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()

        def stop(number: int) -> None:
            received.append(number)
            if len(received) == 1 and task is not None:
                task.cancel()

        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, stop, number)
        return await work

    try:
        return asyncio.run(main())
    except asyncio.CancelledError:
        raise Interrupted(received[0] if received else signal.SIGINT) from None
