from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from infernet.compute.python import PythonContainer

CODE = """
import os, signal, subprocess, sys, tempfile, time
from pathlib import Path
from infernet.errors import RetryLater
from infernet.serve import container

@container("t")
def t(features: bytes) -> bytes:
    word, _, rest = features.partition(b" ")
    match word:
        case b"echo": return rest
        case b"pid": return str(os.getpid()).encode()
        case b"raise": raise ValueError("first line\\nsecond line")
        case b"later": raise RetryLater("peer.down", "the peer is down")
        case b"text": return "text"
        case b"print":
            print("noise on stdout"); os.write(1, b"raw noise"); print("more", file=sys.stderr, flush=True)
            return sys.stdin.read().encode() + rest
        case b"crash":
            print("last words", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGSEGV)
        case b"exit": os._exit(3)
        case b"sleep":
            Path(rest.decode()).write_text(str(os.getpid()))
            time.sleep(60)
        case b"spawn":
            child = subprocess.Popen(["sleep", "60"])
            return str(child.pid).encode()
        case b"temporary": return tempfile.mkdtemp().encode()
        case b"env": return os.environ.get(rest.decode(), "unset").encode()
    return b""
"""


@pytest.fixture
def code(tmp_path: Path) -> str:
    (tmp_path / "code.py").write_text(CODE)
    return f"{tmp_path / 'code.py'}:t"


@pytest.fixture
async def start(code: str) -> AsyncIterator[Callable[..., Any]]:
    started = []

    async def start_container(**options: Any) -> PythonContainer:
        container = PythonContainer("t", code, **options)
        await container.start()
        started.append(container)
        return container

    yield start_container
    for container in started:
        await container.stop()
