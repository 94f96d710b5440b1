"""The one thread that runs the chain, so that the event loop stays free for its clients."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_STACK_BYTES = 512 * 2**20


class EngineThread:
    """Runs functions one after the other, in a thread with room for the EVM's 1,024 nested frames."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="engine")
        before = threading.stack_size(_STACK_BYTES)  # of threads that are made from now on: address space, not memory
        try:
            self._executor.submit(int).result()
        finally:
            threading.stack_size(before)

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What the function answers or raises."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, lambda: function(*args, **kwargs))

    def close(self) -> None:
        """Return when what runs has ended; what waits does not run."""
        self._executor.shutdown(wait=True, cancel_futures=True)
