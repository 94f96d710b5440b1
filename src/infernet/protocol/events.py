"""The Coordinator's events, decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from infernet.errors import InvalidInput, NodeMisconfigured
from infernet.protocol.event_codec import EventCodec, LoggedEvent
from infernet.protocol.ledger_events import ALLOWED, CREDITED, DEPOSITED, WITHDRAWN, LedgerEvent
from infernet.protocol.subscription import SUBSCRIPTION_ABI, Subscription, build_subscription
from infernet.types import Address, Hash32, Interval, Log, SubscriptionId, Timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionEvent(LoggedEvent):
    """Something about one subscription."""

    owner: Address
    id: SubscriptionId


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionCreated(SubscriptionEvent):
    """A subscription exists; this is the only place where its terms, container and features are written."""

    container_id: Hash32
    subscription: Subscription
    container: str
    features: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierParams(SubscriptionEvent):
    """The preimage of `verifier_params`; follows the creation of a subscription that has a verifier."""

    params: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionCancelled(SubscriptionEvent):
    """Its owner ended a subscription; of a paid one, intervals that had begun are still answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionPaused(SubscriptionEvent):
    """The payer has no more: intervals after `interval` wait for money."""

    interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionResumed(SubscriptionEvent):
    """Funded again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionExpired(SubscriptionEvent):
    """Over; `refund` is the payer's again."""

    refund: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerEvent(SubscriptionEvent):
    """Something about one answer; `redundancy` is its ordinal in its interval, from 1."""

    node: Address
    interval: Interval
    redundancy: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionFulfilled(AnswerEvent):
    """An answer was paid and handed over; `callback_ok` is False where the consumer failed and that did not matter."""

    callback_ok: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPending(AnswerEvent):
    """An answer was delivered, counts, and waits for its verifier."""

    pending_until: Timestamp
    features_hash: Hash32
    output_hash: Hash32


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSettled(AnswerEvent):
    """A pending answer is decided. Where it is valid, `SubscriptionFulfilled` follows."""

    valid: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFailed(LoggedEvent):
    """An item of a batch failed: `index` is its place, `reason` the first 512 bytes of its revert data."""

    node: Address
    index: int
    reason: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NonceBurned(LoggedEvent):
    """The owner made an unused nonce of delegated subscriptions worthless."""

    owner: Address
    nonce: int


Event = SubscriptionEvent | DeliveryFailed | NonceBurned | LedgerEvent

_OF = {"owner": "address", "id": "uint32"}
_BY = _OF | {"node": "address"}
_PLACE = {"interval": "uint32", "redundancy": "uint16"}

SUBSCRIPTION_CREATED = EventCodec(
    SubscriptionCreated,
    indexed=_OF | {"container_id": "bytes32"},
    data={"subscription": SUBSCRIPTION_ABI, "container": "string", "features": "bytes"},
)
VERIFIER_PARAMS = EventCodec(VerifierParams, indexed=_OF, data={"params": "bytes"})
SUBSCRIPTION_CANCELLED = EventCodec(SubscriptionCancelled, indexed=_OF, data={})
SUBSCRIPTION_PAUSED = EventCodec(SubscriptionPaused, indexed=_OF, data={"interval": "uint32"})
SUBSCRIPTION_RESUMED = EventCodec(SubscriptionResumed, indexed=_OF, data={})
SUBSCRIPTION_EXPIRED = EventCodec(SubscriptionExpired, indexed=_OF, data={"refund": "uint256"})
SUBSCRIPTION_FULFILLED = EventCodec(SubscriptionFulfilled, indexed=_BY, data=_PLACE | {"callback_ok": "bool"})
ANSWER_PENDING = EventCodec(
    AnswerPending,
    indexed=_BY,
    data=_PLACE | {"pending_until": "uint40", "features_hash": "bytes32", "output_hash": "bytes32"},
)
ANSWER_SETTLED = EventCodec(AnswerSettled, indexed=_BY, data=_PLACE | {"valid": "bool"})
DELIVERY_FAILED = EventCodec(DeliveryFailed, indexed={"node": "address"}, data={"index": "uint256", "reason": "bytes"})
NONCE_BURNED = EventCodec(NonceBurned, indexed={"owner": "address", "nonce": "uint32"}, data={})

EVENTS: dict[bytes, EventCodec[Any]] = {
    codec.topic: codec
    for codec in (
        SUBSCRIPTION_CREATED, VERIFIER_PARAMS, SUBSCRIPTION_CANCELLED, SUBSCRIPTION_PAUSED, SUBSCRIPTION_RESUMED,
        SUBSCRIPTION_EXPIRED, SUBSCRIPTION_FULFILLED, ANSWER_PENDING, ANSWER_SETTLED, DELIVERY_FAILED, NONCE_BURNED,
        DEPOSITED, WITHDRAWN, ALLOWED, CREDITED,
    )
}  # fmt: skip
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
        values = codec.decode_values(log)
        if "subscription" in values:
            values["subscription"] = build_subscription(values["subscription"])
        event: Event = codec.build_from(log, values)
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
