"""The examples of the documents do what the documents say."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from pathlib import Path

import pytest
from documents import Compiled, list_blocks

from infernet.app.network import start_network
from infernet.settings import ContainerSettings

RPC_URL, API_URL = "http://127.0.0.1:8545", "http://127.0.0.1:4000"
CONTAINERS = [
    ContainerSettings(id="reverse", kind="python", target="infernet.serve.examples:reverse"),
    ContainerSettings(id="sum", kind="python", target="infernet.serve.examples:add_up"),
]
PROGRAM = """
import contextlib, io, json, sys, traceback
outcomes = []
for text in json.load(sys.stdin):
    printed, error = io.StringIO(), ""
    with contextlib.redirect_stdout(printed):
        try:
            exec(compile(text, "block", "exec"), {"__name__": "__main__"})
        except Exception:
            error = traceback.format_exc()
    outcomes.append({"printed": printed.getvalue(), "error": error})
json.dump(outcomes, sys.stdout)
"""
RUNNABLE = [block for block in list_blocks("python") if block.info == "python runnable"]


@pytest.mark.chain
def test_every_solidity_block_compiles(compiled: Compiled) -> None:
    assert compiled.returncode == 0, compiled.said


@pytest.mark.chain
async def test_every_runnable_block_prints_what_the_document_shows(compiled: Compiled) -> None:
    async with start_network(CONTAINERS, Path("models"), block_time_s=0.4) as network:
        places = {RPC_URL: network.chain.rpc_url, API_URL: network.nodes[0].api_url or ""}
        asking = [block for block in RUNNABLE if RPC_URL in block.text]
        others = [block for block in RUNNABLE if RPC_URL not in block.text]
        outcomes = await asyncio.gather(
            *(_run_all([_place(b.text, places) for b in blocks], compiled.folder) for blocks in (asking, others))
        )
    for block, outcome in zip([*asking, *others], itertools.chain(*outcomes), strict=True):
        assert not outcome["error"], f"{block}\n{outcome['error']}"
        assert block.output is None or outcome["printed"].strip() == block.output.strip(), str(block)


def _place(text: str, places: dict[str, str]) -> str:
    for shown, actual in places.items():
        text = text.replace(shown, actual)
    return text


async def _run_all(texts: list[str], folder: Path) -> list[dict[str, str]]:
    """Each block as a program of its own, one after the other in one process, so that imports are paid for once."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, cwd=folder, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate(json.dumps(texts).encode())
    outcomes: list[dict[str, str]] = json.loads(printed)
    return outcomes
