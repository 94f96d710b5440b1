"""Containers that do what a test says, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

Answer = Callable[[bytes], "bytes | Awaitable[bytes]"]


class FunctionContainer:
    """A `ports.Container` around a function, which may be a coroutine function.

    Attributes:
        seen: the features it was run on, in order.
    """

    def __init__(self, container_id: str, answer: Answer, max_concurrency: int = 8) -> None:
        self.id = container_id
        self.max_concurrency = max_concurrency
        self.seen: list[bytes] = []
        self._answer = answer
        self._slots = asyncio.Semaphore(max_concurrency)

    async def start(self) -> None:
        """Nothing to start."""

    async def run(self, features: bytes) -> bytes:
        async with self._slots:
            self.seen.append(features)
            output = self._answer(features)
            return output if isinstance(output, bytes) else await output

    async def stop(self) -> None:
        """Nothing to stop."""


def reverse(container_id: str = "reverse") -> FunctionContainer:
    """The features, last byte first."""
    return FunctionContainer(container_id, lambda features: features[::-1])
