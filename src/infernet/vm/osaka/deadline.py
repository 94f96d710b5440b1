"""An end to what runs too long: for producers and for calls, never for blocks that others made.

Gas bounds what execution costs on machines that compile it. Here a few precompiles are thousands of times slower for
their gas, so a producer leaves out what would stop the chain, and a call is aborted. Stateful precompiles count as all
else does; what they ask of the outside does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from time import perf_counter

from infernet.vm.osaka import bn128
from infernet.vm.osaka.blake2 import SECONDS_PER_ROUND


class TooSlow(Exception):
    """It would take longer than it may."""


class _Limit:
    at: float = inf
    began: float = 0.0


_limit = _Limit()
_UNITS = {  # by address: bytes of input and gas of each unit, and its seconds on a slow machine
    0x08: (192, 34_000, bn128.ARITHMETIC.SECONDS_PER_PAIR),
}
_BLAKE2F, _BLAKE2F_BYTES = 0x09, 213


@contextmanager
def limited(seconds: float | None) -> Iterator[None]:
    """Raise `TooSlow` inside when it takes longer; None for no limit."""
    _limit.began = perf_counter()
    _limit.at = inf if seconds is None else _limit.began + seconds
    try:
        yield
    finally:
        _limit.at = inf


def read_spent() -> float:
    """Seconds that count since the last limit began."""
    return perf_counter() - _limit.began


def check() -> None:
    """
    Raises:
        TooSlow: time is over.
    """
    if perf_counter() > _limit.at:
        raise TooSlow


def check_precompile(address: bytes, data: bytes, gas: int) -> None:
    """The same before a precompile that cannot be stopped once it runs.

    Raises:
        TooSlow: it would not be done in time.
    """
    number, seconds = int.from_bytes(address, "big"), 0.0
    if number == _BLAKE2F and len(data) == _BLAKE2F_BYTES:
        rounds = int.from_bytes(data[:4], "big")
        seconds = rounds * SECONDS_PER_ROUND if rounds <= gas else 0.0
    elif number in _UNITS:
        size, gas_each, seconds_each = _UNITS[number]
        seconds = min(len(data) // size, gas // gas_each) * seconds_each
    if perf_counter() + seconds > _limit.at:
        raise TooSlow


@contextmanager
def paused() -> Iterator[None]:
    """What happens inside does not count."""
    started = perf_counter()
    try:
        yield
    finally:
        passed = perf_counter() - started
        _limit.at, _limit.began = _limit.at + passed, _limit.began + passed
