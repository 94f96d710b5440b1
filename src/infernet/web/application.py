"""An ASGI application whose every error is `{"error": {"code", "message"}}`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from infernet.errors import InfernetError, InvalidInput, JobRejected, RetryLater
from infernet.web.strict_json import decode_json

MAX_BODY_BYTES = 1_000_000
_STATUS_OF_CODE = {
    "request.too_large": 413,
    "requests.too_many": 429,
    "subscription.unknown": 404,
    "chain.not_served": 404,
}
_STATUS_OF_KIND = {InvalidInput: 400, JobRejected: 422, RetryLater: 503}

log = structlog.get_logger()

__all__ = [
    "JSONResponse",
    "Request",
    "Response",
    "Route",
    "WebSocket",
    "WebSocketDisconnect",
    "WebSocketRoute",
    "build_application",
    "read_body",
    "read_json",
]


def build_application(routes: Sequence[Route | WebSocketRoute], *, origins: Sequence[str] = ()) -> Starlette:
    """The application of these routes.

    Args:
        origins: web pages that may read its answers (CORS); `*` is all of them.
    """
    cors = Middleware(CORSMiddleware, allow_origins=list(origins), allow_methods=["POST"], allow_headers=["*"])
    return Starlette(
        routes=list(routes),
        middleware=[cors] if origins else [],
        exception_handlers={
            InfernetError: _answer_error,
            HTTPException: _answer_http_error,
            ClientDisconnect: _answer_nobody,
            Exception: _answer_unexpected,
        },
    )


async def read_body(request: Request, max_bytes: int = MAX_BODY_BYTES) -> bytes:
    """The request's body, read no further than its limit.

    Raises:
        InvalidInput: `request.too_large`.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise InvalidInput("request.too_large", f"a request has at most {max_bytes} bytes: send less")
    return bytes(body)


async def read_json(request: Request, max_bytes: int = MAX_BODY_BYTES) -> Any:
    """The request's body, parsed.

    Raises:
        InvalidInput: `request.too_large`, `request.not_json`, `request.too_deep`.
    """
    return decode_json(await read_body(request, max_bytes))


async def _answer_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, InfernetError):
        raise error
    status = _STATUS_OF_CODE.get(error.code) or _STATUS_OF_KIND.get(type(error), 500)
    return _build_answer(status, error.code, error.message)


async def _answer_http_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return _build_answer(error.status_code, f"http.{error.status_code}", error.detail, error.headers)


async def _answer_nobody(_: Request, error: Exception) -> Response:
    return _build_answer(400, "request.aborted", "the request ended before its body did")


async def _answer_unexpected(request: Request, error: Exception) -> Response:
    """A fault of ours: the details are for the operator's log alone."""
    log.error("http.failed", path=request.url.path[:200], error=repr(error))
    return _build_answer(500, "node.failed", "the node failed to answer: its operator finds the reason in the log")


def _build_answer(status: int, code: str, message: str, headers: Any = None) -> Response:
    text = message.encode("utf-8", "replace").decode()  # what a stranger sent may hold half of a surrogate pair
    return JSONResponse({"error": {"code": code, "message": text}}, status_code=status, headers=headers)
