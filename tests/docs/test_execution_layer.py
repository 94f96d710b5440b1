"""The page of the execution layer: what it tells a reader to do is done, in its order, with the installed command."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from documents import FENCE, Block, Compiled, list_blocks, read_page
from reader import Reader

PAGE = "docs/execution-layer.md"
SHOWN = "http://127.0.0.1:8545"
VERIFIED = re.compile(r"verified up to block (\d+): every root is the same")


class LayerReader(Reader):
    """Somebody who builds a chain."""

    def edit(self, block: Block) -> None:
        """Give the key of each of the block's lines its value in the layer's file."""
        path = self.folder / "layer.toml"
        for line in block.text.splitlines():
            key = line.partition(" ")[0]
            text, count = re.subn(rf"^{key} = .*$", line, path.read_text(), flags=re.MULTILINE)
            assert count == 1, line
            path.write_text(text)

    @contextmanager
    def running_chain(self, command: str) -> Iterator[None]:
        """The chain while the context is open, on a free port."""
        with self.keep_running(f"{command} --port 0 --json") as said:
            self.places[SHOWN] = json.loads(said)["rpcUrl"]
            yield


def list_steps() -> list[Block]:
    """What a reader does with the layer, in the page's order; the generated file is what the first command writes."""
    blocks = [block for language in ("python", "sh", "toml") for block in list_blocks(language) if block.page == PAGE]
    steps = [block for block in blocks if block.info.endswith(" layer") and "predeploys" not in block.text]
    return sorted(steps, key=lambda block: block.number)


@pytest.mark.chain
@pytest.mark.e2e
def test_the_page_of_the_execution_layer_does_what_it_shows(compiled: Compiled, tmp_path: Path) -> None:
    assert compiled.returncode == 0, compiled.said
    (tmp_path / "contracts").symlink_to(compiled.folder / "contracts")
    reader, steps = LayerReader(tmp_path), list_steps()
    start = next(number for number, step in enumerate(steps) if "infernet chain run" in step.text)
    for step in steps[:start]:
        _do(reader, step)
    with reader.running_chain(steps[start].text.strip()):
        said = "".join(_do(reader, step) for step in steps[start + 1 :])
    verified = [int(number) for number in VERIFIED.findall(said)]
    assert len(verified) == 2
    assert min(verified) >= 4


def test_what_the_page_shows_of_a_follower_is_what_a_follower_says() -> None:
    shown = [fence["text"] for fence in FENCE.finditer(read_page(PAGE)) if fence["info"] == "text"]
    assert any(VERIFIED.fullmatch(text.strip()) for text in shown)


def _do(reader: LayerReader, step: Block) -> str:
    """One block of the page; what its commands printed."""
    if step.info.startswith("toml"):
        reader.edit(step)
    elif step.info.startswith("python"):
        reader.compare(step, reader.run_python(step.text))
    else:
        return "".join(reader.run(shlex.split(line)) for line in step.text.splitlines())
    return ""
