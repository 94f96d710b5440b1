"""Follow another node: take its blocks, execute them again, and stop at the first that says something else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Protocol

from infernet.chain.transport import HttpTransport
from infernet.errors import InvalidInput, NodeMisconfigured
from infernet.vm.block import Block
from infernet.vm.chain import Chain
from infernet.vm.engine_thread import EngineThread

_BATCH = 32
_POLL_S = 0.25


class Source(Protocol):
    """Where blocks come from, each with its records, as `Chain.export` encodes them."""

    async def fetch_genesis_hash(self) -> bytes | None:
        """None where the source does not say."""
        ...

    def blocks(self, first: int, *, once: bool) -> AsyncIterator[bytes]:
        """From block `first` on, in order; `once` ends at what is there today."""
        ...


class RpcSource:
    """A node's JSON-RPC."""

    def __init__(self, transport: HttpTransport) -> None:
        self._transport = transport

    async def fetch_genesis_hash(self) -> bytes:
        """See `Source`."""
        genesis = await self._transport.request("eth_getBlockByNumber", "0x0", False)
        return bytes.fromhex(genesis["hash"][2:])

    async def blocks(self, first: int, *, once: bool) -> AsyncIterator[bytes]:
        """See `Source`. The next blocks are fetched while those before them are executed."""
        coming = asyncio.create_task(self._fetch(first))
        try:
            while True:
                batch = await coming
                if not batch and once:
                    return
                if not batch:
                    await asyncio.sleep(_POLL_S)
                first += len(batch)
                coming = asyncio.create_task(self._fetch(first))
                for encoded in batch:
                    yield encoded
        finally:
            coming.cancel()

    async def _fetch(self, first: int) -> list[bytes]:
        """The blocks from this one on, as many as there are, `_BATCH` at most."""
        answer = await self._transport.request("infernet_exportBlocks", hex(first), hex(_BATCH))
        return [bytes.fromhex(block[2:]) for block in answer]


class FileSource:
    """A file that `infernet chain export` wrote: the first block's hash, then one block a line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def fetch_genesis_hash(self) -> bytes | None:
        """See `Source`."""
        return next(self._read(), None)

    async def blocks(self, first: int, *, once: bool) -> AsyncIterator[bytes]:
        """See `Source`: blocks that are there already are passed over by who takes them."""
        del first, once
        lines = self._read()
        next(lines, None)
        for line in lines:
            yield line

    def _read(self) -> Iterator[bytes]:
        try:
            with self._path.open(encoding="ascii") as file:
                for number, line in enumerate(file, 1):
                    try:
                        yield bytes.fromhex(line.strip().removeprefix("0x"))
                    except ValueError:
                        raise InvalidInput(
                            "chain.file", f"{self._path}, line {number} is no block: export it again"
                        ) from None
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise InvalidInput("chain.file", f"{self._path} cannot be read: {reason}") from error


async def follow(
    chain: Chain, engine: EngineThread, source: Source, *, once: bool, on_block: Callable[[Block], None]
) -> int:
    """Execute a source's blocks; the answer is the number of the last that was verified.

    Raises:
        NodeMisconfigured: `chain.other_layer`, the source began with another block.
        BlockRejected: with the first difference.
        RetryLater: the source cannot be reached.
    """
    ours, theirs = (await engine.run(chain.block_by_number, 0)), await source.fetch_genesis_hash()
    if ours is not None and theirs is not None and ours.hash != theirs:
        raise NodeMisconfigured(
            "chain.other_layer",
            f"the source is another layer: its first block is 0x{theirs.hex()}, this one's 0x{ours.hash.hex()}; "
            "use the file that it was made from",
        )
    async for encoded in source.blocks(chain.head.number + 1, once=once):
        on_block(await engine.run(chain.import_block, encoded))
    return chain.head.number
