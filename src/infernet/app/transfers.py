"""Long transfers in a thread, which end soon when whoever waits for them is cancelled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from infernet.models.download import Progress

T = TypeVar("T")


class _Stopped(Exception):
    """Nobody waits any more."""


async def run_transfer(transfer: Callable[[Progress], T], progress: Progress | None = None) -> T:
    """What `transfer` returns, run in a thread; cancelled, it ends at its next report. What has arrived stays, and the
    next attempt goes on from there.
    """
    is_over = threading.Event()

    def report(done: int, total: int) -> None:
        if is_over.is_set():
            raise _Stopped
        if progress is not None:
            progress(done, total)

    try:
        return await asyncio.to_thread(transfer, report)
    finally:
        is_over.set()
