"""Subscriptions: what a client over WebSocket is told as it happens."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeAlias

from infernet.vm.chain import Chain
from infernet.vm.events import Event, NewHead, NewPending
from infernet.vm.rpc.format import format_header, format_log, format_mined, format_pooled
from infernet.vm.rpc.matching import LogChange, match_blocks, read_logs
from infernet.vm.rpc.requests import LogQuery
from infernet.vm.rpc.values import encode_data

Topic: TypeAlias = Literal["newHeads", "newPendingTransactions", "fullPendingTransactions", "syncing"] | LogQuery
_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


@dataclass(frozen=True, slots=True)
class Notification:
    """What one subscription is told.

    Attributes:
        result: JSON, the same text for all that are told the same.
    """

    subscription: str
    result: str

    @property
    def text(self) -> str:
        return (
            '{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"'
            + self.subscription
            + '","result":'
            + self.result
            + "}}"
        )


Push: TypeAlias = Callable[[Notification], None]


@dataclass(frozen=True, slots=True)
class _Subscription:
    topic: Topic
    push: Push


class Subscriptions:
    """The subscriptions of every connection. All of it happens on the engine's thread."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._subscriptions: dict[str, _Subscription] = {}

    def add(self, topic: Topic, push: Push) -> str:
        """A new subscription's id; `push` is given each notification."""
        name = "0x" + secrets.token_hex(16)
        self._subscriptions[name] = _Subscription(topic, push)
        return name

    def remove(self, name: str) -> None:
        self._subscriptions.pop(name, None)

    def note(self, event: Event) -> None:
        """Something happened on the chain: tell those who asked. What many asked for is encoded once."""
        if not self._subscriptions:
            return
        blocks, encode_log = read_logs(event), cache(_encode_log)
        encoded: dict[Topic, list[str]] = {}
        for name, subscription in self._subscriptions.items():
            topic = subscription.topic
            if topic not in encoded:
                encoded[topic] = (
                    [encode_log(change) for change in match_blocks(topic, blocks)]
                    if isinstance(topic, LogQuery)
                    else [_encode(item) for item in self._select(topic, event)]
                )
            for result in encoded[topic]:
                subscription.push(Notification(name, result))

    def _select(self, topic: Topic, event: Event) -> list[Any]:
        if topic == "newHeads" and isinstance(event, NewHead):
            return [format_header(event.block.header)]
        if isinstance(event, NewPending) and topic == "newPendingTransactions":
            return [encode_data(event.tx_hash)]
        if isinstance(event, NewPending) and topic == "fullPendingTransactions":
            return self._show_pending(event.tx_hash)
        return []  # `syncing`: a producer is never behind

    def _show_pending(self, tx_hash: bytes) -> list[Any]:
        pooled = self._chain.pool.get(tx_hash)
        if pooled is not None:
            return [format_pooled(pooled)]
        mined = self._chain.transaction(tx_hash)
        return [] if mined is None else [format_mined(mined)]


def _encode_log(change: LogChange) -> str:
    return _encode(format_log(change.log, change.timestamp, removed=change.is_removed))
