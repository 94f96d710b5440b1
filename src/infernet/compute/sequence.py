"""Containers one after the other: `A,B` gives A's output to B as features."""

from __future__ import annotations

from collections.abc import Sequence

from infernet.ports import Container


class SequenceContainer:
    """Runs containers that somebody else starts and stops: they are usually served on their own as well."""

    def __init__(self, parts: Sequence[Container]) -> None:
        self._parts = tuple(parts)

    @property
    def id(self) -> str:
        return ",".join(part.id for part in self._parts)

    @property
    def max_concurrency(self) -> int:
        return min(part.max_concurrency for part in self._parts)

    async def start(self) -> None:
        """Nothing: the parts are started by their owner."""

    async def run(self, features: bytes) -> bytes:
        """The last part's output. Raises what the part that fails raises."""
        for part in self._parts:
            features = await part.run(features)
        return features

    async def stop(self) -> None:
        """Nothing: the parts are stopped by their owner."""
