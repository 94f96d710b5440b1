"""The Coordinator's events, decoded."""

from __future__ import annotations

from dataclasses import dataclass

from infernet.errors import InvalidInput, NodeMisconfigured
from infernet.protocol.abi_codec import decode_abi, malformed
from infernet.protocol.hashing import keccak
from infernet.protocol.subscription import SUBSCRIPTION_ABI, Subscription, build_subscription
from infernet.types import Address, Hash32, Interval, Log, SubscriptionId, TxHash


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedEvent:
    """Where an event stands in the chain."""

    coordinator: Address
    block_number: int
    block_hash: Hash32
    tx_hash: TxHash
    log_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionCreated(LoggedEvent):
    """A subscription exists; this is the only place where its terms, container and features are written."""

    owner: Address
    id: SubscriptionId
    container_id: Hash32
    subscription: Subscription
    container: str
    features: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionCancelled(LoggedEvent):
    """Its owner ended a subscription."""

    owner: Address
    id: SubscriptionId


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionFulfilled(LoggedEvent):
    """A node answered; `redundancy` is this answer's ordinal in its interval, from 1."""

    owner: Address
    id: SubscriptionId
    node: Address
    interval: Interval
    redundancy: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NonceBurned(LoggedEvent):
    """The owner made an unused nonce of delegated subscriptions worthless."""

    owner: Address
    nonce: int


Event = SubscriptionCreated | SubscriptionCancelled | SubscriptionFulfilled | NonceBurned


class EventCodec:
    """The layout of one event: which fields are topics, which are data, each with its ABI type."""

    def __init__(self, build: type[Event], indexed: dict[str, str], data: dict[str, str]) -> None:
        self.build = build
        self.indexed = indexed
        self.data = data
        self.signature = f"{build.__name__}({','.join([*indexed.values(), *data.values()])})"
        self.topic = keccak(self.signature.encode())

    def decode(self, log: Log) -> Event:
        """The event of a log whose first topic is this one's.

        Raises:
            InvalidInput: `abi.malformed`: the topics or the data do not fit the layout.
        """
        topics = log.topics[1:]
        if len(topics) != len(self.indexed) or any(len(topic) != 32 for topic in topics):
            raise malformed(f"{self.signature} has {len(self.indexed)} indexed fields of 32 bytes")
        values = dict(zip(self.indexed, decode_abi([*self.indexed.values()], b"".join(topics)), strict=True))
        values.update(zip(self.data, decode_abi([*self.data.values()], log.data), strict=True))
        if "subscription" in values:
            values["subscription"] = build_subscription(values["subscription"])
        return self.build(
            coordinator=log.address,
            block_number=log.block_number,
            block_hash=log.block_hash,
            tx_hash=log.tx_hash,
            log_index=log.log_index,
            **values,
        )


_OF = {"owner": "address", "id": "uint32"}

SUBSCRIPTION_CREATED = EventCodec(
    SubscriptionCreated,
    indexed=_OF | {"container_id": "bytes32"},
    data={"subscription": SUBSCRIPTION_ABI, "container": "string", "features": "bytes"},
)
SUBSCRIPTION_CANCELLED = EventCodec(SubscriptionCancelled, indexed=_OF, data={})
SUBSCRIPTION_FULFILLED = EventCodec(
    SubscriptionFulfilled, indexed=_OF | {"node": "address"}, data={"interval": "uint32", "redundancy": "uint16"}
)
NONCE_BURNED = EventCodec(NonceBurned, indexed={"owner": "address", "nonce": "uint32"}, data={})

EVENTS: dict[bytes, EventCodec] = {
    codec.topic: codec for codec in (SUBSCRIPTION_CREATED, SUBSCRIPTION_CANCELLED, SUBSCRIPTION_FULFILLED, NONCE_BURNED)
}
"""Every event by its first topic."""


def decode_event(log: Log) -> Event | None:
    """The Coordinator's event in a log, None for a log of another kind.

    Raises:
        NodeMisconfigured: `event.malformed`: the log has a known topic but not the event's layout, which the
            Coordinator never emits: the address or the endpoint is wrong.
    """
    codec = EVENTS.get(log.topics[0]) if log.topics else None
    if codec is None:
        return None
    try:
        event = codec.decode(log)
    except InvalidInput as error:
        raise _not_a_coordinators(log, error.message) from error
    if isinstance(event, SubscriptionCreated):
        _check_topics(event, log)
    return event


def _check_topics(event: SubscriptionCreated, log: Log) -> None:
    terms = event.subscription
    if (event.owner, event.container_id) != (terms.owner, terms.container_id):
        raise _not_a_coordinators(log, "its topics name another owner or container than its data")


def _not_a_coordinators(log: Log, reason: str) -> NodeMisconfigured:
    return NodeMisconfigured(
        "event.malformed",
        f"log {log.log_index} of transaction 0x{log.tx_hash.hex()} is not from a Coordinator ({reason}): "
        f"check that {log.address} is one and that the endpoint serves this chain",
        address=log.address,
        block_number=log.block_number,
    )
