"""Filters: what changed on the chain since a client last asked, kept for it until it asks again."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from infernet.vm.events import Event, NewHead, NewPending
from infernet.vm.rpc.dispatch import MAX_RESPONSE_BYTES
from infernet.vm.rpc.errors import exceeds, refuse
from infernet.vm.rpc.format import format_log, measure_logs
from infernet.vm.rpc.matching import BlockLogs, LogChange, match_blocks, read_logs
from infernet.vm.rpc.requests import LogQuery
from infernet.vm.rpc.values import encode_data

Kind: TypeAlias = Literal["blocks", "pending"] | LogQuery
Change: TypeAlias = LogChange | bytes
"""A log, or the hash of a block or a transaction. Filters share it; it is formatted for whoever takes it."""

EXPIRY_S = 300.0
MAX_FILTERS = 1_000
MAX_CHANGES = 10_000
_HASH_BYTES = 69


@dataclass(slots=True)
class _Filter:
    kind: Kind
    used_at: float
    changes: list[Change] = field(default_factory=list)
    size_bytes: int = 0


class Filters:
    """The filters of one chain.

    One that nobody asked for `expiry_s` is forgotten, and so is one that holds more than `max_changes` or `max_bytes`:
    its client is told that there is no such filter, and makes another.

    Args:
        clock: seconds.
        max_bytes: of a filter's changes, as they would be answered.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        expiry_s: float = EXPIRY_S,
        max_filters: int = MAX_FILTERS,
        max_changes: int = MAX_CHANGES,
        max_bytes: int = MAX_RESPONSE_BYTES,
    ) -> None:
        self._clock = clock
        self._expiry_s = expiry_s
        self._max_filters = max_filters
        self._max_changes = max_changes
        self._max_bytes = max_bytes
        self._filters: dict[str, _Filter] = {}

    def install(self, kind: Kind) -> str:
        """A new filter's id.

        Raises:
            RpcError: -32005, there are too many.
        """
        self._forget_old()
        if len(self._filters) >= self._max_filters:
            raise exceeds(f"too many filters: at most {self._max_filters}, uninstall those that are no longer used")
        filter_id = "0x" + secrets.token_hex(16)
        self._filters[filter_id] = _Filter(kind, self._clock())
        return filter_id

    def uninstall(self, filter_id: str) -> bool:
        """False where there is none."""
        return self._filters.pop(filter_id, None) is not None

    def take_changes(self, filter_id: str) -> list[Any]:
        """What came since the last time.

        Raises:
            RpcError: -32000, `filter not found`.
        """
        found = self._find(filter_id)
        changes, found.changes, found.size_bytes = found.changes, [], 0
        return [_format(change) for change in changes]

    def read_query(self, filter_id: str) -> LogQuery:
        """What a filter of logs asks for.

        Raises:
            RpcError: -32000, there is none, or it is not of logs.
        """
        kind = self._find(filter_id).kind
        if not isinstance(kind, LogQuery):
            raise refuse("filter not found: this one is not of logs")
        return kind

    def note(self, event: Event) -> None:
        """Something happened on the chain."""
        if not self._filters:
            return
        self._forget_old()
        blocks = read_logs(event)
        for filter_id, found in list(self._filters.items()):
            changes = _select(found.kind, event, blocks)
            found.changes += changes
            found.size_bytes += sum(map(_measure, changes))
            if len(found.changes) > self._max_changes or found.size_bytes > self._max_bytes:
                del self._filters[filter_id]

    def _find(self, filter_id: str) -> _Filter:
        self._forget_old()
        found = self._filters.get(filter_id)
        if found is None:
            raise refuse("filter not found")
        found.used_at = self._clock()
        return found

    def _forget_old(self) -> None:
        horizon = self._clock() - self._expiry_s
        for filter_id in [name for name, found in self._filters.items() if found.used_at < horizon]:
            del self._filters[filter_id]


def _select(kind: Kind, event: Event, blocks: Sequence[BlockLogs]) -> Sequence[Change]:
    """What of an event belongs to a filter of this kind."""
    if isinstance(kind, LogQuery):
        return match_blocks(kind, blocks)
    if kind == "blocks" and isinstance(event, NewHead):
        return [event.block.hash]
    if kind == "pending" and isinstance(event, NewPending):
        return [event.tx_hash]
    return []


def _measure(change: Change) -> int:
    return _HASH_BYTES if isinstance(change, bytes) else measure_logs(1, len(change.log.data))


def _format(change: Change) -> Any:
    if isinstance(change, bytes):
        return encode_data(change)
    return format_log(change.log, change.timestamp, removed=change.is_removed)
