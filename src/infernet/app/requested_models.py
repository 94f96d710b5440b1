"""Models that no [[containers]] table names: those of the namespaces that the operator's policy trusts are fetched from
the chain's ModelRegistry when a subscription asks for one.
"""

from __future__ import annotations

import asyncio
from collections import UserDict, defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from infernet.app.model_sources import Found, ModelSources
from infernet.compute.model import ModelContainer
from infernet.errors import InvalidInput
from infernet.models.cache import HeldModel
from infernet.ports import Container
from infernet.protocol.model_names import parse_published_name
from infernet.types import ModelUse

_MAX_LOADED = 4


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
    """

    def __init__(self, sources: ModelSources, namespaces: Collection[str]) -> None:
        self._sources = sources
        self._namespaces = frozenset(namespaces)
        self._loaded: dict[str, _Loaded] = {}
        self._loading: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def allows(self, container: str) -> bool:
        """Whether the policy takes such a container, published or not."""
        try:
            return parse_published_name(container).namespace in self._namespaces
        except InvalidInput:
            return False

    async def run(self, container: str, features: bytes) -> tuple[bytes, ModelUse]:
        """The output by the version that the name stands for now.

        Raises:
            InfernetError: it is not published, cannot be fetched, is not what the chain says; as `ModelContainer.run`.
        """
        found = await self._sources.resolve(container)
        loaded = await self._take(found)
        try:
            output, use = await loaded.container.run_traced(features)
        finally:
            loaded.runs -= 1
        return output, ModelUse(container, found.version, use.manifest_hash, found.run_id)

    async def stop(self) -> None:
        """End all workers."""
        versions, self._loaded = list(self._loaded.values()), {}
        await asyncio.gather(*(version.close() for version in versions))

    async def _take(self, found: Found) -> _Loaded:
        async with self._loading[found.manifest_hash]:
            loaded = self._loaded.pop(found.manifest_hash, None) or await self._load(found)
            loaded.runs += 1
            self._loaded[found.manifest_hash] = loaded  # the last of all
        idle = [digest for digest, version in self._loaded.items() if not version.runs]
        for digest in idle[: max(0, len(self._loaded) - _MAX_LOADED)]:
            await self._loaded.pop(digest).close()
        return loaded

    async def _load(self, found: Found) -> _Loaded:
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
