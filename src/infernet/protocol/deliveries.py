"""Several deliveries in one transaction, and answers that are settled: their calldata, and what they carried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from infernet.errors import InvalidInput
from infernet.protocol.abi import (
    ADDRESS,
    BYTES,
    BYTES32,
    UINT16,
    UINT32,
    UINT40,
    AbiType,
    Function,
    build_struct,
    check_fields,
)
from infernet.protocol.calldata import Delivery, decode_delivery
from infernet.protocol.subscription import SUBSCRIPTION, Subscription, build_subscription
from infernet.types import Address, Hash32, Interval, SubscriptionId, Timestamp

BYTES_LIST = AbiType("bytes[]", "a list of bytes", lambda value: all(isinstance(item, bytes) for item in value))

ANSWER_FIELDS = {
    "id": UINT32,
    "interval": UINT32,
    "redundancy": UINT16,
    "node": ADDRESS,
    "pending_until": UINT40,
    "features_hash": BYTES32,
}
ANSWER = build_struct(ANSWER_FIELDS)
"""The ABI type of the Solidity struct `Answer`."""

DELIVER_MODEL_OUTPUTS = Function("deliverModelOutputs", {"deliveries": BYTES_LIST})
SETTLE = Function("settle", {"answer": ANSWER, "subscription": SUBSCRIPTION, "output": BYTES, "proof": BYTES})
MULTICALL = Function("multicall", {"calls": BYTES_LIST})

BATCH_FUNCTIONS = (DELIVER_MODEL_OUTPUTS, SETTLE, MULTICALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer that is pending, as `AnswerPending` tells of it.

    Attributes:
        redundancy: its ordinal in its interval, from 1.
        pending_until: from then on what is not valid is refunded.
        features_hash: what the verifier was told of the features.
    """

    id: SubscriptionId
    interval: Interval
    redundancy: int
    node: Address
    pending_until: Timestamp
    features_hash: Hash32

    def as_tuple(self) -> tuple[Any, ...]:
        """The values in the struct's order."""
        return (self.id, self.interval, self.redundancy, self.node, self.pending_until, self.features_hash)


def encode_deliver_model_outputs(deliveries: Sequence[bytes]) -> bytes:
    """Many deliveries at once, each the calldata of one delivery or settlement."""
    return DELIVER_MODEL_OUTPUTS.encode(tuple(deliveries))


def encode_settle(answer: Answer, subscription: Subscription, output: bytes, proof: bytes = b"") -> bytes:
    """Ask the verifier of a pending answer once more."""
    check_fields(ANSWER_FIELDS, answer.as_tuple(), "answer.")
    return SETTLE.encode(answer.as_tuple(), subscription.as_tuple(), output, proof)


def encode_multicall(calls: Sequence[bytes]) -> bytes:
    """Several calls in the caller's name; all succeed or none."""
    return MULTICALL.encode(tuple(calls))


def is_batch(data: bytes) -> bool:
    """True for the calldata of `deliverModelOutputs`, whose items fail one by one."""
    return data[:4] == DELIVER_MODEL_OUTPUTS.selector


def decode_deliveries(data: bytes) -> tuple[Delivery | None, ...]:
    """What the calldata of a transaction to the Coordinator deliver, item by item.

    An item that delivers nothing, or that does not decode, is None and hides no other. A settlement counts: it hands
    over the output that was pending.
    """
    if data[:4] in (DELIVER_MODEL_OUTPUTS.selector, MULTICALL.selector):
        function = DELIVER_MODEL_OUTPUTS if is_batch(data) else MULTICALL
        try:
            (items,) = function.decode(data)
        except InvalidInput:
            return (None,)
        if is_batch(data):
            return tuple(_decode_item(item) for item in items)
        return tuple(found for item in items if item[:4] != MULTICALL.selector for found in decode_deliveries(item))
    return (_decode_item(data),)


def _decode_item(data: bytes) -> Delivery | None:
    try:
        return _decode_settlement(data) if data[:4] == SETTLE.selector else decode_delivery(data)
    except InvalidInput:
        return None


def _decode_settlement(data: bytes) -> Delivery:
    answer, terms, output, proof = SETTLE.decode(data)
    return Delivery(
        owner=terms[0],
        id=SubscriptionId(answer[0]),
        interval=Interval(answer[1]),
        subscription=build_subscription(terms),
        output=output,
        proof=proof,
    )
