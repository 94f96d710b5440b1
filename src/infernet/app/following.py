"""Following a chain, writing one down, looking at one: `infernet chain follow`, `export`, `status`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from infernet.app.layer import Layer
from infernet.chain.transport import HttpTransport
from infernet.vm.block import Block
from infernet.vm.chain import Chain
from infernet.vm.engine_thread import EngineThread
from infernet.vm.follower import FileSource, RpcSource
from infernet.vm.follower import follow as follow_source


async def follow(layer: Layer, path: Path | None, source: str, *, once: bool, on_block: Callable[[Block], None]) -> int:
    """Execute the blocks of a URL or a file; the answer is the number of the last that was verified.

    Args:
        path: of the follower's own chain; None keeps it in memory.

    Raises:
        InfernetError: as `vm.follower.follow`.
    """
    engine = EngineThread()
    try:
        chain = await engine.run(Chain, layer.genesis, layer.spcs, path, producer_key=None)
        try:
            if "://" not in source:
                return await follow_source(chain, engine, FileSource(Path(source)), once=True, on_block=on_block)
            async with HttpTransport(source, timeout_s=60) as transport:
                return await follow_source(chain, engine, RpcSource(transport), once=once, on_block=on_block)
        finally:
            await engine.run(chain.close)
    finally:
        engine.close()


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
    }
