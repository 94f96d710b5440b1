"""An ASGI application whose every error is `{"error": {"code", "message"}}`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infernet.errors import InfernetError, InvalidInput, JobRejected, RetryLater

MAX_BODY_BYTES = 1_000_000

__all__ = ["JSONResponse", "Request", "Response", "Route", "build_application", "read_json"]


def build_application(routes: Sequence[Route]) -> Starlette:
    """The application of these routes."""
    return Starlette(
        routes=list(routes), exception_handlers={InfernetError: _answer_error, HTTPException: _answer_http_error}
    )


async def read_json(request: Request, max_bytes: int = MAX_BODY_BYTES) -> Any:
    """The request's body, parsed.

    Raises:
        InvalidInput: `request.too_large`, `request.not_json`.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise InvalidInput("request.too_large", f"a request has at most {max_bytes} bytes: send less")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("request.not_json", "the body is no JSON: send one JSON object") from error


async def _answer_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, InfernetError):
        raise error
    status = {InvalidInput: 400, JobRejected: 422, RetryLater: 503}.get(type(error), 500)
    if error.code == "request.too_large":
        status = 413
    return JSONResponse({"error": {"code": error.code, "message": error.message}}, status_code=status)


async def _answer_http_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    content = {"error": {"code": f"http.{error.status_code}", "message": error.detail}}
    return JSONResponse(content, status_code=error.status_code, headers=error.headers)
