"""Following a chain, sealing one block of it, writing one down, looking at one: what `infernet chain` does there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infernet.app.layer import Layer
from infernet.chain.transport import HttpTransport
from infernet.errors import InfernetError, InvalidInput
from infernet.vm.block import Block
from infernet.vm.chain import Chain
from infernet.vm.engine_thread import EngineThread
from infernet.vm.follower import FileSource, RpcSource
from infernet.vm.follower import follow as follow_source
from infernet.vm.rpc.server import serve_chain
from infernet.vm.seal_exchange import SealExchange
from infernet.vm.seals import compute_seal_digest, sign_digest
from infernet.vm.witness import Witness


@dataclass(frozen=True)
class Serving:
    """Where a follower answers for its chain, and who is told when it does."""

    host: str
    port: int
    is_public: bool
    on_ready: Callable[[str], None]


async def follow(
    layer: Layer,
    path: Path | None,
    source: str,
    *,
    once: bool,
    on_block: Callable[[Block], None],
    witness_key: bytes | None = None,
    seals_from: Sequence[str] = (),
    serving: Serving | None = None,
) -> int:
    """Execute the blocks of a URL or a file; the answer is the number of the last that was verified.

    Args:
        path: of the follower's own chain; None keeps it in memory.
        witness_key: of a witness, who seals the blocks that it agrees with.
        seals_from: endpoints that are asked for seals beside the source.

    Raises:
        InvalidInput: `follow.file`: a file takes no seals, and has those that it has.
        InfernetError: as `vm.follower.follow`.
    """
    if "://" not in source and (witness_key is not None or seals_from):
        raise InvalidInput("follow.file", "seals go to endpoints and come from them: name one instead of a file")
    async with AsyncExitStack() as stack:
        engine = EngineThread()
        stack.callback(engine.close)
        is_public = serving is not None and serving.is_public
        asks = witness_key is not None and not is_public
        chain = await engine.run(Chain, layer.genesis, layer.spcs, path, producer_key=None, run_recorded=asks)
        stack.push_async_callback(engine.run, chain.close)
        if serving is not None:
            server = await stack.enter_async_context(
                serve_chain(chain, engine, serving.host, serving.port, is_public=is_public)
            )
            serving.on_ready(server.url)
        if "://" not in source:
            return await follow_source(chain, engine, FileSource(Path(source)), once=True, on_block=on_block)
        urls = (source, *seals_from)
        upstream, *others = [await stack.enter_async_context(HttpTransport(url, timeout_s=60)) for url in urls]
        exchange = SealExchange(upstream, others, most=1 + len(chain.seals.witnesses))
        witness = None if witness_key is None else Witness(chain, engine, witness_key, exchange)
        if witness is not None and not once:
            await stack.enter_async_context(_gathering(witness))
        return await follow_source(
            chain, engine, RpcSource(upstream), once=once, on_block=on_block, exchange=exchange, witness=witness
        )


async def seal(rpc_url: str, block_hash: bytes, private_key: bytes) -> str:
    """Seal one block by hand; the answer is the witness as the endpoint read it from the seal.

    Raises:
        InfernetError: the chain cannot be reached, has no such block, or takes no seal of this account.
    """
    async with HttpTransport(rpc_url) as transport:
        chain_id = int(await transport.request("eth_chainId"), 16)
        genesis = await transport.request("eth_getBlockByNumber", "0x0", False)
        digest = compute_seal_digest(chain_id, bytes.fromhex(genesis["hash"][2:]), block_hash)
        signed = sign_digest(private_key, digest)
        return str(await transport.request("infernet_addSeal", "0x" + block_hash.hex(), "0x" + signed.hex()))


@asynccontextmanager
async def _gathering(witness: Witness) -> AsyncIterator[None]:
    task = asyncio.create_task(witness.gather(), name="seals")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def export(rpc_url: str, path: Path, first: int, last: int | None) -> int:
    """Write blocks to a file, after the hash of the chain's first block; the answer is how many.

    Raises:
        InfernetError: the chain cannot be reached.
    """
    count = 0
    async with HttpTransport(rpc_url, timeout_s=60) as transport:
        source = RpcSource(transport)
        genesis_hash = await source.fetch_genesis_hash()
        with path.open("w", encoding="ascii") as file:
            file.write(genesis_hash.hex() + "\n")
            async for encoded in source.blocks(first, once=True):
                if last is not None and first + count > last:
                    break
                file.write(encoded.hex() + "\n")
                count += 1
    return count


async def fetch_status(rpc_url: str) -> dict[str, Any]:
    """What `infernet chain status` shows."""
    async with HttpTransport(rpc_url) as transport:
        version = await transport.request("web3_clientVersion")
        chain_id = int(await transport.request("eth_chainId"), 16)
        head = await transport.request("eth_getBlockByNumber", "latest", False)
        genesis = await transport.request("eth_getBlockByNumber", "0x0", False)
        seals = await _fetch_seal_status(transport)
    return {
        "client": version,
        "chain id": chain_id,
        "block": int(head["number"], 16),
        "hash": head["hash"],
        "state root": head["stateRoot"],
        "timestamp": int(head["timestamp"], 16),
        "base fee, wei": int(head["baseFeePerGas"], 16),
        "gas limit": int(head["gasLimit"], 16),
        "first block": genesis["hash"],
        **seals,
    }


async def _fetch_seal_status(transport: HttpTransport) -> dict[str, Any]:
    """Nothing on a layer without witnesses, and on a chain that has no seals."""
    try:
        status = await transport.request("infernet_sealStatus")
    except InfernetError:
        return {}
    threshold, witnesses = int(status["threshold"], 16), len(status["witnesses"])
    if not threshold:
        return {}
    sealed, produced = int(status["sealed"], 16), int(status["produced"], 16)
    return {"sealed up to": sealed, "produced": produced, "seals needed": f"{threshold} of {witnesses}"}
