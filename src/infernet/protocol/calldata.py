"""Calldata of the Coordinator and of what it and the nodes call on consumers, and the values they return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from infernet.protocol.abi import ADDRESS, BYTES, STRING, UINT16, UINT32, UINT40, UINT48, UINT256, Function
from infernet.protocol.abi_codec import decode_abi
from infernet.protocol.subscription import (
    DELEGATE_FIELDS,
    DELEGATE_REQUEST,
    SUBSCRIPTION,
    SUBSCRIPTION_ABI,
    DelegateRequest,
    Subscription,
    build_delegate_request,
    build_subscription,
    delegated_id,
)
from infernet.types import Address, Gas, Interval, SubscriptionId, Timestamp, Wei

CREATE_SUBSCRIPTION = Function(
    "createSubscription",
    {
        "container": STRING,
        "features": BYTES,
        "max_gas_price": UINT48,
        "max_gas_limit": UINT32,
        "frequency": UINT256,
        "period": UINT32,
        "redundancy": UINT16,
    },
    UINT32,
)
CREATE_SUBSCRIPTION_WITH_TERMS = Function(
    "createSubscription", {"subscription": SUBSCRIPTION, "container": STRING, "features": BYTES}, UINT32
)
CANCEL_SUBSCRIPTION = Function("cancelSubscription", {"id": UINT32})
GET_SUBSCRIPTION_INTERVAL = Function("getSubscriptionInterval", {"active_at": UINT40, "period": UINT32}, UINT32)
DELIVER_MODEL_OUTPUT = Function(
    "deliverModelOutput",
    {"id": UINT32, "interval": UINT32, "subscription": SUBSCRIPTION, "output": BYTES, "proof": BYTES},
)
CREATE_SUBSCRIPTION_DELEGATE = Function("createSubscriptionDelegate", DELEGATE_FIELDS, UINT32)
DELIVER_MODEL_OUTPUT_DELEGATE = Function(
    "deliverModelOutputDelegate", {"request": DELEGATE_REQUEST, "interval": UINT32, "output": BYTES, "proof": BYTES}
)
BURN_NONCE = Function("burnNonce", {"nonce": UINT32})
GET_MODEL_FEATURES = Function(
    "getModelFeatures", {"id": UINT32, "interval": UINT32, "timestamp": UINT32, "caller": ADDRESS}, BYTES
)
SIGNER = Function("signer", {}, ADDRESS)

FUNCTIONS = (
    CREATE_SUBSCRIPTION,
    CREATE_SUBSCRIPTION_WITH_TERMS,
    CANCEL_SUBSCRIPTION,
    GET_SUBSCRIPTION_INTERVAL,
    DELIVER_MODEL_OUTPUT,
    CREATE_SUBSCRIPTION_DELEGATE,
    DELIVER_MODEL_OUTPUT_DELEGATE,
    BURN_NONCE,
    GET_MODEL_FEATURES,
    SIGNER,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What a delivering transaction carried."""

    owner: Address
    id: SubscriptionId
    interval: Interval
    subscription: Subscription
    output: bytes
    proof: bytes


def encode_create_subscription(
    container: str,
    features: bytes,
    *,
    max_gas_price: Wei,
    max_gas_limit: Gas,
    frequency: int,
    period: int,
    redundancy: int,
) -> bytes:
    """The plain form: empty features mean pull mode."""
    return CREATE_SUBSCRIPTION.encode(container, features, max_gas_price, max_gas_limit, frequency, period, redundancy)


def encode_create_subscription_with_terms(subscription: Subscription, container: str, features: bytes) -> bytes:
    """The form with terms: the subscription's owner must be the caller."""
    return CREATE_SUBSCRIPTION_WITH_TERMS.encode(subscription.as_tuple(), container, features)


def encode_cancel_subscription(id: SubscriptionId) -> bytes:  # noqa: A002  (the contract's word)
    return CANCEL_SUBSCRIPTION.encode(id)


