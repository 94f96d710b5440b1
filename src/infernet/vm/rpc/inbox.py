"""Signed transactions on their way to the chain: those that come while it is busy go in together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from infernet.vm.chain import Chain
from infernet.vm.engine_thread import EngineThread

MAX_TOGETHER = 1_000


class Inbox:
    """Takes transactions one by one, gives them to the chain in the order they came, as many at a time as wait."""

    def __init__(self, chain: Chain, engine: EngineThread) -> None:
        self._chain = chain
        self._engine = engine
        self._waiting: asyncio.Queue[tuple[bytes, asyncio.Future[bytes]]] = asyncio.Queue()

    async def submit(self, raw: bytes) -> bytes:
        """The hash of the transaction, which the chain has taken.

        Raises:
            TxRejected: it has not.
        """
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((raw, answer))
        return await answer

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            batch = [await self._waiting.get()]
            while not self._waiting.empty() and len(batch) < MAX_TOGETHER:
                batch.append(self._waiting.get_nowait())
            for (_, answer), result in zip(batch, await self._submit([raw for raw, _ in batch]), strict=True):
                _settle(answer, result)

    async def _submit(self, raws: list[bytes]) -> Sequence[bytes | Exception]:
        try:
            return await self._engine.run(self._chain.submit_many, raws)
        except Exception as error:  # noqa: BLE001  (a fault of the engine's: who waits is told, who comes next is served)
            return [error] * len(raws)


def _settle(answer: asyncio.Future[bytes], result: bytes | Exception) -> None:
    if answer.done():  # whoever sent it has left
        return
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)
