"""Models that no [[containers]] table names: those of the namespaces that the operator's policy trusts are fetched from
the chain's ModelRegistry when a subscription asks for one.
"""

from __future__ import annotations

from collections import UserDict
from collections.abc import Collection

from infernet.app.model_sources import Found, ModelSources
from infernet.app.on_demand import Loaded, LoadedModels, OnDemand
from infernet.errors import InvalidInput, JobRejected, NodeMisconfigured
from infernet.ports import Clock, Container
from infernet.protocol.model_names import parse_published_name
from infernet.types import Address, ModelUse

_REFUSED_S = 60.0


class RequestedModels:
    """What is asked for by its published name, `namespace/name:version` or `namespace/name@alias`.

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
        self._loaded = LoadedModels()
        self._refused: dict[str, tuple[float, NodeMisconfigured]] = {}

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
        async with self._loaded.using(found.manifest_hash, lambda: self._load(found)) as model:
            output, use = await model.run_traced(features)
        return output, ModelUse(container, found.version, use.manifest_hash, found.run_id)

    async def stop(self) -> None:
        """End all workers."""
        await self._loaded.stop()

    async def _load(self, found: Found) -> Loaded:
        """What cannot be served is not fetched again at once: whoever asks may ask often, and pays nothing for it."""
        now_s, digest = self._clock.now_s(), found.manifest_hash
        self._refused = {known: entry for known, entry in self._refused.items() if now_s < entry[0] + _REFUSED_S}
        if digest in self._refused:
            raise self._refused[digest][1]
        try:
            held, container = await self._sources.start(found)
        except NodeMisconfigured as error:
            self._refused[digest] = now_s, error
            raise
        return Loaded(container, held.release)


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
        return OnDemand(name, self._requested.run)

    async def stop(self) -> None:
        """End the workers of what was fetched."""
        if self._requested is not None:
            await self._requested.stop()
