"""Blocks at an interval, and when answers from outside have come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from infernet.vm.chain import Chain
from infernet.vm.engine_thread import EngineThread
from infernet.vm.rpc.asking import tell

log = structlog.get_logger()


class Pace:
    """Mines every `chain.dev.interval_s` seconds, counted from when that was last set; not at all where it is 0.

    With automine on, what waits for the outside is mined when its answer is there.
    """

    def __init__(self, chain: Chain, engine: EngineThread) -> None:
        self._chain = chain
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._changed, self._answered = asyncio.Event(), asyncio.Event()

    def change(self) -> None:
        """The interval was set. Called from any thread."""
        tell(self._loop, self._changed.set)

    def wake(self) -> None:
        """An answer from outside is there. Called from any thread."""
        tell(self._loop, self._answered.set)

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._mine_in_time())
            tasks.create_task(self._mine_answered())

    async def _mine_answered(self) -> None:
        while True:
            await self._answered.wait()
            self._answered.clear()
            await self._mine(self._chain.mine_ready)

    async def _mine_in_time(self) -> None:
        while True:
            self._changed.clear()
            interval_s = self._chain.dev.interval_s
            if interval_s > 0:
                await self._mine_every(interval_s)
            else:
                await self._changed.wait()

    async def _mine_every(self, interval_s: float) -> None:
        """Until the interval is another. One that takes longer than that delays the next alone."""
        due = self._loop.time()
        while True:
            due = max(due + interval_s, self._loop.time())
            try:
                async with asyncio.timeout_at(due):
                    await self._changed.wait()
                return
            except TimeoutError:
                await self._mine(self._chain.dev.mine)

    async def _mine(self, mine: Callable[[], object]) -> None:
        try:
            await self._engine.run(mine)
        except Exception as error:  # noqa: BLE001  (a fault of the engine's must not end the pace for good)
            log.error("block.failed", error=repr(error))
