"""The chain on one port: HTTP POST and WebSocket at `/`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

from infernet.chain.local import DevAccount
from infernet.errors import InvalidInput
from infernet.vm.chain import Chain
from infernet.vm.engine_thread import EngineThread
from infernet.vm.rpc.asking import Asking
from infernet.vm.rpc.client import Client, Limits, Node
from infernet.vm.rpc.connection import Connection
from infernet.vm.rpc.dispatch import Dispatcher, build_refusal
from infernet.vm.rpc.inbox import Inbox
from infernet.vm.rpc.methods import DEVELOPMENT_METHODS, METHODS, PUBLIC_METHODS
from infernet.vm.rpc.pace import Pace
from infernet.vm.rpc.table import Method
from infernet.vm.rpc.translation import translated
from infernet.vm.spc.workers import Workers
from infernet.web import (
    HttpServer,
    Request,
    Response,
    Route,
    WebSocket,
    WebSocketRoute,
    build_application,
    read_body,
)

MAX_BODY_BYTES = 5 * 2**20
MAX_CONNECTIONS = 1_000
ANY_ORIGIN = ("*",)


@asynccontextmanager
async def serve_chain(
    chain: Chain,
    engine: EngineThread,
    host: str,
    port: int,
    *,
    accounts: Sequence[DevAccount] = (),
    is_dev: bool = False,
    is_public: bool = False,
    limits: Limits | None = None,
    origins: Sequence[str] = ANY_ORIGIN,
    max_body_bytes: int = MAX_BODY_BYTES,
    max_connections: int = MAX_CONNECTIONS,
) -> AsyncIterator[HttpServer]:
    """Answer for a chain while the context is open, and make its blocks at its interval. What precompiles ask the
    outside is asked beside, for as long.

    Args:
        engine: the thread that the chain lives on.
        port: 0 takes a free one; the server's `url` tells which.
        accounts: with which the node signs for its clients; none outside of development.
        is_dev: whether helpers for tests are served: time, mining on demand, writes to the state.
        is_public: whether the methods are left out that make the node work hard or show what waits in the pool.
        origins: web pages that may ask (CORS); `*` is all of them.

    Raises:
        NodeMisconfigured: it cannot listen there.
    """
    limits = limits or Limits()
    inbox, pace, asking = Inbox(chain, engine), Pace(chain, engine), Asking(engine, limits.waiting_calls)
    of_transactions, of_calls = Workers(), Workers()
    node = Node(
        chain,
        {bytes.fromhex(account.address[2:]): account.private_key for account in accounts},
        limits,
        clock=time.monotonic,
        submit=inbox.submit,
        change_pace=pace.change,
        ask=of_calls.start,
    )

    async def run(method: Method, client: Client, params: list[Any]) -> object:
        with translated():
            if method.is_async:
                return await cast(Awaitable[object], method.answer(client, *params))
            if method.asks:
                client = client.begin()
                return await asking.run(partial(method.answer, client, *params), client.asked, client.left)
            return await engine.run(method.answer, client, *params)

    methods = PUBLIC_METHODS if is_public else METHODS
    dispatcher = Dispatcher(methods | DEVELOPMENT_METHODS if is_dev else methods, run)
    routes = _build_routes(dispatcher, node, engine, origins, max_body_bytes)
    application = build_application(routes, origins=origins)
    running = [asyncio.create_task(part, name="chain") for part in (inbox.run(), pace.run())]
    try:
        await engine.run(node.open)
        await engine.run(chain.waiting.ask_beside, of_transactions.start, pace.wake)
        async with HttpServer(
            application, host, port, max_message_bytes=max_body_bytes, max_connections=max_connections
        ) as server:
            yield server
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await engine.run(chain.waiting.ask_at_once)
        await engine.run(node.close)
        for workers in (of_transactions, of_calls):
            await engine.run(workers.close)


def _build_routes(
    dispatcher: Dispatcher[Client], node: Node, engine: EngineThread, origins: Sequence[str], max_body_bytes: int
) -> list[Route | WebSocketRoute]:
    async def post(request: Request) -> Response:
        if not request.headers.get("content-type", "").startswith("application/json"):  # browsers ask before sending it
            return _answer(build_refusal("invalid content type, only application/json is supported"), 415)
        try:
            body = await read_body(request, max_body_bytes)
        except InvalidInput as error:
            return _answer(build_refusal(error.message), 413)
        return _answer(await dispatcher.answer(body, Client(node, left=partial(_wait_end, request))))

    async def connect(socket: WebSocket) -> None:
        origin = socket.headers.get("origin")
        if origin is not None and "*" not in origins and origin not in origins:
            await socket.close(1008)
            return
        connection = Connection(socket, dispatcher, node)
        try:
            await connection.serve()
        finally:
            await engine.run(connection.client.leave)

    return [Route("/", post, methods=["POST"]), WebSocketRoute("/", connect)]


async def _wait_end(request: Request) -> None:
    """Until the client has closed the connection; the body has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _answer(text: str | None, status: int = 200) -> Response:
    """Notifications have an empty answer."""
    return Response(text or b"", status_code=status, media_type="application/json")
