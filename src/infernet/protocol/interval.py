"""Interval arithmetic, as `Coordinator.getSubscriptionInterval` does it. Interval 1 begins at `active_at`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from infernet.errors import InvalidInput, RetryLater
from infernet.types import BlockRef, Interval, Timestamp

MAX_INTERVAL = Interval(2**32 - 1)


def compute_interval(active_at: Timestamp, period: int, now: Timestamp) -> Interval:
    """The interval that contains the time `now`: `(now - active_at) / period + 1`, and 1 when period is 0.

    Raises:
        RetryLater: `interval.not_active`: `now` is before `active_at`.
        InvalidInput: `interval.out_of_range`: the ordinal does not fit the contract's uint32.
    """
    if now < active_at:
        raise RetryLater(
            "interval.not_active",
            f"the subscription starts at {active_at}, in {active_at - now} s: wait until then",
            active_at=active_at,
            now=now,
        )
    interval = (now - active_at) // period + 1 if period else 1
    return _checked(interval)


def compute_interval_start(active_at: Timestamp, period: int, interval: Interval) -> Timestamp:
    """The first second of an interval.

    Raises:
        InvalidInput: `interval.out_of_range`: there is no such interval (period 0 has interval 1 only).
    """
    _checked(interval)
    if period == 0 and interval != 1:
        raise InvalidInput("interval.out_of_range", f"interval is {interval}: with period 0 there is only interval 1")
    return Timestamp(active_at + (interval - 1) * period)


def compute_interval_end(active_at: Timestamp, period: int, interval: Interval) -> Timestamp | None:
    """The first second after an interval; None when period is 0, since that one does not end.

    Raises:
        InvalidInput: `interval.out_of_range`: there is no such interval (period 0 has interval 1 only).
    """
    start = compute_interval_start(active_at, period, interval)
    return Timestamp(start + period) if period else None


def _checked(interval: int) -> Interval:
    if not 1 <= interval <= MAX_INTERVAL:
        raise InvalidInput(
            "interval.out_of_range", f"interval is {interval}: it must be from 1 to 2**32 - 1", interval=interval
        )
    return Interval(interval)


def measure_block_time_s(blocks: Sequence[BlockRef]) -> int:
    """The smallest distance between neighbouring blocks, at least one second.

    Block 0 does not count: its time is what its makers wrote, often years before block 1.
    """
    gaps = [
        after.timestamp - before.timestamp
        for before, after in pairwise(blocks)
        if before.number > 0 and after.number == before.number + 1
    ]
    return max(1, min(gaps, default=1))
