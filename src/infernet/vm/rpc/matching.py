"""Which logs of a new block a client asked for."""

from __future__ import annotations

from collections.abc import Iterator

from infernet.vm.block import LogEntry, bloom_matches
from infernet.vm.events import NewHead
from infernet.vm.rpc.requests import LogQuery


def match_block(query: LogQuery, head: NewHead) -> Iterator[LogEntry]:
    """The logs of this block that the query wants, in their order."""
    header = head.block.header
    if not _is_in_range(query, header.number) or not bloom_matches(header.bloom, query.addresses, query.topics):
        return
    for receipt in head.receipts:
        yield from (log for log in receipt.logs if matches(query, log))


def matches(query: LogQuery, log: LogEntry) -> bool:
    """Whether address and topics are as asked."""
    if query.addresses and log.address not in query.addresses:
        return False
    if len(query.topics) > len(log.topics):
        return False
    return all(not wanted or topic in wanted for wanted, topic in zip(query.topics, log.topics, strict=False))


def _is_in_range(query: LogQuery, number: int) -> bool:
    """Tags stand for blocks to come."""
    starts = query.from_block if isinstance(query.from_block, int) else 0
    return starts <= number and (not isinstance(query.to_block, int) or number <= query.to_block)
