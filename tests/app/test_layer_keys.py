"""Only who asks needs a key: a follower of the same file does without."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from infernet.app.following import export
from infernet.app.layer import build_layer, run_layer
from infernet.cli import chain as command
from infernet.errors import NodeMisconfigured
from infernet.layer_settings import read_layer

FILE = """\
precompiles = ["vectors", "embeddings-recorded", "llm", "rag"]
predeploys = []

[[llm]]
name = "small"
url = "http://127.0.0.1:9/v1"
api_key_variable = "TEST_LLM_KEY"

[[embedder]]
name = "small"
url = "http://127.0.0.1:9/v1"
api_key_variable = "TEST_LLM_KEY"
"""


def test_a_follower_needs_no_key_and_a_producer_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, blocks = tmp_path / "layer.toml", tmp_path / "blocks.txt"
    path.write_text(FILE)
    settings = read_layer(path)

    async def produce() -> None:
        async with run_layer(build_layer(settings), None, "127.0.0.1", 0, is_dev=True) as running:
            assert await export(running.server.url, blocks, 1, None) == 1

    monkeypatch.setenv("TEST_LLM_KEY", "secret")
    asyncio.run(produce())
    monkeypatch.delenv("TEST_LLM_KEY")
    with pytest.raises(NodeMisconfigured, match="set TEST_LLM_KEY to the API key of 'small'"):
        build_layer(settings)
    done = CliRunner().invoke(command.app, ["follow", str(blocks), "--layer", str(path), "--once"])
    structlog.reset_defaults()  # the logs went to what the runner captured
    assert "verified up to block 1: every root is the same" in done.stdout, done
