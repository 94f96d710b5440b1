"""Blocks at an interval."""

from __future__ import annotations

import asyncio

import structlog

from infernet.vm.chain import Chain
from infernet.vm.engine_thread import EngineThread

log = structlog.get_logger()


class Pace:
    """Mines every `chain.dev.interval_s` seconds, counted from when that was last set; not at all where it is 0."""

    def __init__(self, chain: Chain, engine: EngineThread) -> None:
        self._chain = chain
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()

    def change(self) -> None:
        """The interval was set. Called from any thread."""
        self._loop.call_soon_threadsafe(self._changed.set)

    async def run(self) -> None:
        """Serve until cancelled."""
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
                await self._mine()

    async def _mine(self) -> None:
        try:
            await self._engine.run(self._chain.dev.mine)
        except Exception as error:  # noqa: BLE001  (a fault of the engine's must not end the pace for good)
            log.error("block.failed", error=repr(error))
