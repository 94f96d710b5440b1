"""Models that no [[containers]] table names: those of the namespaces that the operator's policy trusts are fetched from
the chain's ModelRegistry when a subscription asks for one.
"""

from __future__ import annotations

import asyncio
from collections import UserDict, defaultdict
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass

from infernet.app.model_sources import Found, ModelSources
from infernet.compute.model import ModelContainer
from infernet.errors import InvalidInput, JobRejected, NodeMisconfigured
from infernet.models.cache import HeldModel
from infernet.ports import Clock, Container
from infernet.protocol.model_names import parse_published_name
from infernet.types import Address, ModelUse

_MAX_LOADED = 4
_REFUSED_S = 60.0


@dataclass(slots=True, eq=False)
class _Loaded:
    """A version with its worker; `held` keeps its files where they are."""

    held: HeldModel
    container: ModelContainer
    runs: int = 0

    async def close(self) -> None:
        await self.container.stop()
        self.held.release()


class RequestedModels:
    """What is asked for by its published name, `namespace/name:version` or `namespace/name@alias`. A few versions have
    workers, the longest unused first lose them.

    Args:
        namespaces: whose models are served.
        creators: who must have published them, as a namespace may change hands; empty for anybody who could.
    """

    def __init__(
        self, sources: ModelSources, namespaces: Collection[str], clock: Clock, creators: Collection[Address] = ()
    ) -> None:
        self._sources = sources
        self._namespaces = frozenset(namespaces)
        self._creators = frozenset(creators)
        self._clock = clock
        self._loaded: dict[str, _Loaded] = {}
        self._loading: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._refused: dict[str, tuple[float, NodeMisconfigured]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def allows(self, container: str) -> bool:
        """Whether the policy takes such a container, published or not."""
        try:
            return parse_published_name(container).namespace in self._namespaces
        except InvalidInput:
            return False

    async def run(self, container: str, features: bytes) -> tuple[bytes, ModelUse]:
        """The output by the version that the name stands for now.

        Raises:
            JobRejected: `model.creator_refused`.
            InfernetError: it is not published, cannot be fetched, is not what the chain says; as `ModelContainer.run`.
        """
        found = await self._sources.resolve(container)
        if self._creators and found.publisher not in self._creators:
            raise JobRejected(
                "model.creator_refused",
                f"{found.version} was published by {found.publisher}, whom the operator's policy does not name",
            )
        async with self._using(found) as loaded:
            output, use = await loaded.container.run_traced(features)
        return output, ModelUse(container, found.version, use.manifest_hash, found.run_id)

    async def stop(self) -> None:
        """End all workers."""
        versions, self._loaded = list(self._loaded.values()), {}
        await asyncio.gather(*(version.close() for version in versions), *self._closing)

    @asynccontextmanager
    async def _using(self, found: Found) -> AsyncIterator[_Loaded]:
        digest = found.manifest_hash
        async with self._loading[digest]:
            loaded = self._loaded.pop(digest, None) or await self._load(found)
            loaded.runs += 1
            self._loaded[digest] = loaded  # the last of all
        self._close_idle()
        try:
            yield loaded
        finally:
            loaded.runs -= 1

    def _close_idle(self) -> None:
        idle = [digest for digest, version in self._loaded.items() if not version.runs]
        for digest in idle[: max(0, len(self._loaded) - _MAX_LOADED)]:
            task = asyncio.create_task(self._loaded.pop(digest).close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _load(self, found: Found) -> _Loaded:
        """What cannot be served is not fetched again at once: whoever asks may ask often, and pays nothing for it."""
        now_s, digest = self._clock.now_s(), found.manifest_hash
        self._refused = {known: entry for known, entry in self._refused.items() if now_s < entry[0] + _REFUSED_S}
        if digest in self._refused:
            raise self._refused[digest][1]
        try:
            return await self._start(found)
        except NodeMisconfigured as error:
            self._refused[digest] = now_s, error
            raise

    async def _start(self, found: Found) -> _Loaded:
        held = await self._sources.fetch(found)
        container = ModelContainer(held.model.manifest, held.model.folder)
        try:
            await container.start()
        except BaseException:
            held.release()
            raise
        return _Loaded(held, container)


@dataclass(frozen=True, slots=True)
class _Requested:
    """One of them as a container. It takes a worker only when it is asked."""

    id: str
    _models: RequestedModels
    max_concurrency: int = 1

    async def start(self) -> None: ...

    async def run(self, features: bytes) -> bytes:
        return (await self.run_traced(features))[0]

    async def run_traced(self, features: bytes) -> tuple[bytes, ModelUse]:
        return await self._models.run(self.id, features)

    async def stop(self) -> None: ...


class ServedContainers(UserDict[str, Container]):
    """A node's containers by id. It iterates over those that it has; what it would fetch is there when it is asked."""

    def __init__(self, requested: RequestedModels | None = None) -> None:
        super().__init__()
        self._requested = requested

    def __contains__(self, name: object) -> bool:
        is_requested = isinstance(name, str) and self._requested is not None and self._requested.allows(name)
        return name in self.data or is_requested

    def __missing__(self, name: str) -> Container:
        if self._requested is None or not self._requested.allows(name):
            raise KeyError(name)
        return _Requested(name, self._requested)

    async def stop(self) -> None:
        """End the workers of what was fetched."""
        if self._requested is not None:
            await self._requested.stop()
