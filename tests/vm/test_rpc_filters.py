from __future__ import annotations

from typing import Any

import pytest

from infernet.vm.block import (
    EMPTY_OMMERS_HASH,
    EMPTY_ROOT,
    NO_REQUESTS_HASH,
    Block,
    Header,
    LogEntry,
    Receipt,
    compute_bloom,
)
from infernet.vm.events import NewHead, NewPending, Removed
from infernet.vm.rpc.errors import RpcError
from infernet.vm.rpc.filters import Filters
from infernet.vm.rpc.requests import LogQuery, decode_log_query

ALICE, BOB = b"\x0a" * 20, b"\x0b" * 20
RED, BLUE = b"\x01" * 32, b"\x02" * 32


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def build_head(number: int, *logs: tuple[bytes, tuple[bytes, ...]]) -> NewHead:
    """A block of one transaction with these logs, given as (address, topics)."""
    bloom = compute_bloom(logs)
    empty = EMPTY_ROOT
    header = Header(
        bytes(32), EMPTY_OMMERS_HASH, bytes(20), empty, empty, empty, bloom, 0, number, 10, 5, 1000 + number, b"",
        bytes(32), bytes(8), 7, empty, 0, 0, bytes(32), NO_REQUESTS_HASH,
    )  # fmt: skip
    entries = tuple(
        LogEntry(address, topics, b"", number, header.hash, bytes(32), 0, index)
        for index, (address, topics) in enumerate(logs)
    )
    receipt = Receipt(bytes(32), 0, 2, number, header.hash, ALICE, BOB, None, True, 5, 5, 7, entries, bloom)
    return NewHead(Block(header, ()), (receipt,))


HEADS = [
    build_head(1),
    build_head(2, (ALICE, (RED,))),
    build_head(3, (BOB, (RED, BLUE)), (ALICE, (BLUE,)), (ALICE, ())),
]


def places(changes: list[Any]) -> list[tuple[int, int]]:
    return [(int(log["blockNumber"], 16), int(log["logIndex"], 16)) for log in changes]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [(2, 0), (3, 0), (3, 1), (3, 2)]),
        ({"address": "0x" + ALICE.hex()}, [(2, 0), (3, 1), (3, 2)]),
        ({"address": ["0x" + ALICE.hex(), "0x" + BOB.hex()], "topics": ["0x" + RED.hex()]}, [(2, 0), (3, 0)]),
        ({"topics": [None, "0x" + BLUE.hex()]}, [(3, 0)]),
        ({"topics": [["0x" + RED.hex(), "0x" + BLUE.hex()]]}, [(2, 0), (3, 0), (3, 1)]),
        ({"topics": [None]}, [(2, 0), (3, 0), (3, 1)]),
        ({"topics": ["0x" + "ff" * 32]}, []),
        ({"fromBlock": "0x3"}, [(3, 0), (3, 1), (3, 2)]),
        ({"fromBlock": "earliest", "toBlock": "0x2"}, [(2, 0)]),
    ],
)
def test_a_filter_of_logs_keeps_those_that_were_asked_for(query: Any, expected: list[tuple[int, int]]) -> None:
    filters = Filters(Clock())
    name = filters.install(decode_log_query(query))
    for head in HEADS:
        filters.note(head)
    assert places(filters.take_changes(name)) == expected
    assert filters.take_changes(name) == []


def test_logs_of_blocks_that_were_taken_back_come_again_as_removed() -> None:
    filters = Filters(Clock())
    name = filters.install(decode_log_query({"address": "0x" + ALICE.hex()}))
    filters.note(HEADS[1])
    filters.note(Removed((HEADS[1],)))
    assert [log["removed"] for log in filters.take_changes(name)] == [False, True]


def test_each_kind_keeps_its_own() -> None:
    filters = Filters(Clock())
    blocks, pending = filters.install("blocks"), filters.install("pending")
    filters.note(NewPending(RED))
    filters.note(HEADS[1])
    assert filters.take_changes(blocks) == ["0x" + HEADS[1].block.hash.hex()]
    assert filters.take_changes(pending) == ["0x" + RED.hex()]
    with pytest.raises(RpcError, match="not of logs"):
        filters.read_query(blocks)


def test_a_filter_that_nobody_asks_is_forgotten() -> None:
    clock = Clock()
    filters = Filters(clock, expiry_s=10)
    asked, left = filters.install("blocks"), filters.install("blocks")
    clock.now = 8
    filters.take_changes(asked)
    clock.now = 16
    assert filters.take_changes(asked) == []
    with pytest.raises(RpcError, match="filter not found"):
        filters.take_changes(left)


def test_a_filter_that_holds_too_much_is_forgotten() -> None:
    filters = Filters(Clock(), max_changes=2)
    name = filters.install("blocks")
    for head in HEADS:
        filters.note(head)
    with pytest.raises(RpcError, match="filter not found"):
        filters.take_changes(name)


def test_there_are_only_so_many_filters() -> None:
    filters = Filters(Clock(), max_filters=2)
    first = filters.install("blocks")
    filters.install("pending")
    with pytest.raises(RpcError) as caught:
        filters.install("blocks")
    assert caught.value.code == -32005
    assert (filters.uninstall(first), filters.uninstall(first)) == (True, False)
    assert isinstance(filters.read_query(filters.install(decode_log_query({}))), LogQuery)
