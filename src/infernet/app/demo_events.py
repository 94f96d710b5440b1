"""What the demonstration tells while it runs, and at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from infernet.client import Output


@dataclass(frozen=True, slots=True)
class Line:
    """Something happened: when, in which block, at what cost (of one transaction, where there are several)."""

    at_s: float
    text: str
    block: int | None = None
    gas: int | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the demonstration begins."""

    title: str


@dataclass(frozen=True, slots=True)
class Picture:
    """One digit that was classified: 64 pixels from 0 to 16, what the model says, what it is."""

    pixels: tuple[int, ...]
    label: int
    truth: int


@dataclass(frozen=True, slots=True)
class Pictures:
    """The digits of a section."""

    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Quote:
    """The words of another command, shown whole."""

    command: str
    lines: tuple[str, ...]


Event = Line | Section | Pictures | Quote


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the summary. Gas is for one request and one delivery, on average."""

    flow: str
    answers: int
    right: int
    request_gas: int
    delivery_gas: int
    blocks: float
    """From the block of the request (or the interval's first) to the block of the delivery, on average."""


@dataclass(frozen=True, slots=True)
class Version:
    """A model version that a contract had trained.

    Attributes:
        manifest_hash: 64 hex digits.
        accuracy: on the rows that it never saw, as the contract has it.
        run_id: MLflow's.
    """

    name: str
    manifest_hash: str
    accuracy: float
    run_id: str


@dataclass(slots=True)
class Summary:
    """What the demonstration found."""

    accuracy: float = 0.0
    rows: list[Row] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)
    took_s: float = 0.0


def average_gas(outputs: Sequence[Output]) -> int:
    """Gas of one answer: a transaction may deliver several."""
    return round(sum({output.tx_hash: output.gas_used for output in outputs}.values()) / len(outputs))


def show_ether(wei: int) -> str:
    """An amount for people."""
    return f"{wei / 10**18:.4f} ETH"
