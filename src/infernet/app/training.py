"""Trains the digits model in a process of its own, which can be ended at any moment and takes its memory with it.

python -m infernet.app.training FOLDER
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path

import numpy as np

from infernet.errors import InfernetError, NodeMisconfigured
from infernet.models.store import read_manifest
from infernet.workflows.digits import TrainedDigits, train_digits

_HELD_OUT = "held_out.npz"


async def train_apart(folder: Path) -> TrainedDigits:
    """As `train_digits`. A cancelled training is gone when this returns, and writes nothing more into the folder.

    Raises:
        NodeMisconfigured: as `train_digits`; `training.failed`.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "infernet.app.training", str(folder)),
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
    return _read_result(folder)


def _read_error(said: bytes, complaints: bytes) -> NodeMisconfigured:
    try:
        error = json.loads(said)
        return NodeMisconfigured(error["code"], error["message"])
    except ValueError:
        lines = complaints.decode(errors="replace").strip().splitlines() or ["it was killed"]
        return NodeMisconfigured("training.failed", f"the training ended with: {lines[-1][:200]}")


def _read_result(folder: Path) -> TrainedDigits:
    with np.load(folder / _HELD_OUT) as held_out:
        pixels, labels, accuracy = held_out["pixels"], held_out["labels"], float(held_out["accuracy"])
    return TrainedDigits(read_manifest(folder), folder, pixels, labels, accuracy)


def main() -> None:
    folder = Path(sys.argv[1])
    try:
        trained = train_digits(folder)
    except InfernetError as error:
        print(json.dumps({"code": error.code, "message": error.message}))
        sys.exit(1)
    np.savez(folder / _HELD_OUT, pixels=trained.pixels, labels=trained.labels, accuracy=trained.accuracy)


if __name__ == "__main__":
    main()
