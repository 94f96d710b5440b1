"""MLflow's own server in a process of its own, as a user starts it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

INFERNET = str(Path(sys.executable).with_name("infernet"))


@dataclass
class MlflowServer:
    """A server that can be taken away and brought back under one address."""

    store_uri: str
    port: int
    process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [INFERNET, "mlflow", "ui", "--port", str(self.port), "--no-browser", "--tracking-uri", self.store_uri]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        folder = Path(self.store_uri.removeprefix("sqlite:///")).parent
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, cwd=folder, env=environment, start_new_session=True
        )
        assert self.process.stdout is not None
        assert self.url in self.process.stdout.readline()

    def kill(self) -> None:
        """At once, and all that belongs to it."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.communicate()
            self.process = None


@contextmanager
def serve_mlflow(store_uri: str) -> Iterator[MlflowServer]:
    """`infernet mlflow ui` on a SQLite store."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        server = MlflowServer(store_uri, listener.getsockname()[1])
    server.start()
    try:
        yield server
    finally:
        server.kill()
