"""Where a call runs."""

from __future__ import annotations

from dataclasses import dataclass

from infernet.vm.engine import BlockEnv, State
from infernet.vm.spc.call import Blobs


@dataclass(frozen=True, slots=True)
class Place:
    """A state, and the block that code on it finds itself in.

    Attributes:
        blobs: what the state refers to; None: all of it is on disk.
    """

    state: State
    env: BlockEnv
    blobs: Blobs | None = None
