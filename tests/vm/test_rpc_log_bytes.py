"""Logs may be large: whoever waits for one shares it, and what is kept and answered is bounded in bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rpc_client import RpcClient
from test_rpc_filters import ALICE, RED, Clock, build_head

from infernet.vm.block import LogEntry
from infernet.vm.events import NewHead, Removed
from infernet.vm.rpc import Limits
from infernet.vm.rpc.errors import RpcError
from infernet.vm.rpc.filters import Filters
from infernet.vm.rpc.format import format_log, measure_logs
from infernet.vm.rpc.requests import LogQuery
from infernet.vm.rpc.subscriptions import Notification, Subscriptions

EVERYTHING = LogQuery("latest", "latest", None, (), ())
OF_ALICE = LogQuery("latest", "latest", None, (ALICE,), ())
RED_ONES = LogQuery("latest", "latest", None, (), ((RED,),))
HEAD = build_head(2, (ALICE, (RED,)))
PUSH_1000_AND_LOG = "6103e85fa0"
"""`log0` of 1,000 zeros."""


def test_a_log_is_said_to_be_as_large_as_it_is() -> None:
    log = LogEntry(ALICE, (RED,) * 4, bytes(50_000), 2**64, bytes(32), bytes(32), 2**64, 2**64)
    shown = len(json.dumps(format_log(log, 2**64), separators=(",", ":")))
    assert shown <= measure_logs(1, len(log.data)) < shown + 100


def test_filters_hold_one_log_between_them() -> None:
    filters = Filters(Clock())
    names = [filters.install(query) for query in (EVERYTHING, OF_ALICE, RED_ONES) * 10]
    filters.note(HEAD)
    assert len({id(change) for name in names for change in filters._filters[name].changes}) == 1
    assert [len(filters.take_changes(name)) for name in names] == [1] * 30


def test_a_filter_that_holds_too_many_bytes_is_forgotten() -> None:
    filters = Filters(Clock(), max_bytes=2 * measure_logs(1, 0))
    asked, left = filters.install(EVERYTHING), filters.install(EVERYTHING)
    for event in (HEAD, Removed((HEAD,)), HEAD):
        filters.note(event)
        assert len(filters.take_changes(asked)) == 1
    with pytest.raises(RpcError, match="filter not found"):
        filters.take_changes(left)


def test_subscriptions_are_told_of_a_log_in_one_text() -> None:
    chain: Any = None  # asked about transactions alone
    told = list[Notification]()
    subscriptions = Subscriptions(chain)
    names = [subscriptions.add(query, told.append) for query in (EVERYTHING, OF_ALICE, RED_ONES) * 10]
    subscriptions.note(HEAD)
    assert len({id(notification.result) for notification in told}) == 1
    messages = [json.loads(notification.text)["params"] for notification in told]
    assert [message["subscription"] for message in messages] == names
    assert messages[0]["result"] == format_log(_only_log(HEAD), HEAD.block.timestamp)


@pytest.mark.parametrize("served", [{"limits": Limits(answer_bytes=2 * measure_logs(1, 1_000))}], indirect=True)
async def test_an_answer_has_so_many_bytes_of_logs_at_most(rpc: RpcClient) -> None:
    for _ in range(3):
        await rpc.send(data=bytes.fromhex(PUSH_1000_AND_LOG))
    refused = await rpc.refuses("eth_getLogs", {"fromBlock": "earliest"})
    assert (refused.code, "bytes: ask for fewer blocks" in refused.message) == (-32005, True)
    found = await rpc("eth_getLogs", {"fromBlock": "0x2"})
    assert [len(log["data"]) for log in found] == [2_002, 2_002]
    assert await rpc("eth_getLogs", {"fromBlock": "0x2", "topics": ["0x" + RED.hex()]}) == []


def _only_log(head: NewHead) -> LogEntry:
    ((log,),) = [receipt.logs for receipt in head.receipts]
    return log
