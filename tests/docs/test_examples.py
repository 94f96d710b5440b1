"""The examples of the documents do what the documents say."""

from __future__ import annotations

import asyncio
import functools
import io
from pathlib import Path

import pytest
from documents import Block, Compiled, list_blocks

from infernet.app.network import start_network
from infernet.chain.local import DEV_ACCOUNTS
from infernet.settings import ContainerSettings

RPC_URL, API_URL = "http://127.0.0.1:8545", "http://127.0.0.1:4000"
KEYS = ["0x" + account.private_key.hex() for account in DEV_ACCOUNTS]
CONTAINERS = [
    ContainerSettings(id="reverse", kind="python", target="infernet.serve.examples:reverse"),
    ContainerSettings(id="sum", kind="python", target="infernet.serve.examples:add_up"),
]
RUNNABLE = [block for block in list_blocks("python") if block.info == "python runnable"]


@pytest.mark.chain
def test_every_solidity_block_compiles(compiled: Compiled) -> None:
    assert compiled.returncode == 0, compiled.said


@pytest.mark.chain
async def test_every_runnable_block_prints_what_the_document_shows(
    compiled: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with start_network(CONTAINERS, Path("models"), block_time_s=1.0) as network:
        monkeypatch.chdir(compiled.folder)
        shown = (RPC_URL, API_URL, KEYS[-1])
        places = (network.chain.rpc_url, network.nodes[0].api_url or "")
        asking = [block for block in RUNNABLE if RPC_URL in block.text]
        keys = dict(zip(asking, KEYS[3:], strict=False))  # those before are the network's own
        async with asyncio.TaskGroup() as group:
            for block in RUNNABLE:
                actual = dict(zip(shown, (*places, keys.get(block, "")), strict=True))
                group.create_task(asyncio.to_thread(_check, block, actual))


def _check(block: Block, places: dict[str, str]) -> None:
    """Run a block as a program of its own: all at once, each with a key of its own."""
    text = block.text
    for shown, actual in places.items():
        text = text.replace(shown, actual)
    printed = io.StringIO()
    exec(compile(text, str(block), "exec"), {"__name__": "__main__", "print": functools.partial(print, file=printed)})
    assert block.output is None or printed.getvalue().strip() == block.output.strip(), str(block)
