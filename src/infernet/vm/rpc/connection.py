"""One WebSocket: requests are answered in their order, notifications come between the answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import MutableMapping
from typing import Any

from infernet.vm.rpc.client import Client, Node, stay
from infernet.vm.rpc.dispatch import Dispatcher
from infernet.vm.rpc.subscriptions import Notification
from infernet.web import WebSocket, WebSocketDisconnect

MAX_UNSENT = 20_000
MAX_UNSENT_BYTES = 64 * 2**20
CLOSE_S = 2.0


class Connection:
    """Serves one WebSocket.

    A client that sends requests faster than it reads answers is not listened to until it has read them; one that lets
    `max_unsent` notifications wait, or `max_unsent_bytes` of them, is disconnected.
    """

    def __init__(
        self,
        socket: WebSocket,
        dispatcher: Dispatcher[Client],
        node: Node,
        *,
        max_unsent: int = MAX_UNSENT,
        max_unsent_bytes: int = MAX_UNSENT_BYTES,
    ) -> None:
        self.client = Client(node, self._push, self._leave)
        self._socket = socket
        self._dispatcher = dispatcher
        self._max_unsent = max_unsent
        self._max_unsent_bytes = max_unsent_bytes
        self._loop = asyncio.get_running_loop()
        self._unsent: asyncio.Queue[str | Notification] = asyncio.Queue()
        self._unsent_bytes = 0
        self._held: list[Notification] | None = None
        self._next: asyncio.Task[MutableMapping[str, Any]] | None = None
        self._overflowed = asyncio.Event()

    async def serve(self) -> None:
        """Until either side ends it."""
        await self._socket.accept()
        tasks = [asyncio.create_task(part) for part in (self._read(), self._write(), self._overflowed.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            begun = [*tasks, self._next] if self._next is not None else tasks
            for task in begun:
                task.cancel()
            await asyncio.gather(*begun, return_exceptions=True)
        with contextlib.suppress(RuntimeError, WebSocketDisconnect, TimeoutError):  # it may be closed, or not be read
            async with asyncio.timeout(CLOSE_S):
                await self._socket.close(1013 if self._overflowed.is_set() else 1000)

    async def _read(self) -> None:
        while (message := await self._receive())["type"] != "websocket.disconnect":
            await self._answer(message.get("text") or message.get("bytes") or b"")
            await self._unsent.join()

    async def _receive(self) -> MutableMapping[str, Any]:
        ahead, self._next = self._next, None
        return await (self._socket.receive() if ahead is None else ahead)

    async def _leave(self) -> None:
        """Until the client closes the connection: for that the next message is read ahead, and one of another kind says
        that it is still there.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._socket.receive())
        message = await asyncio.shield(self._next)
        if message["type"] != "websocket.disconnect":
            await stay()

    async def _answer(self, message: str | bytes) -> None:
        """What comes of a new subscription waits until the client has been told the subscription's name."""
        self._held = []
        answer = await self._dispatcher.answer(message, self.client)
        held, self._held = self._held, None
        for unsent in [answer, *held]:
            if unsent is not None:
                self._unsent.put_nowait(unsent)

    async def _write(self) -> None:
        while True:
            unsent = await self._unsent.get()
            if isinstance(unsent, Notification):
                self._unsent_bytes -= len(unsent.result)
                unsent = unsent.text
            await self._socket.send_text(unsent)
            self._unsent.task_done()

    def _push(self, notification: Notification) -> None:
        """From the engine's thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended, and this connection with it
            self._loop.call_soon_threadsafe(self._enqueue, notification)

    def _enqueue(self, notification: Notification) -> None:
        self._unsent_bytes += len(notification.result)
        count = self._unsent.qsize() + len(self._held or ())
        if count >= self._max_unsent or self._unsent_bytes > self._max_unsent_bytes:
            self._overflowed.set()
        elif self._held is not None:
            self._held.append(notification)
        else:
            self._unsent.put_nowait(notification)
