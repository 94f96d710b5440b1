"""A real node that kills its own process (SIGKILL) at a chosen write of its journal.

    python -m infernet.testing.crash SETTINGS.json ACCOUNT STATE before|after COUNT

`before`: the write is not made, nor what stands in the same step. `after`: the step is on disk, nothing after it
happened. STATE `never` lives on.
"""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from infernet.app.node import start_node
from infernet.chain.local import DEV_ACCOUNTS
from infernet.keys.signer import LocalSigner
from infernet.settings import Settings
from infernet.store.journal import Job, Journal


@dataclass(frozen=True, slots=True)
class KillPoint:
    """Before or after the `count`-th time that a job is written down in `state`."""

    state: str
    when: Literal["before", "after"]
    count: int = 1


class MortalJournal(Journal):
    """A journal that ends its process at the kill point."""

    def __init__(self, path: Path, *, kill_point: KillPoint) -> None:
        super().__init__(path)
        self._kill_point = kill_point
        self._seen = 0
        self._is_doomed = False

    def save_job(self, job: Job) -> None:
        if job.state == self._kill_point.state:
            self._seen += 1
            if self._seen == self._kill_point.count:
                if self._kill_point.when == "before":
                    _die()
                self._is_doomed = True
        super().save_job(job)
        self._die_when_written()

    @contextmanager
    def step(self) -> Iterator[None]:
        with super().step():
            yield
        self._die_when_written()

    def _die_when_written(self) -> None:
        if self._is_doomed and not self._db.in_transaction:
            _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def serve(settings: Settings, account: int, kill_point: KillPoint) -> None:
    """Run the node until it dies."""
    signer = LocalSigner(DEV_ACCOUNTS[account].private_key)
    open_journal = functools.partial(MortalJournal, kill_point=kill_point)
    async with start_node(settings, signer, open_journal=open_journal):
        print("ready", flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Read the arguments and serve."""
    path, account, state, when, count = sys.argv[1:]
    settings = Settings.model_validate_json(Path(path).read_text(encoding="utf-8"))
    point = KillPoint(state, "before" if when == "before" else "after", int(count))
    asyncio.run(serve(settings, int(account), point))


if __name__ == "__main__":
    main()
