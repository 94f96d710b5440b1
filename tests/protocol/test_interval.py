from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from subscription_strategies import uints

from infernet.errors import InfernetError, InvalidInput, RetryLater
from infernet.protocol.interval import (
    MAX_INTERVAL,
    compute_interval,
    compute_interval_end,
    compute_interval_start,
    measure_block_time_s,
)
from infernet.types import BlockRef, Gas, Hash32, Timestamp, Wei
from vectors import read_vectors

starts = uints(40)
periods = uints(32).filter(bool)
intervals = st.one_of(st.integers(1, MAX_INTERVAL), st.sampled_from([1, 2, MAX_INTERVAL]))


@pytest.mark.parametrize("case", read_vectors("interval.json")["cases"], ids=str)
def test_golden_vectors(case):
    active_at, period, now, expected = (int(case[name]) for name in ("activeAt", "period", "now", "interval"))
    if expected:
        assert compute_interval(active_at, period, now) == expected
    else:
        with pytest.raises(InfernetError):
            compute_interval(active_at, period, now)


@given(starts, periods, st.integers(0, 2**32 - 2), st.data())
def test_a_time_lies_within_its_interval(active_at, period, whole_periods, data):
    now = active_at + whole_periods * period + data.draw(st.integers(0, period - 1))
    interval = compute_interval(active_at, period, now)
    start = compute_interval_start(active_at, period, interval)
    assert start <= now < start + period
    assert compute_interval_end(active_at, period, interval) == start + period


@given(starts, periods, intervals)
def test_an_interval_holds_its_first_and_last_second_and_no_other(active_at, period, interval):
    start = compute_interval_start(active_at, period, interval)
    end = compute_interval_end(active_at, period, interval)
    assert compute_interval(active_at, period, start) == interval
    assert compute_interval(active_at, period, end - 1) == interval
    if interval > 1:
        assert compute_interval(active_at, period, start - 1) == interval - 1
        assert compute_interval_end(active_at, period, interval - 1) == start


@given(starts, st.integers(0, 2**64))
def test_without_a_period_there_is_one_interval_and_it_does_not_end(active_at, since):
    assert compute_interval(active_at, 0, active_at + since) == 1
    assert compute_interval_start(active_at, 0, 1) == active_at
    assert compute_interval_end(active_at, 0, 1) is None


@given(starts.filter(bool), uints(32), st.data())
def test_before_its_start_a_subscription_has_no_interval_yet(active_at, period, data):
    now = data.draw(st.integers(0, active_at - 1))
    with pytest.raises(RetryLater, match=f"in {active_at - now} s") as caught:
        compute_interval(active_at, period, now)
    assert caught.value.code == "interval.not_active"


@pytest.mark.parametrize("interval", [-1, 0, 2**32])
def test_an_ordinal_that_the_contract_cannot_hold_is_refused(interval):
    with pytest.raises(InvalidInput, match=r"from 1 to 2\*\*32 - 1"):
        compute_interval_start(0, 60, interval)
    with pytest.raises(InvalidInput):
        compute_interval_end(0, 60, interval)


def test_without_a_period_a_second_interval_is_refused():
    with pytest.raises(InvalidInput, match="only interval 1"):
        compute_interval_start(0, 0, 2)


def build_blocks(*places):
    return [
        BlockRef(number, Hash32(bytes(32)), Hash32(bytes(32)), Timestamp(time), Wei(1), Gas(1))
        for number, time in places
    ]


def test_block_time_is_measured_between_neighbours_and_not_from_block_0():
    assert measure_block_time_s([]) == 1
    assert measure_block_time_s(build_blocks((0, 0), (1, 1_800_000_000))) == 1
    assert measure_block_time_s(build_blocks((3, 100), (9, 4000))) == 1
    assert measure_block_time_s(build_blocks((0, 0), (1, 100), (2, 112), (3, 136))) == 12
    assert measure_block_time_s(build_blocks((7, 100), (8, 100))) == 1
