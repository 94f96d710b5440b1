"""The worker process: loads one container, then answers one request after the other.

    python -m infernet.compute.worker

Frames come in on stdin and go out on stdout. Both are taken away from the code that runs here: it finds an empty stdin,
and what it prints lands on stderr. The worker ends with its parent, whatever it is doing.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from infernet.compute.frames import Kind, encode_error, encode_frame, read_frame
from infernet.errors import InfernetError, JobRejected, NodeMisconfigured

Run = Callable[[bytes], bytes]
WORK_PREFIX = "infernet-worker-"
"""Of the folder that the node makes for a worker's temporary files."""
_WORK = Path(os.environ.get("TMPDIR", ""))


def main() -> None:
    requests, answers = _claim_pipes()
    threading.Thread(target=_exit_with_the_parent, args=(requests.fileno(),), daemon=True).start()
    with contextlib.suppress(BrokenPipeError):
        _serve(requests, answers)
    _end()


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    run: Run | None = None
    while frame := read_frame(requests):
        kind, payload = frame
        if kind is Kind.LOAD:
            run, answer = _load(payload)
        else:
            answer = _answer(run, payload)
        answers.write(answer)
        answers.flush()


def _claim_pipes() -> tuple[BinaryIO, BinaryIO]:
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, answers


def _exit_with_the_parent(requests: int) -> None:
    """Wait until the other end of the pipe is closed, which the kernel does when the parent dies, and exit."""
    poller = select.poll()
    poller.register(requests, 0)
    while not poller.poll():
        pass
    _end()


def _end() -> None:
    """Exit at once, with what user code started (a worker that the node made leads a process group of its own) and with
    the temporary files, which a node that was killed would leave.
    """
    if _WORK.name.startswith(WORK_PREFIX):
        shutil.rmtree(_WORK, ignore_errors=True)
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def _load(payload: bytes) -> tuple[Run | None, bytes]:
    try:
        return _build_run(json.loads(payload)), encode_frame(Kind.READY)
    except InfernetError as error:
        return None, encode_error(error)
    except Exception as error:  # noqa: BLE001  (a process boundary: whatever user code or an engine raises while loading)
        return None, encode_error(NodeMisconfigured("container.start_failed", f"cannot be loaded: {_describe(error)}"))


def _build_run(spec: dict[str, Any]) -> Run:
    """Each kind imports what it needs, and no more."""
    match spec["kind"]:
        case "model":
            from infernet.compute.onnx_runner import load_onnx  # noqa: PLC0415

            return load_onnx(spec["manifest"], spec["folder"])
        case "python":
            from infernet.compute.python_runner import load_python  # noqa: PLC0415

            return load_python(spec["target"], spec["id"])
        case "entry":  # of a room that this one must not import
            module, _, name = spec["entry"].partition(":")
            run: Run = getattr(importlib.import_module(module), name)(**spec["arguments"])
            return run
        case kind:
            raise NodeMisconfigured("container.unknown_kind", f"there is no worker for containers of kind {kind!r}")


def _answer(run: Run | None, features: bytes) -> bytes:
    try:
        if run is None:
            raise NodeMisconfigured("container.start_failed", "nothing was loaded")
        return encode_frame(Kind.OUTPUT, run(features))
    except InfernetError as error:
        return encode_error(error)
    except Exception as error:  # noqa: BLE001  (a process boundary: whatever user code or an engine raises for a job)
        return encode_error(JobRejected("container.failed", _describe(error)))


def _describe(error: Exception) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0][:500]}" if lines else type(error).__name__


if __name__ == "__main__":
    main()
