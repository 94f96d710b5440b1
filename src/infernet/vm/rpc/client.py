"""Whom a method is answered for: what all clients share, and what is one's own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

from infernet.vm.block import Block
from infernet.vm.chain import Chain
from infernet.vm.events import Event
from infernet.vm.request import At, CallRequest
from infernet.vm.rpc.asking import Asked
from infernet.vm.rpc.dispatch import MAX_RESPONSE_BYTES
from infernet.vm.rpc.errors import exceeds, refuse
from infernet.vm.rpc.filters import Filters
from infernet.vm.rpc.ration import Ration
from infernet.vm.rpc.subscriptions import Push, Subscriptions, Topic
from infernet.vm.rpc.values import BlockId, Tag
from infernet.vm.spc.outside import Start, ask_here

MAX_LOGS = 10_000
MAX_SUBSCRIPTIONS = 100
MAX_CALL_GAS = 60_000_000
RECORDED_PER_MINUTE = 60
WAITING_CALLS = 32


@dataclass(frozen=True, slots=True)
class Limits:
    """How much clients may ask for.

    Attributes:
        logs: in one answer.
        answer_bytes: of logs in one answer, and of what a filter keeps for one.
        subscriptions: of one connection.
        call_gas: of one call; what asks for more is given this.
        recorded_per_minute: questions of recorded precompiles in calls, of all clients together.
        waiting_calls: that wait for the outside at a time, of all clients together.
    """

    logs: int = MAX_LOGS
    answer_bytes: int = MAX_RESPONSE_BYTES
    subscriptions: int = MAX_SUBSCRIPTIONS
    call_gas: int = MAX_CALL_GAS
    recorded_per_minute: int = RECORDED_PER_MINUTE
    waiting_calls: int = WAITING_CALLS


class Node:
    """A chain as its clients see it.

    Args:
        accounts: private keys by address, with which the node signs for its clients: of development alone.
        clock: seconds, of any origin.
        submit: gives a signed transaction to the chain, from the event loop.
        change_pace: says that the chain's interval was set.
        ask: begins to ask the outside what calls want to know.
    """

    def __init__(
        self,
        chain: Chain,
        accounts: Mapping[bytes, bytes],
        limits: Limits,
        *,
        clock: Callable[[], float],
        submit: Callable[[bytes], Awaitable[bytes]],
        change_pace: Callable[[], None],
        ask: Start = ask_here,
    ) -> None:
        self.chain = chain
        self.accounts = accounts
        self.limits = limits
        self.submit = submit
        self.change_pace = change_pace
        self.ask = Ration(limits.recorded_per_minute, clock).limit(ask)
        self.filters = Filters(clock, max_bytes=limits.answer_bytes)
        self.subscriptions = Subscriptions(chain)
        self._unsubscribe: Callable[[], None] | None = None

    def open(self) -> None:
        """Listen to the chain from now on."""
        self._unsubscribe = self.chain.subscribe(self._note)

    def close(self) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()

    def _note(self, event: Event) -> None:
        self.filters.note(event)
        self.subscriptions.note(event)


async def stay() -> None:
    """Of a client that cannot be seen to leave: never ends."""
    await asyncio.Future[None]()


@dataclass(slots=True)
class Client:
    """One connection.

    Attributes:
        push: sends a notification; None where the transport cannot (HTTP).
        left: ends when the client has gone away.
        asked: what the request that is answered has asked the outside: `begin` opens it.
    """

    node: Node
    push: Push | None = None
    left: Callable[[], Awaitable[object]] = stay
    subscribed: set[str] = field(default_factory=set)
    asked: Asked = field(default_factory=Asked)

    def begin(self) -> Client:
        """The same for a request that may ask."""
        return replace(self, asked=Asked(self.node.ask))

    @property
    def chain(self) -> Chain:
        return self.node.chain

    def subscribe(self, topic: Topic) -> str:
        """
        Raises:
            RpcError: over HTTP, or there are too many on this connection.
        """
        if self.push is None:
            raise refuse("notifications not supported: connect by WebSocket")
        if len(self.subscribed) >= self.node.limits.subscriptions:
            raise exceeds(f"too many subscriptions: at most {self.node.limits.subscriptions} on one connection")
        name = self.node.subscriptions.add(topic, self.push)
        self.subscribed.add(name)
        return name

    def unsubscribe(self, name: str) -> None:
        """
        Raises:
            RpcError: this connection has no such subscription.
        """
        if name not in self.subscribed:
            raise refuse("subscription not found")
        self.subscribed.remove(name)
        self.node.subscriptions.remove(name)

    def leave(self) -> None:
        """The connection is gone."""
        for name in self.subscribed:
            self.node.subscriptions.remove(name)
        self.subscribed.clear()

    def bound(self, request: CallRequest) -> CallRequest:
        """A call with as much gas as a call is given here at most."""
        most = self.node.limits.call_gas
        return replace(request, gas=most) if request.gas is None or request.gas > most else request

    def find_block(self, block_id: BlockId) -> Block | None:
        """The block of this name; `pending` is none that exists."""
        if isinstance(block_id, bytes):
            return self.chain.block_by_hash(block_id)
        if isinstance(block_id, int):
            return self.chain.block_by_number(block_id)
        return self.chain.block_by_number(self.find_number(block_id))

    def find_number(self, tag: Tag) -> int:
        """`safe` and `finalized` are the last block that a quorum of witnesses has sealed, and all before it.

        Where the layer has no witnesses that is the head: a block of the one producer is final when it is made.
        """
        if tag == "earliest":
            return 0
        return self.chain.seals.sealed if tag in ("safe", "finalized") else self.chain.head.number

    def read_call_place(self, block_id: BlockId) -> At:
        """Where a call is to happen that may ask: the same however often it is made. Raises as `read_place`."""
        return self.asked.pin(self.read_place(block_id))

    def read_place(self, block_id: BlockId) -> At:
        """Where a call or a read of the state is to happen.

        Raises:
            RpcError: -32000, `header not found`.
        """
        if block_id == "pending":
            return "pending"
        block = self.find_block(block_id)
        if block is None:
            raise refuse("header not found")
        return block.hash if isinstance(block_id, bytes) else block.number
