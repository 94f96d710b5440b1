"""Which logs of new blocks, and of those that were taken back, a client asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from infernet.vm.block import Header, LogEntry, bloom_matches
from infernet.vm.events import Event, NewHead, Removed
from infernet.vm.rpc.requests import LogQuery


class LogChange(NamedTuple):
    """A log that has come, or gone with its block. Whoever waits for it holds the same one."""

    log: LogEntry
    timestamp: int
    is_removed: bool


@dataclass(frozen=True, slots=True)
class BlockLogs:
    """What a block brings, or takes with it."""

    header: Header
    changes: tuple[LogChange, ...]


def read_logs(event: Event) -> tuple[BlockLogs, ...]:
    """Of all blocks that an event tells of."""
    if isinstance(event, NewHead):
        return (_read_block(event, is_removed=False),)
    if isinstance(event, Removed):
        return tuple(_read_block(head, is_removed=True) for head in event.blocks)
    return ()


def match_blocks(query: LogQuery, blocks: Iterable[BlockLogs]) -> list[LogChange]:
    """What the query wants of these, in their order."""
    return [
        change
        for block in blocks
        if _is_in_range(query, block.header.number) and bloom_matches(block.header.bloom, query.addresses, query.topics)
        for change in block.changes
        if matches(query, change.log)
    ]


def matches(query: LogQuery, log: LogEntry) -> bool:
    """Whether address and topics are as asked."""
    if query.addresses and log.address not in query.addresses:
        return False
    if len(query.topics) > len(log.topics):
        return False
    return all(not wanted or topic in wanted for wanted, topic in zip(query.topics, log.topics, strict=False))


def _read_block(head: NewHead, *, is_removed: bool) -> BlockLogs:
    timestamp = head.block.timestamp
    logs = (log for receipt in head.receipts for log in receipt.logs)
    return BlockLogs(head.block.header, tuple(LogChange(log, timestamp, is_removed) for log in logs))


def _is_in_range(query: LogQuery, number: int) -> bool:
    """Tags stand for blocks to come."""
    starts = query.from_block if isinstance(query.from_block, int) else 0
    return starts <= number and (not isinstance(query.to_block, int) or number <= query.to_block)
