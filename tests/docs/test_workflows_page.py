"""The page of workflows: a model creator's way from a CSV file to paid answers, each step of it done."""

from __future__ import annotations

import json
import resource
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from documents import Block, Compiled, list_blocks
from reader import Reader

PAGE = "docs/workflows.md"
CHAIN, MLFLOW = "http://127.0.0.1:8545", "http://127.0.0.1:5000"
STAYING = ("infernet dev", "infernet node", "infernet mlflow ui")
SERVING = "model.serving"
MACHINE_TIME_S = 300


def list_steps() -> list[Block]:
    """In the page's order."""
    blocks = [block for language in ("python", "sh", "toml") for block in list_blocks(language) if block.page == PAGE]
    return sorted((b for b in blocks if "workflow" in b.info.split()), key=lambda block: block.number)


@pytest.mark.chain
@pytest.mark.e2e
@pytest.mark.timeout(900)
def test_the_page_of_workflows_does_what_it_shows_within_five_minutes(compiled: Compiled, tmp_path: Path) -> None:
    assert compiled.returncode == 0, compiled.said
    (tmp_path / "contracts").symlink_to(compiled.folder / "contracts")
    reader, steps = Reader(tmp_path, {MLFLOW: f"http://127.0.0.1:{find_port()}"}), list_steps()
    assert len(steps) > 20
    before_s = read_machine_time_s()
    with ExitStack() as stack:
        for step in steps:
            _do(reader, step, stack)
    assert read_machine_time_s() - before_s < MACHINE_TIME_S


def _do(reader: Reader, step: Block, stack: ExitStack) -> None:
    name = step.info.partition("workflow")[2].strip()
    if name:
        free_port = "\n[api]\nport = 0\n" if step.info.startswith("toml") else ""
        reader.save(name, step.text + free_port)
    elif step.info.startswith("python"):
        reader.compare(step, reader.run_python(step.text))
    elif step.text.startswith(STAYING):
        reader.compare(step, _start(reader, step.text.strip(), stack))
    elif step.text.startswith("infernet explain"):
        _compare_once_seen(reader, step)
    else:
        served = _count_served(reader)
        reader.compare(step, reader.run_shell(step.text))
        if served and "models publish" in step.text:
            _wait_until_served(reader, served + 1)


def _compare_once_seen(reader: Reader, step: Block) -> None:
    """The node looks at the chain a little later than who asked."""
    end_s = time.monotonic() + 30
    while "delivered" not in (printed := reader.run_shell(step.text)) and time.monotonic() < end_s:
        time.sleep(0.2)
    reader.compare(step, printed)


def _start(reader: Reader, command: str, stack: ExitStack) -> str:
    """A command in a terminal of its own, on free ports."""
    if "mlflow" in command:
        command += f" --no-browser --port {reader.places[MLFLOW].rpartition(':')[2]}"
    if "dev" not in command:
        return stack.enter_context(reader.keep_running(command))
    command = command.replace("--api-port 4100", "--api-port 0 --port 0 --json")
    said = stack.enter_context(reader.keep_running(command))
    reader.places[CHAIN] = reader.variables["INFERNET_RPC_URL"] = json.loads(said)["rpcUrl"]
    return said


def _count_served(reader: Reader) -> int:
    """The versions that the node has taken up, by its log."""
    log = reader.folder / "node.log"
    return log.read_text().count(SERVING) if log.exists() else 0


def _wait_until_served(reader: Reader, count: int) -> None:
    end_s = time.monotonic() + 60
    while _count_served(reader) < count:
        assert time.monotonic() < end_s, (reader.folder / "node.log").read_text()
        time.sleep(0.05)


def find_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def read_machine_time_s() -> float:
    """Of the processor, by the programs that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
