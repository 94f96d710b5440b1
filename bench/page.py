"""The page of figures."""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from infernet.chain.anvil_binary import VERSION as ANVIL_VERSION

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
TEXT = """# Benchmarks

Written by `make bench`: every figure is measured by the scripts in `bench/`, on whole transactions and running nodes.

- date: {date}
- commit: {commit}
- machine: {machine}

| what | measured | must be | aim | peer |
|---|---|---|---|---|
{rows}

The peer is the public Infernet SDK 1.1 with node 1.4, measured earlier with the same consumer on a chain of 1 s blocks
and 2 cores; its figures are quoted, not measured in this run. The consumer of the gas figures stores 32 bytes of the
output in a slot that is not zero, its features have 32 bytes. A burst is 100 requests in one block.
"""


@dataclass(frozen=True, slots=True)
class Check:
    """A measured number and the limit that it must keep.

    Attributes:
        sense: `at_most` or `at_least`.
    """

    name: str
    measured: float
    sense: Literal["at_most", "at_least"]
    goal: float

    @property
    def holds(self) -> bool:
        return self.measured <= self.goal if self.sense == "at_most" else self.measured >= self.goal

    def describe_goal(self) -> str:
        """The goal in words."""
        return f"{self.name} {'≤' if self.sense == 'at_most' else '≥'} {self.goal:,.0f}"


def at_most(name: str, measured: float, goal: float) -> Check:
    """It must not be more."""
    return Check(name, measured, "at_most", goal)


def at_least(name: str, measured: float, goal: float) -> Check:
    """It must not be less."""
    return Check(name, measured, "at_least", goal)


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the page.

    Attributes:
        aim: what the project means to reach, in words.
        checks: what must hold for the run to succeed.
    """

    what: str
    measured: str
    aim: str = "–"
    peer: str = "–"
    checks: tuple[Check, ...] = ()


def find_missed(figures: list[Figure]) -> list[str]:
    """The goals that were not reached, one line each."""
    return [
        f"missed: {check.describe_goal()}, measured {check.measured:,.10g} ({figure.what})"
        for figure in figures
        for check in figure.checks
        if not check.holds
    ]


def render(figures: list[Figure]) -> str:
    """The page in Markdown."""
    rows = "\n".join(f"| {f.what} | {f.measured} | {_describe_goals(f)} | {f.aim} | {f.peer} |" for f in figures)
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return TEXT.format(date=today, commit=_describe_commit(), machine=_describe_machine(), rows=rows)


def _describe_goals(figure: Figure) -> str:
    return ", ".join(check.describe_goal() for check in figure.checks) or "–"


def _describe_machine() -> str:
    processor = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                processor = line.split(":", 1)[1].strip()
                break
    system = f"{platform.system()}, Python {platform.python_version()}, anvil {ANVIL_VERSION}"
    return f"{processor}, {os.cpu_count()} cores, {system}"


def _describe_commit() -> str:
    """The commit that was measured; `+` where the tree was changed after it."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    changed = [line for line in git("status", "--porcelain").splitlines() if not line.endswith(PAGE.name)]
    return (git("rev-parse", "--short=10", "HEAD") or "unknown") + ("+" if changed else "")
