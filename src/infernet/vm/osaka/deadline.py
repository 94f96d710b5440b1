"""An end to what runs too long: for producers and for calls, never for blocks that others made.

Gas bounds what execution costs on machines that compile it. Here a few precompiles are thousands of times slower for
their gas, so a producer leaves out what would stop the chain, and a call is aborted. What stateful precompiles take is
their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from time import perf_counter


class TooSlow(Exception):
    """It would take longer than it may."""


class _Limit:
    at: float = inf


_limit = _Limit()
_SECONDS = {  # for each so many bytes of input, on a slow machine
    0x08: (192, 0.5),
    0x0C: (160, 0.03),
    0x0E: (288, 0.12),
    0x0F: (384, 1.0),
}
_BLAKE2F, _SECONDS_PER_ROUND = 0x09, 2e-5


@contextmanager
def limited(seconds: float | None) -> Iterator[None]:
    """Raise `TooSlow` inside when it takes longer; None for no limit."""
    _limit.at = inf if seconds is None else perf_counter() + seconds
    try:
        yield
    finally:
        _limit.at = inf


def check() -> None:
    """
    Raises:
        TooSlow: time is over.
    """
    if perf_counter() > _limit.at:
        raise TooSlow


def check_precompile(address: bytes, data: bytes) -> None:
    """The same before a precompile that cannot be stopped once it runs.

    Raises:
        TooSlow: it would not be done in time.
    """
    number = int.from_bytes(address, "big")
    if number == _BLAKE2F:
        seconds = _SECONDS_PER_ROUND * int.from_bytes(data[:4], "big")
    else:
        size, each = _SECONDS.get(number, (1, 0.0))
        seconds = len(data) // size * each
    if perf_counter() + seconds > _limit.at:
        raise TooSlow


@contextmanager
def paused() -> Iterator[None]:
    """What happens inside does not count."""
    started = perf_counter()
    try:
        yield
    finally:
        _limit.at += perf_counter() - started
