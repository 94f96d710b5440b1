"""Follow another node: take its blocks, execute them again, and stop at the first that says something else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Protocol

import structlog

from infernet.chain.transport import HttpTransport
from infernet.errors import InvalidInput, NodeMisconfigured
from infernet.vm.block import Block
from infernet.vm.chain import Chain
from infernet.vm.engine_thread import EngineThread
from infernet.vm.seal_book import SealedBlock
from infernet.vm.seal_exchange import SealExchange
from infernet.vm.witness import Witness

_BATCH = 32
_POLL_S = 0.25
_PATIENCE = 20
"""Polls for a block's seals before it is said that they are missing."""

log = structlog.get_logger()


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
    chain: Chain,
    engine: EngineThread,
    source: Source,
    *,
    once: bool,
    on_block: Callable[[Block], None],
    exchange: SealExchange | None = None,
    witness: Witness | None = None,
) -> int:
    """Execute a source's blocks; the answer is the number of the last that was verified.

    A block of a layer with witnesses is held back until a quorum has sealed it, but by a witness.

    Args:
        exchange: where seals are to be had that come late; None where those with the blocks are all there are.

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
    if witness is not None:
        await witness.resume()
    async for encoded in source.blocks(chain.head.number + 1, once=once):
        sealed = await engine.run(chain.seals.decode, encoded)
        if witness is None:
            complete = await _await_quorum(chain, engine, sealed, exchange, once=once)
            if complete is None:
                break
            sealed = complete
        on_block(await engine.run(chain.import_sealed, sealed))
        if witness is not None:
            await witness.look(sealed)
    return chain.head.number


async def _await_quorum(
    chain: Chain, engine: EngineThread, sealed: SealedBlock, exchange: SealExchange | None, *, once: bool
) -> SealedBlock | None:
    """The block with the seals of a quorum; None where there is none now, and nobody to wait for."""
    book, block = chain.seals, sealed.block
    if book.has_quorum(sealed.seals):
        return sealed
    ours = await engine.run(chain.block_by_number, block.number)
    if ours is not None and ours.hash == block.hash:  # a file begins with the first block whatever is here
        return sealed
    seen: list[bytes] = []
    for poll in count():
        if exchange is not None:
            before, seen = seen, await exchange.fetch(block)
            if seen != before:
                sealed = SealedBlock(block, {**await engine.run(book.select, block, seen), **sealed.seals})
            if book.has_quorum(sealed.seals):
                return sealed
            book.produced = await exchange.fetch_head()
        is_last = once or exchange is None
        if is_last or poll == _PATIENCE:
            _warn(chain, sealed)
        if is_last:
            return None
        await asyncio.sleep(_POLL_S)
    raise AssertionError


def _warn(chain: Chain, sealed: SealedBlock) -> None:
    witnesses = ["0x" + address.hex() for address in chain.seals.witnesses if address in sealed.seals]
    log.warning(
        "block.waits_for_seals",
        block=sealed.block.number,
        hash="0x" + sealed.block.hash.hex(),
        sealed_by=witnesses,
        needed=chain.seals.threshold,
    )
