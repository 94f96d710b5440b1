"""MLflow's own server in processes of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from infernet.workflows.tracker import build_ui_command


@dataclass
class MlflowServer:
    """A server that can be taken away and brought back under one address."""

    store_uri: str
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when it answers."""
        command = [sys.executable, *build_ui_command(self.store_uri, "127.0.0.1", self.port)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        environment |= {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        folder = Path(self.store_uri.removeprefix("sqlite:///")).parent
        with (folder / "server.txt").open("a") as said:
            self.process = subprocess.Popen(
                command, stdout=said, stderr=said, cwd=folder, env=environment, start_new_session=True
            )
        end_s = time.monotonic() + 120
        while time.monotonic() < end_s and self.process.poll() is None:
            with suppress(OSError), urllib.request.urlopen(f"{self.url}/health", timeout=2):
                return
            time.sleep(0.1)
        raise AssertionError((folder / "server.txt").read_text()[-2000:])

    def kill(self) -> None:
        """At once, and all that belongs to it."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@contextmanager
def serve_mlflow(store_uri: str) -> Iterator[MlflowServer]:
    """One on a SQLite store, as `infernet mlflow ui` starts it."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        server = MlflowServer(store_uri, listener.getsockname()[1])
    server.start()
    try:
        yield server
    finally:
        server.kill()
