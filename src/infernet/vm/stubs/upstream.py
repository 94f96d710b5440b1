"""The chain behind the proxy: JSON-RPC messages as they are, so that its answers and errors are passed on unchanged."""

from __future__ import annotations

import itertools
import json
from types import TracebackType
from typing import Any, Self

import aiohttp

from infernet.chain.transport import name_endpoint
from infernet.errors import RetryLater

Message = dict[str, Any]


class ChainRefused(Exception):
    """The chain's answer to a request of ours is an error.

    Attributes:
        error: as it stands in the answer: code, message, perhaps data.
    """

    def __init__(self, error: Message) -> None:
        super().__init__(str(error.get("message")))
        self.error = error


class Upstream:
    """One JSON-RPC endpoint. An async context manager."""

    def __init__(self, url: str, timeout_s: float = 120.0) -> None:
        self._url = url
        self._endpoint = name_endpoint(url)
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._numbers = itertools.count(1)
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=self._timeout)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._session.close()

    async def post(self, message: Message) -> Message:
        """The answer to one message.

        Raises:
            RetryLater: `chain.unreachable`, also where the answer is no JSON object.
        """
        try:
            async with self._session.post(self._url, json=message) as response:
                answer = json.loads(await response.read())
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise RetryLater("chain.unreachable", f"{self._endpoint} does not answer: start it") from error
        if not isinstance(answer, dict):
            raise RetryLater("chain.unreachable", f"{self._endpoint} answers with JSON that is no answer")
        return answer

    async def request(self, method: str, *params: Any) -> Any:
        """The result of a request of ours.

        Raises:
            ChainRefused: the chain answers with an error.
            RetryLater: as `post`.
        """
        message = {"jsonrpc": "2.0", "id": next(self._numbers), "method": method, "params": list(params)}
        answer = await self.post(message)
        if "error" in answer:
            raise ChainRefused(answer["error"])
        return answer.get("result")
