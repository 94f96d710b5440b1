"""JSON-RPC over HTTP: single requests and batches, bounded in time, size and number.

No web3: a contract call through it costs thirty times the CPU of one through this, and more than that in batches.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import aiohttp

from infernet.chain.rpc_errors import (
    bad_answer,
    describe_junk,
    timed_out,
    translate_error,
    translate_status,
    unreachable,
)
from infernet.errors import InfernetError, NodeMisconfigured, RetryLater

_READS = frozenset(
    {
        "eth_blockNumber",
        "eth_call",
        "eth_chainId",
        "eth_estimateGas",
        "eth_getBalance",
        "eth_getBlockByHash",
        "eth_getBlockByNumber",
        "eth_getCode",
        "eth_getLogs",
        "eth_getTransactionByHash",
        "eth_getTransactionCount",
        "eth_getTransactionReceipt",
        "infernet_addSeal",
        "infernet_exportBlocks",
        "infernet_getSeals",
        "infernet_sealStatus",
    }
)
"""What may be asked twice without a difference."""

_RETRIED = frozenset({"chain.unreachable", "chain.timeout", "chain.rate_limited"})
_TOO_MUCH = frozenset({"chain.batch_too_large", "chain.request_too_large"})
_ITEM_OVERHEAD_BYTES = 80


class Request(NamedTuple):
    """One JSON-RPC request."""

    method: str
    params: list[Any]


class HttpTransport:
    """One JSON-RPC endpoint. Use it as an async context manager, or call `close`.

    Args:
        url: http(s) URL. Its path and credentials stay out of errors and logs.
        timeout_s: for one HTTP request, from connecting to the last byte.
        max_response_bytes: a bigger answer is an error, not memory.
        batch_size: requests in one HTTP request, at most.
        batch_bytes: bytes in one HTTP request, at most (endpoints commonly stop at 2 MB).
        max_concurrency: HTTP requests under way at once.
        attempts: how often a read is sent before its failure is reported. Writes are sent once.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 10.0,
        max_response_bytes: int = 64 * 2**20,
        batch_size: int = 100,
        batch_bytes: int = 1_000_000,
        max_concurrency: int = 16,
        attempts: int = 3,
        backoff_s: float = 0.1,
    ) -> None:
        self.endpoint = name_endpoint(url)
        self.calls: Counter[str] = Counter()
        """JSON-RPC requests sent, by method: each one inside a batch counts, and each repetition."""
        self.http_requests = 0
        self._url = url
        self._timeout_s = timeout_s
        self._max_response_bytes = max_response_bytes
        self._batch_size = batch_size
        self._batch_bytes = batch_bytes
        self._slots = asyncio.Semaphore(max_concurrency)
        self._attempts = attempts
        self._backoff_s = backoff_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give back the connections. A later request opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def request(self, method: str, *params: Any) -> Any:
        """The result of one request.

        Raises:
            InfernetError: of the table in `rpc_errors`.
        """
        (result,) = await self._send_with_retries([Request(method, list(params))], single=True)
        if isinstance(result, InfernetError):
            raise result
        return result

    async def request_many(self, requests: Sequence[Request]) -> list[Any]:
        """Results in order, an `InfernetError` in the place of what failed. Never raises one."""
        if not requests:
            return []
        tasks: list[asyncio.Task[list[Any]]] = []
        async with asyncio.TaskGroup() as group:
            for batch in self._split(requests):
                tasks.append(group.create_task(self._send_with_retries(batch, single=False)))
        return [result for task in tasks for result in task.result()]

    def _split(self, requests: Sequence[Request]) -> Iterator[list[Request]]:
        batch: list[Request] = []
        size_bytes = 0
        for request in requests:
            item_bytes = _measure(request.params) + _ITEM_OVERHEAD_BYTES
            if batch and (len(batch) >= self._batch_size or size_bytes + item_bytes > self._batch_bytes):
                yield batch
                batch, size_bytes = [], 0
            batch.append(request)
            size_bytes += item_bytes
        yield batch

    async def _send_with_retries(self, batch: list[Request], *, single: bool) -> list[Any]:
        attempts = self._attempts if all(request.method in _READS for request in batch) else 1
        results: list[Any] = [None] * len(batch)
        left = list(range(len(batch)))
        for attempt in range(attempts):
            if attempt:
                await asyncio.sleep(self._backoff_s * 2 ** (attempt - 1))
            answers = await self._send_or_halve([batch[place] for place in left], single=single)
            for place, answer in zip(left, answers, strict=True):
                results[place] = answer
            left = [place for place in left if _is_passing(results[place])]
            if not left:
                break
        return results

    async def _send_or_halve(self, batch: list[Request], *, single: bool) -> list[Any]:
        try:
            async with self._slots:
                return await self._send(batch, single=single)
        except InfernetError as error:
            if error.code not in _TOO_MUCH or len(batch) == 1:
                return [error] * len(batch)
        middle = len(batch) // 2
        self._batch_size = min(self._batch_size, max(middle, 1))  # from now on
        halves = [await self._send_or_halve(half, single=False) for half in (batch[:middle], batch[middle:])]
        return halves[0] + halves[1]

    async def _send(self, batch: list[Request], *, single: bool) -> list[Any]:
        """One HTTP request. Raises what concerns the whole of it."""
        messages = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            for number, (method, params) in enumerate(batch)
        ]
        body = json.dumps(messages[0] if single else messages, separators=(",", ":")).encode()
        self.calls.update(request.method for request in batch)
        self.http_requests += 1
        status, answer = await self._post(body)
        try:
            parsed = json.loads(answer)
        except (ValueError, RecursionError):
            raise translate_status(status, answer, self.endpoint) or bad_answer(
                self.endpoint, describe_junk(answer)
            ) from None
        if status == 429:
            raise translate_status(status, answer, self.endpoint) or AssertionError
        if isinstance(parsed, list) and not single:
            return self._sort(batch, parsed)
        if isinstance(parsed, dict):
            result = self._read(batch[0], parsed)
            if single:
                return [result]
            if isinstance(result, InfernetError):  # the batch was refused as a whole
                raise result
        raise translate_status(status, answer, self.endpoint) or bad_answer(self.endpoint, "JSON that is no answer")

    def _sort(self, batch: list[Request], answers: list[Any]) -> list[Any]:
        by_id = {answer.get("id"): answer for answer in answers if isinstance(answer, dict)}
        lost = bad_answer(self.endpoint, "a batch that lacks an answer")
        return [self._read(request, by_id[number]) if number in by_id else lost for number, request in enumerate(batch)]

    def _read(self, request: Request, answer: dict[str, Any]) -> Any:
        if answer.get("error") is not None:
            return translate_error(answer["error"], request.method, self.endpoint)
        if "result" not in answer:
            return bad_answer(self.endpoint, "neither a result nor an error")
        return answer["result"]

    async def _post(self, body: bytes) -> tuple[int, bytes]:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._timeout_s),
                connector=aiohttp.TCPConnector(limit=0),
                headers={"content-type": "application/json"},
                auto_decompress=True,
            )
        try:
            async with self._session.post(self._url, data=body, allow_redirects=False) as response:
                return response.status, await self._read_bounded(response)
        except TimeoutError:
            raise timed_out(self.endpoint, self._timeout_s) from None
        except aiohttp.InvalidURL:
            raise _bad_url(self.endpoint) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise unreachable(self.endpoint, _explain(error)) from None

    async def _read_bounded(self, response: aiohttp.ClientResponse) -> bytes:
        parts: list[bytes] = []
        size_bytes = 0
        async for part in response.content.iter_any():
            parts.append(part)
            size_bytes += len(part)
            if size_bytes > self._max_response_bytes:
                response.close()
                raise RetryLater(
                    "chain.range_too_large",
                    f"{self.endpoint} answered with more than {self._max_response_bytes} bytes: ask for less at once",
                )
        return b"".join(parts)


def _is_passing(result: object) -> bool:
    return isinstance(result, RetryLater) and result.code in _RETRIED


def name_endpoint(url: str) -> str:
    """Scheme, host and port of a URL: hosted endpoints carry their key in the path.

    Raises:
        NodeMisconfigured: `chain.bad_url`, this is no http(s) URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _bad_url("the given text") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _bad_url(f"{parts.scheme}://{parts.hostname}" if parts.scheme and parts.hostname else "the given text")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{port}" if port else f"{parts.scheme}://{host}"


def _bad_url(shown: str) -> NodeMisconfigured:
    return NodeMisconfigured("chain.bad_url", f"{shown} is no RPC URL: give one like http://127.0.0.1:8545")


def _explain(error: BaseException) -> str:
    """Aiohttp repeats the URL in some messages; the operating system's own words are enough."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host name is not known"
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.strerror or "no connection"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "it closed the connection"
    return type(error).__name__


def _measure(params: object) -> int:
    """About how many bytes these parameters take as JSON."""
    if isinstance(params, str):
        return len(params) + 3
    if isinstance(params, dict):
        return sum(len(key) + 4 + _measure(value) for key, value in params.items())
    if isinstance(params, list):
        return 2 + sum(map(_measure, params))
    return 20
