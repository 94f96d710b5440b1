"""Trains a model of the demonstration in a process of its own, which can be ended at any moment and takes its memory
with it.

python -m infernet.app.training digits|texts FOLDER
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pickle
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from infernet.errors import InfernetError, NodeMisconfigured
from infernet.workflows.digits import TrainedDigits, train_digits
from infernet.workflows.texts import TrainedTexts, train_texts

_TRAINED = "trained.pickle"
_WORKFLOWS: dict[str, Callable[[Path], Any]] = {"digits": train_digits, "texts": train_texts}


async def train_digits_apart(folder: Path) -> TrainedDigits:
    """As `train_digits`. A cancelled training is gone when this returns, and writes nothing more into the folder.

    Raises:
        NodeMisconfigured: as `train_digits`; `training.failed`.
    """
    trained: TrainedDigits = await _train_apart("digits", folder)
    return trained


async def train_texts_apart(folder: Path) -> TrainedTexts:
    """The same for `train_texts`."""
    trained: TrainedTexts = await _train_apart("texts", folder)
    return trained


async def _train_apart(workflow: str, folder: Path) -> Any:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "infernet.app.training", workflow, str(folder)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C in the terminal is for us
    )
    try:
        said, complaints = await process.communicate()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if process.returncode != 0:
        raise _read_error(said, complaints)
    return pickle.loads((folder / _TRAINED).read_bytes())  # noqa: S301  (our own child wrote it just now)


def _read_error(said: bytes, complaints: bytes) -> NodeMisconfigured:
    try:
        error = json.loads(said)
        return NodeMisconfigured(error["code"], error["message"])
    except ValueError:
        lines = complaints.decode(errors="replace").strip().splitlines() or ["it was killed"]
        return NodeMisconfigured("training.failed", f"the training ended with: {lines[-1][:200]}")


def main() -> None:
    workflow, folder = sys.argv[1], Path(sys.argv[2])
    try:
        trained = _WORKFLOWS[workflow](folder)
    except InfernetError as error:
        print(json.dumps({"code": error.code, "message": error.message}))
        sys.exit(1)
    (folder / _TRAINED).write_bytes(pickle.dumps(trained))


if __name__ == "__main__":
    main()
