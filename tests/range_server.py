"""A web server of a folder that knows ranges and can misbehave."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class FileServer:
    """Attributes:
    breaks_after: bytes after which a connection breaks, None for never.
    knows_ranges: whether it honours them.
    pause_s: after each ten bytes of a graph.
    endless: sends on and on after the end of each file.
    requests: path and first byte asked for, in order.
    """

    folder: Path
    url: str = ""
    breaks_after: int | None = None
    knows_ranges: bool = True
    endless: bool = False
    pause_s: float = 0.0
    requests: list[tuple[str, int]] = field(default_factory=list)


@contextmanager
def serve_folder(folder: Path) -> Iterator[FileServer]:
    state = FileServer(folder)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            start = int(self.headers.get("Range", "bytes=0-")[6:-1])
            state.requests.append((self.path, start))
            path = state.folder / self.path.lstrip("/")
            if not path.is_file():
                self.send_error(404)
                return
            content = path.read_bytes()
            is_partial = state.knows_ranges and "Range" in self.headers
            body = content[start:] if is_partial else content
            self.send_response(206 if is_partial else 200)
            if state.endless:
                self.send_header("Connection", "close")
            else:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self._send(body)

        def _send(self, body: bytes) -> None:
            self.close_connection = True
            try:
                pause_s = state.pause_s if self.path.endswith(".onnx") else 0.0
                if pause_s:
                    for start in range(0, len(body), 10):
                        self.wfile.write(body[start : start + 10])
                        time.sleep(pause_s)
                    return
                self.wfile.write(body if state.breaks_after is None else body[: state.breaks_after])
                while state.endless:
                    self.wfile.write(bytes(65536))
            except OSError:
                pass

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
