"""HTTP serving: the one room that knows the ASGI framework."""

from infernet.web.application import (
    JSONResponse,
    Request,
    Response,
    Route,
    WebSocket,
    WebSocketDisconnect,
    WebSocketRoute,
    build_application,
    read_body,
    read_json,
)
from infernet.web.server import HttpServer
from infernet.web.strict_json import decode_json

__all__ = [
    "HttpServer",
    "JSONResponse",
    "Request",
    "Response",
    "Route",
    "WebSocket",
    "WebSocketDisconnect",
    "WebSocketRoute",
    "build_application",
    "decode_json",
    "read_body",
    "read_json",
]
