"""Models that have workers only while they are asked: a few at a time, the longest unused first lose theirs."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from infernet.compute.model import ModelContainer
from infernet.types import ModelUse

_MAX_LOADED = 4


@dataclass(slots=True, eq=False)
class Loaded:
    """A model that has started. `release` lets its files go."""

    container: ModelContainer
    release: Callable[[], None] = lambda: None
    runs: int = 0

    async def close(self) -> None:
        """End its workers."""
        await self.container.stop()
        self.release()


class LoadedModels:
    """Those that have workers now."""

    def __init__(self) -> None:
        self._loaded: dict[str, Loaded] = {}
        self._loading: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._closing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def using(self, key: str, load: Callable[[], Awaitable[Loaded]]) -> AsyncIterator[ModelContainer]:
        """The model of this key, which keeps its workers until the end of the block. Raises what `load` raises."""
        async with self._loading[key]:
            loaded = self._loaded.pop(key, None) or await load()
            loaded.runs += 1
            self._loaded[key] = loaded  # the last of all
        self._close_idle()
        try:
            yield loaded.container
        finally:
            loaded.runs -= 1

    async def stop(self) -> None:
        """End all workers."""
        models, self._loaded = list(self._loaded.values()), {}
        await asyncio.gather(*(model.close() for model in models), *self._closing)

    def _close_idle(self) -> None:
        idle = [key for key, model in self._loaded.items() if not model.runs]
        for key in idle[: max(0, len(self._loaded) - _MAX_LOADED)]:
            task = asyncio.create_task(self._loaded.pop(key).close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


@dataclass(frozen=True, slots=True)
class OnDemand:
    """One of them as a container."""

    id: str
    _answer: Callable[[str, bytes], Awaitable[tuple[bytes, ModelUse]]]
    max_concurrency: int = 1

    async def start(self) -> None: ...

    async def run(self, features: bytes) -> bytes:
        return (await self.run_traced(features))[0]

    async def run_traced(self, features: bytes) -> tuple[bytes, ModelUse]:
        return await self._answer(self.id, features)

    async def stop(self) -> None: ...
