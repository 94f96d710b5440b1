"""One HTTP server on one port, started and stopped by whoever owns it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Generator
from typing import Self

import uvicorn
from starlette.applications import Starlette

from infernet.errors import NodeMisconfigured

MAX_MESSAGE_BYTES = 1_000_000
_BACKLOG = 1024


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Signals belong to the program, not to one of its servers."""
        yield


class HttpServer:
    """Serves an application between `async with` and its end.

    Args:
        port: 0 takes a free one; `url` tells which.
        max_message_bytes: of one WebSocket message.
        max_connections: at once; those above it are answered with 503. None for as many as come.
    """

    def __init__(
        self,
        application: Starlette,
        host: str,
        port: int,
        *,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        max_connections: int | None = None,
    ) -> None:
        self._application = application
        self._host = host
        self._port = port
        self._max_message_bytes = max_message_bytes
        self._max_connections = max_connections
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://[{self._host}]:{self._port}" if ":" in self._host else f"http://{self._host}:{self._port}"

    async def __aenter__(self) -> Self:
        listener = _listen(self._host, self._port)
        self._port = listener.getsockname()[1]
        config = uvicorn.Config(
            self._application,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=3,
            ws_max_size=self._max_message_bytes,
            limit_concurrency=self._max_connections,
        )
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]), name="http")
        try:
            while not self._server.started and not self._task.done():  # noqa: ASYNC110 (uvicorn has no event for it)
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            await self.__aexit__()
            raise
        if self._task.done():
            listener.close()
            raise self._explain_end(self._task)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await asyncio.wait([self._task])
            self._server = self._task = None

    async def wait_end(self) -> None:
        """Watch over it: returns when it was told to end, and may be cancelled without harm to it.

        Raises:
            NodeMisconfigured: `api.ended`: it ended by itself.
        """
        if self._server is None or self._task is None:
            return
        server, task = self._server, self._task
        await asyncio.wait([task])
        if not server.should_exit:
            raise self._explain_end(task)

    def _explain_end(self, task: asyncio.Task[None]) -> NodeMisconfigured:
        error = None if task.cancelled() else task.exception()
        reason = f" ({str(error) or type(error).__name__})" if error is not None else ""
        ended = NodeMisconfigured(
            "api.ended",
            f"the HTTP API on {self.url} ended by itself{reason}: start the node again, or set another port",
        )
        ended.__cause__ = error
        return ended


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends without delay (TCP_NODELAY) only where the protocol is named: else each answer waits 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except (OSError, OverflowError, UnicodeError) as error:
        listener.close()
        raise _explain(host, port, error) from error
    return listener


def _explain(host: str, port: int, error: Exception) -> NodeMisconfigured:
    code = error.errno if isinstance(error, OSError) else None
    if code == errno.EADDRINUSE:
        return NodeMisconfigured(
            "port.in_use", f"port {port} of {host} is in use: stop what listens there, or set another API port"
        )
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    if code == errno.EACCES:
        return NodeMisconfigured("port.forbidden", f"{reason}: port {port} needs root, set an API port above 1023")
    return NodeMisconfigured("api.unusable", f"cannot listen on {host}, port {port} ({reason}): correct the API's host")
