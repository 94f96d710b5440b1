"""The examples of the documents do what the documents say."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from documents import Block, Compiled, list_blocks

from infernet.app.network import start_network
from infernet.settings import ContainerSettings

RPC_URL, API_URL = "http://127.0.0.1:8545", "http://127.0.0.1:4000"
CONTAINERS = [
    ContainerSettings(id="reverse", kind="python", target="infernet.serve.examples:reverse"),
    ContainerSettings(id="sum", kind="python", target="infernet.serve.examples:add_up"),
]
RUNNABLE = [block for block in list_blocks("python") if block.info == "python runnable"]


@pytest.mark.chain
def test_every_solidity_block_compiles(compiled: Compiled) -> None:
    assert compiled.returncode == 0, compiled.said


@pytest.mark.chain
async def test_every_runnable_block_prints_what_the_document_shows(compiled: Compiled) -> None:
    async with start_network(CONTAINERS, Path("models"), block_time_s=0.5) as network:
        places = {RPC_URL: network.chain.rpc_url, API_URL: network.nodes[0].api_url or ""}
        for block in RUNNABLE:
            printed = await _run(block, compiled.folder, places)
            assert block.output is None or printed.strip() == block.output.strip(), str(block)


async def _run(block: Block, folder: Path, places: dict[str, str]) -> str:
    text = block.text
    for shown, actual in places.items():
        text = text.replace(shown, actual)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", text, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    printed, errors = await process.communicate()
    assert process.returncode == 0, f"{block}\n{errors.decode()}"
    return printed.decode()
