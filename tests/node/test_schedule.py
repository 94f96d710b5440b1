"""Due times come out in order, each once, at the last time they were set to."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from infernet.node.schedule import Schedule
from infernet.protocol.hashing import to_address
from infernet.types import ChainId, SubscriptionId, SubscriptionKey, Timestamp

OWNER = to_address("0x" + "1" * 40)


def key(number: int) -> SubscriptionKey:
    return SubscriptionKey(ChainId(1), OWNER, OWNER, SubscriptionId(number))


def test_what_is_due_comes_out_once_soonest_first() -> None:
    schedule = Schedule()
    for number, due in ((1, 30), (2, 10), (3, 20), (4, 31)):
        schedule.set(key(number), Timestamp(due))
    assert schedule.pop_due(Timestamp(30)) == [key(2), key(3), key(1)]
    assert schedule.pop_due(Timestamp(30)) == []
    assert len(schedule) == 1


def test_setting_a_time_again_moves_it() -> None:
    schedule = Schedule()
    schedule.set(key(1), Timestamp(10))
    schedule.set(key(1), Timestamp(20))
    assert schedule.pop_due(Timestamp(10)) == []
    schedule.set(key(1), Timestamp(5))
    assert schedule.pop_due(Timestamp(20)) == [key(1)]


def test_what_is_removed_does_not_come_out() -> None:
    schedule = Schedule()
    schedule.set(key(1), Timestamp(10))
    schedule.remove(key(1))
    schedule.remove(key(2))
    assert schedule.pop_due(Timestamp(10)) == []
    assert len(schedule) == 0


def test_the_heap_does_not_grow_with_how_often_times_are_moved() -> None:
    schedule = Schedule()
    for due in range(10_000):
        schedule.set(key(due % 3), Timestamp(due))
    assert len(schedule._heap) <= 2 * 3 + 64 + 1
    assert len(schedule.pop_due(Timestamp(10_000))) == 3


@given(st.lists(st.tuples(st.sampled_from(["set", "remove", "pop"]), st.integers(0, 4), st.integers(0, 20))))
def test_it_does_what_a_table_of_due_times_would(steps: list[tuple[str, int, int]]) -> None:
    schedule, table = Schedule(), dict[SubscriptionKey, Timestamp]()
    for kind, number, time in steps:
        if kind == "set":
            schedule.set(key(number), Timestamp(time))
            table[key(number)] = Timestamp(time)
        elif kind == "remove":
            schedule.remove(key(number))
            table.pop(key(number), None)
        else:
            due = schedule.pop_due(Timestamp(time))
            assert sorted(due) == sorted(k for k, when in table.items() if when <= time)
            assert [table[k] for k in due] == sorted(table[k] for k in due)
            table = {k: when for k, when in table.items() if when > time}
    assert len(schedule) == len(table)
