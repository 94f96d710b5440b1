"""A TCP proxy in front of an endpoint, which fails in the ways that endpoints fail."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal
from urllib.parse import urlsplit

Trouble = Literal["none", "refuse", "hang", "garbage", "error"]
GARBAGE = b"HTTP/1.1 200 OK\r\ncontent-length: 15\r\nconnection: close\r\n\r\n<html>oops</htm"
RPC_ERROR = b'{"jsonrpc":"2.0","id":0,"error":{"code":-32601,"message":"the method does not exist"}}'


class FaultyProxy:
    """Passes bytes on while `trouble` is `none`; changing it ends what is open.

    Attributes:
        trouble: `refuse` closes at once, `hang` never answers, `garbage` is half a page, `error` an error of JSON-RPC.
    """

    def __init__(self, target_url: str) -> None:
        target = urlsplit(target_url)
        self._target = (target.hostname or "", target.port or 80)
        self._writers: set[asyncio.StreamWriter] = set()
        self.trouble: Trouble = "none"
        self.url = ""

    def set_trouble(self, trouble: Trouble) -> None:
        """From now on."""
        self.trouble = trouble
        for writer in list(self._writers):
            writer.close()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[FaultyProxy]:
        """On a free port of loopback."""
        server = await asyncio.start_server(self._handle, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            self.set_trouble("refuse")

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            match self.trouble:
                case "none":
                    await self._pass_on(reader, writer)
                case "hang":
                    await reader.read()
                case "garbage":
                    await reader.read(65536)
                    writer.write(GARBAGE)
                    await writer.drain()
                case "error":
                    await reader.read(65536)
                    head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(RPC_ERROR)}\r\nconnection: close\r\n\r\n"
                    writer.write(head.encode() + RPC_ERROR)
                    await writer.drain()
        self._writers.discard(writer)
        writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(*self._target)
        self._writers.add(there_writer)
        await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))
        self._writers.discard(there_writer)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
