"""From the bytes of a request to the bytes of its answer: JSON-RPC 2.0, single or in a batch."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import nullcontext
from itertools import groupby
from typing import Any, Generic, TypeVar

import structlog

from infernet.errors import InvalidInput
from infernet.vm.fault import describe_fault
from infernet.vm.rpc.errors import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    RESPONSE_TOO_LARGE,
    RpcError,
    invalid,
)
from infernet.vm.rpc.table import Method
from infernet.web import decode_json

Caller = TypeVar("Caller")

MAX_BATCH = 1_000
MAX_RESPONSE_BYTES = 25_000_000
_SLICE = 100  # of a batch, that are begun together
_AT_ONCE = 8  # of these, whose answers are not measured yet; what the event loop answers is small, and apart

log = structlog.get_logger()


_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class Dispatcher(Generic[Caller]):
    """Answers requests by a table of methods.

    Args:
        run: where a method is run: it awaits `method.answer(caller, *params)`.
        max_batch: requests in one batch.
    """

    def __init__(
        self,
        methods: Mapping[str, Method],
        run: Callable[[Method, Caller, list[Any]], Awaitable[object]],
        *,
        max_batch: int = MAX_BATCH,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
    ) -> None:
        self._methods = methods
        self._run = run
        self._max_batch = max_batch
        self._max_response_bytes = max_response_bytes

    async def answer(self, body: bytes | str, caller: Caller) -> str | None:
        """The answer to one message; None where it holds notifications only."""
        try:
            message = decode_json(body)
        except InvalidInput as error:
            return _encode_error(None, RpcError(PARSE_ERROR, f"parse error: {error.message}"))
        if not isinstance(message, list):
            return await self._answer_one(message, caller)
        if not message:
            return build_refusal("empty batch")
        if len(message) > self._max_batch:
            return build_refusal(f"batch too large: it holds {len(message)}, at most {self._max_batch}")
        return await self._answer_batch(message, caller)

    async def _answer_batch(self, batch: list[Any], caller: Caller) -> str | None:
        """Those that wait for the same thing wait together; the effects come in the order of the batch."""
        room = _Room(self._max_response_bytes)
        answers: list[str] = []
        for requests in self._split(batch):
            found = await asyncio.gather(*(self._answer_within(room, request, caller) for request in requests))
            answers += [answer for answer in found if answer is not None]
        return f"[{','.join(answers)}]" if answers else None

    async def _answer_within(self, room: _Room, request: Any, caller: Caller) -> str | None:
        async with nullcontext() if self._is_async(request) else room.turns:
            if room.left_bytes < 0:
                return _encode_error(_read_id(request), RpcError(RESPONSE_TOO_LARGE, "response too large"))
            answer = await self._answer_one(request, caller)
            room.left_bytes -= len(answer or "")
            return answer

    def _split(self, batch: list[Any]) -> Iterator[list[Any]]:
        for _, group in groupby(batch, self._is_async):
            requests = list(group)
            yield from (requests[start : start + _SLICE] for start in range(0, len(requests), _SLICE))

    def _is_async(self, request: Any) -> bool:
        name = request.get("method") if isinstance(request, dict) else None
        method = self._methods.get(name) if isinstance(name, str) else None
        return method is not None and method.is_async

    async def _answer_one(self, request: Any, caller: Caller) -> str | None:
        number = _read_id(request)
        try:
            result = await self._call(request, caller)
            answer = f'{{"jsonrpc":"2.0","id":{_encode(number)},"result":{_encode(result)}}}'
        except RpcError as error:
            answer = _encode_error(number, error)
        except Exception as error:  # noqa: BLE001  (the boundary: a fault of ours must not end the connection)
            log.error("rpc.failed", method=request["method"], **describe_fault(error))
            answer = _encode_error(number, RpcError(INTERNAL_ERROR, "internal error: the node's log has the reason"))
        return answer if not isinstance(request, dict) or "id" in request or "method" not in request else None

    async def _call(self, request: Any, caller: Caller) -> object:
        if not isinstance(request, dict) or request.get("jsonrpc") != "2.0":
            raise RpcError(INVALID_REQUEST, 'invalid request: want an object with "jsonrpc": "2.0"')
        name, params = request.get("method"), request.get("params")
        if not isinstance(name, str) or not isinstance(request.get("id"), str | int | float | None):
            raise RpcError(INVALID_REQUEST, "invalid request: the method is a string, the id a string or a number")
        method = self._methods.get(name)
        if method is None:
            raise RpcError(METHOD_NOT_FOUND, f"the method {name} does not exist/is not available")
        if not isinstance(params, list | None):
            raise invalid("non-array args: give the parameters in a list")
        return await self._run(method, caller, method.read_params(params or []))


class _Room:
    """What is left for the other answers of a batch."""

    def __init__(self, left_bytes: int) -> None:
        self.left_bytes = left_bytes
        self.turns = asyncio.Semaphore(_AT_ONCE)


def _read_id(request: Any) -> str | int | float | None:
    number = request.get("id") if isinstance(request, dict) else None
    return number if isinstance(number, str | int | float) else None


def build_refusal(message: str) -> str:
    """The answer to what is no request at all."""
    return _encode_error(None, RpcError(INVALID_REQUEST, message))


def _encode_error(number: str | float | None, error: RpcError) -> str:
    return f'{{"jsonrpc":"2.0","id":{_encode(number)},"error":{_encode(error.describe())}}}'