def encode_get_subscription_interval(active_at: Timestamp, period: int) -> bytes:
    return GET_SUBSCRIPTION_INTERVAL.encode(active_at, period)


def encode_deliver_model_output(
    id: SubscriptionId,  # noqa: A002  (the contract's word)
    interval: Interval,
    subscription: Subscription,
    output: bytes,
    proof: bytes = b"",
) -> bytes:
    return DELIVER_MODEL_OUTPUT.encode(id, interval, subscription.as_tuple(), output, proof)


def encode_create_subscription_delegate(request: DelegateRequest) -> bytes:
    return CREATE_SUBSCRIPTION_DELEGATE.encode(*request.as_tuple())


def encode_deliver_model_output_delegate(
    request: DelegateRequest, interval: Interval, output: bytes, proof: bytes = b""
) -> bytes:
    return DELIVER_MODEL_OUTPUT_DELEGATE.encode(request.as_tuple(), interval, output, proof)


def encode_burn_nonce(nonce: int) -> bytes:
    return BURN_NONCE.encode(nonce)


def encode_get_model_features(
    id: SubscriptionId,  # noqa: A002  (the contract's word)
    interval: Interval,
    timestamp: Timestamp,
    caller: Address,
) -> bytes:
    return GET_MODEL_FEATURES.encode(id, interval, timestamp, caller)


def encode_signer() -> bytes:
    return SIGNER.encode()


def decode_create_subscription_delegate(data: bytes) -> DelegateRequest:
    """The request in a `createSubscriptionDelegate` call.

    Raises:
        InvalidInput: `abi.malformed`.
    """
    return build_delegate_request(CREATE_SUBSCRIPTION_DELEGATE.decode(data))


def decode_delivery(data: bytes) -> Delivery | None:
    """The delivery in the calldata of a transaction to the Coordinator, None when it calls something else.

    Raises:
        InvalidInput: `abi.malformed`: a delivery's selector with arguments that do not decode.
    """
    if data[:4] == DELIVER_MODEL_OUTPUT.selector:
        id_, interval, terms, output, proof = DELIVER_MODEL_OUTPUT.decode(data)
    elif data[:4] == DELIVER_MODEL_OUTPUT_DELEGATE.selector:
        nonce, terms, interval, output, proof = _decode_delegated(data[4:])
        id_ = delegated_id(nonce)
    else:
        return None
    return Delivery(
        owner=terms[0],
        id=id_,
        interval=interval,
        subscription=build_subscription(terms),
        output=output,
        proof=proof,
    )


def _decode_delegated(arguments: bytes) -> tuple[Any, ...]:
    """What the contract reads where the subscription exists already: of the request, its nonce and its subscription.

    A node could put into the rest what does not decode, and hide its output from a reader that insists.
    """
    request_at, interval, output, proof = decode_abi(["uint256", "uint32", "bytes", "bytes"], arguments)
    nonce, _expiry, terms = decode_abi(["uint32", "bytes32", SUBSCRIPTION_ABI], arguments[request_at:])
    return nonce, terms, interval, output, proof


def decode_subscription_id(returned: bytes) -> SubscriptionId:
    """What `createSubscription` and `createSubscriptionDelegate` return."""
    return SubscriptionId(CREATE_SUBSCRIPTION.decode_returned(returned))


def decode_subscription_interval(returned: bytes) -> Interval:
    """What `getSubscriptionInterval` returns."""
    return Interval(GET_SUBSCRIPTION_INTERVAL.decode_returned(returned))


def decode_model_features(returned: bytes) -> bytes:
    """What a consumer's `getModelFeatures` returns.

    Raises:
        InvalidInput: `abi.malformed`: most likely the consumer has no such function.
    """
    features: bytes = GET_MODEL_FEATURES.decode_returned(returned)
    return features


def decode_signer(returned: bytes) -> Address:
    """What a `Delegator`'s `signer` returns.

    Raises:
        InvalidInput: `abi.malformed`: most likely the owner is no `Delegator`.
    """
    return Address(SIGNER.decode_returned(returned))
