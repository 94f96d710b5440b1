"""Trains a model of the demonstration in a process of its own, which can be ended at any moment and takes its memory
with it.

python -m infernet.app.training digits|texts|held-out FOLDER
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infernet import workflows
from infernet.compute.worker_process import SINGLE_THREADED
from infernet.errors import InfernetError, NodeMisconfigured
from infernet.models.store import read_manifest
from infernet.workflows.digits import TrainedDigits, train_digits
from infernet.workflows.preparation import prepare
from infernet.workflows.texts import TrainedTexts, train_texts
from infernet.workflows.workflow import load_workflow

FOREST = Path(workflows.__file__).parent / "demo" / "forest.py"
"""The workflow that the demonstration improves."""
_HELD_OUT = "held_out.json"
"""What a training says beside its models."""


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Rows that a workflow's models never see: features, shape [n, columns], and what they are, shape [n]."""

    features: NDArray[np.int64]
    target: NDArray[np.int64]


async def train_digits_apart(folder: Path) -> TrainedDigits:
    """As `train_digits`. A cancelled training is gone when this returns, and writes nothing more into the folder.

    Raises:
        NodeMisconfigured: as `train_digits`; `training.failed`.
    """
    said = await _train_apart("digits", folder)
    pixels, labels = np.array(said["pixels"], np.uint8), np.array(said["labels"], np.int64)
    return TrainedDigits(read_manifest(folder), folder, pixels, labels, said["accuracy"])


async def train_texts_apart(folder: Path) -> TrainedTexts:
    """The same for `train_texts`."""
    said = await _train_apart("texts", folder)
    return TrainedTexts(
        embedder=read_manifest(folder / "embedder"),
        classifier=read_manifest(folder / "classifier"),
        folder=folder,
        texts=tuple(said["texts"]),
        chapters=tuple(said["chapters"]),
        accuracy=said["accuracy"],
    )


async def load_held_out_apart(folder: Path) -> HeldOut:
    """The held-out rows of the workflow in `FOREST`, whose loading takes pandas and scikit-learn."""
    said = await _train_apart("held-out", folder)
    return HeldOut(np.array(said["features"], np.int64), np.array(said["target"], np.int64))


def _say_digits(folder: Path) -> dict[str, Any]:
    trained = train_digits(folder)
    return {"pixels": trained.pixels.tolist(), "labels": trained.labels.tolist(), "accuracy": trained.accuracy}


def _say_texts(folder: Path) -> dict[str, Any]:
    trained = train_texts(folder)
    return {"texts": trained.texts, "chapters": trained.chapters, "accuracy": trained.accuracy}


def _say_held_out(folder: Path) -> dict[str, Any]:
    folder.mkdir()
    rows = prepare(load_workflow(FOREST)).split.held_out
    return {"features": rows.matrix().astype(int).tolist(), "target": rows.target.tolist()}


_WORKFLOWS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "digits": _say_digits,
    "texts": _say_texts,
    "held-out": _say_held_out,
}


async def _train_apart(workflow: str, folder: Path) -> Any:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "infernet.app.training", workflow, str(folder)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=SINGLE_THREADED | dict(os.environ),
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
    return json.loads((folder / _HELD_OUT).read_text(encoding="utf-8"))


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
        said = _WORKFLOWS[workflow](folder)
    except InfernetError as error:
        print(json.dumps({"code": error.code, "message": error.message}))
        sys.exit(1)
    (folder / _HELD_OUT).write_text(json.dumps(said), encoding="utf-8")


if __name__ == "__main__":
    main()
