"""The witnesses of the execution layer's page: a producer, two of them and a follower, each a process, and a model."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from documents import FENCE, Block, list_blocks, read_page

PAGE = "docs/execution-layer.md"
SHOWN, SHOWN_MODEL = "http://127.0.0.1:8545", "http://127.0.0.1:8000"
COMMANDS = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
TIMEOUT_S = 100
WARNING = "block.not_witnessed"


class Model(ThreadingHTTPServer):
    """Says one thing to whoever asks."""

    def __init__(self, says: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.says, self.asked = says, 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Model

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked += 1
        usage = {"prompt_tokens": 4, "completion_tokens": 1}
        body = json.dumps({"choices": [{"text": self.server.says}], "usage": usage}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def run_model(says: str) -> Iterator[Model]:
    with Model(says) as model:
        threading.Thread(target=model.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield model
        finally:
            model.shutdown()


class Reader:
    """Somebody who does what the section shows, in a folder of their own."""

    def __init__(self, folder: Path, file: Block) -> None:
        self.folder, self._file = folder, file
        self.rpc_url, self.environment = "", {**os.environ, "PATH": COMMANDS}

    def write_file(self, model: Model) -> None:
        """Everybody's copy, with a model of their own."""
        (self.folder / "witnessed.toml").write_text(self._file.text.replace(SHOWN_MODEL, model.url))

    def export(self, line: str) -> None:
        name, _, value = line.removeprefix("export ").partition("=")
        self.environment[name] = value

    @contextmanager
    def keep_running(self, line: str) -> Iterator[Path]:
        """The command while the context is open; the file that it warns into."""
        words = [word.replace(SHOWN, self.rpc_url) for word in shlex.split(line)]
        warnings = self.folder / f"{words[-1].strip('-')}-{time.monotonic_ns()}.log"
        with (
            warnings.open("w") as errors,
            subprocess.Popen(
                [*words, "--port", "0", "--json"],
                cwd=self.folder,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            ) as process,
        ):
            try:
                assert process.stdout is not None
                self.rpc_url = self.rpc_url or json.loads(process.stdout.readline())["rpcUrl"]
                yield warnings
            finally:
                process.terminate()

    def run(self, words: list[str]) -> str:
        words = [word.replace(SHOWN, self.rpc_url) for word in words]
        environment = self.environment | {"INFERNET_RPC_URL": self.rpc_url}
        done = subprocess.run(
            words, check=False, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S
        )
        assert done.returncode == 0, f"{shlex.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def read_status(self) -> dict[str, object]:
        status: dict[str, object] = json.loads(self.run(["infernet", "chain", "status", "--json"]))
        return status


def list_steps() -> tuple[Block, list[str], Block, list[str]]:
    """The file, what runs, the program that asks, and what is looked at."""
    blocks = [block for kind in ("toml", "sh", "python") for block in list_blocks(kind) if block.page == PAGE]
    steps = sorted((b for b in blocks if b.info.endswith(" witnesses")), key=lambda block: block.number)
    file, running, program, looking = steps
    return file, running.text.splitlines(), program, looking.text.splitlines()


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _warns(path: Path) -> bool:
    return f"{WARNING} " in path.read_text()


@pytest.mark.chain
@pytest.mark.e2e
def test_the_witnesses_of_the_page_seal_what_they_were_told_too(tmp_path: Path) -> None:
    file, running, program, looking = list_steps()
    reader = Reader(tmp_path, file)
    with run_model("yes") as model, ExitStack() as stack:
        reader.write_file(model)
        for line in running:
            if line.startswith("export "):
                reader.export(line)
            else:
                stack.enter_context(reader.keep_running(line))
        printed = reader.run([sys.executable, "-c", program.text])
        assert program.output is not None
        assert printed.strip() == program.output.strip()
        wait_until(lambda: reader.read_status()["sealed up to"] == 1)
        status, followed = [reader.run(shlex.split(line)) for line in looking]
        (shown,) = [fence["text"] for fence in FENCE.finditer(read_page(PAGE)) if "seals needed" in fence["text"]]
        assert set(shown.splitlines()) <= set(status.splitlines())
        assert "verified up to block 1" in followed
        assert model.asked == 4  # an estimate, the producer, two witnesses


@pytest.mark.chain
@pytest.mark.e2e
def test_the_witnesses_of_the_page_do_not_seal_what_only_the_producer_was_told(tmp_path: Path) -> None:
    file, running, program, looking = list_steps()
    reader = Reader(tmp_path, file)
    warnings: list[Path] = []
    with run_model("yes") as honest, run_model("no") as lying, ExitStack() as stack:
        reader.write_file(lying)
        stack.enter_context(reader.keep_running(running[0]))
        reader.write_file(honest)
        for line in running[1:]:
            if line.startswith("export "):
                reader.export(line)
            else:
                warnings.append(stack.enter_context(reader.keep_running(line)))
        reader.run([sys.executable, "-c", program.text])
        for path in warnings:
            wait_until(partial(_warns, path))
            (line,) = [line for line in path.read_text().splitlines() if WARNING in line]
            for fact in ("block=1", "record=0", "precompile=llm", "asked=small", b"no".hex(), b"yes".hex()):
                assert fact in line
        followed = reader.run(shlex.split(looking[1]))
        assert "block.waits_for_seals" in followed
        assert "verified up to block 0" in followed
        status = reader.read_status()
        assert (status["sealed up to"], status["produced"]) == (0, 1)
