"""Checkpoints of trainings: what one holds, and how often one is made."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

History = dict[str, list[tuple[int, float]]]
Build = Callable[[], tuple[bytes, str | None]]
"""A state as bytes, and why a training that goes on from it may end elsewhere, None where it may not."""
EVERY_S = 30.0
_MAGIC = b"infernet checkpoint 1\n"
_HEADER = ("run_id", "step", "total", "loop", "took_s", "history", "differs")
_COST = 100
"""What a checkpoint takes, times this, is the least time to the next one: it costs a training 1 % at the most."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A training as it was at the end of one of its steps.

    Attributes:
        run_id: the MLflow run that it was written in.
        step: how many steps were done, of `total`.
        loop: in which of its outermost loops, 0 for the first.
        took_s: how long it had been trained.
        history: what it had reported.
        differs: why going on from here may lead to another model than having gone on at once; None where it does not.
        state: as `encode_state` writes it.
    """

    run_id: str
    step: int
    total: int | None
    loop: int
    took_s: float
    history: History
    differs: str | None
    state: bytes = field(repr=False)

    @property
    def at(self) -> str:
        """Where it stands, in words."""
        return f"{self.step} of {self.total}" if self.total else str(self.step)


def encode_checkpoint(checkpoint: Checkpoint) -> bytes:
    """One file's content, with a hash that tells whether all of it is there."""
    header = json.dumps({name: getattr(checkpoint, name) for name in _HEADER}).encode()
    body = len(header).to_bytes(8, "little") + header + checkpoint.state
    return _MAGIC + hashlib.sha256(body).digest() + body


def decode_checkpoint(content: bytes) -> Checkpoint:
    """What `encode_checkpoint` was given.

    Raises:
        ValueError: it is torn, or something else.
    """
    rest = content.removeprefix(_MAGIC)
    if len(rest) == len(content):
        raise ValueError("it is none of ours")
    digest, body = rest[:32], rest[32:]
    if hashlib.sha256(body).digest() != digest:
        raise ValueError("it is damaged")
    end = 8 + int.from_bytes(body[:8], "little")
    header = json.loads(body[8:end])
    history = {name: [(int(step), float(value)) for step, value in rows] for name, rows in header["history"].items()}
    return Checkpoint(**{**header, "history": history}, state=body[end:])


class Saving:
    """How often a training writes down where it stands, and where to.

    Args:
        keep: puts a checkpoint's content in its place.
        found: where an earlier process got to.
        every_s: the least time between two; 0 for each step.
        exact_only: none whose training would end elsewhere for it.
    """

    def __init__(
        self,
        keep: Callable[[bytes], object],
        run_id: str,
        *,
        found: Checkpoint | None = None,
        every_s: float = EVERY_S,
        exact_only: bool = False,
    ) -> None:
        self.found, self.run_id, self.every_s, self.exact_only = found, run_id, every_s, exact_only
        self.keep = keep
        self._started_s = time.monotonic()
        self._next_s = self._started_s + every_s

    def is_due(self) -> bool:
        """Whether it is time for another."""
        return time.monotonic() >= self._next_s

    def write(self, build: Build, **place: Any) -> None:
        """Keep a checkpoint of what `build` answers, at this place: the other attributes of `Checkpoint`."""
        began_s = time.monotonic()
        state, differs = build()
        if not (differs and self.exact_only):
            before_s, differed = (self.found.took_s, self.found.differs) if self.found else (0.0, None)
            took_s = before_s + began_s - self._started_s
            checkpoint = Checkpoint(
                run_id=self.run_id, took_s=took_s, differs=differs or differed, state=state, **place
            )
            self.keep(encode_checkpoint(checkpoint))
        ended_s = time.monotonic()
        self._next_s = ended_s + (max(self.every_s, _COST * (ended_s - began_s)) if self.every_s else 0.0)
