"""The subscription: the struct that the contracts hash, a consumer signs and every node keys its work by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntFlag
from operator import attrgetter
from typing import Any

from infernet.errors import InvalidInput
from infernet.protocol.abi import (
    ADDRESS,
    BYTES,
    BYTES32,
    STRING,
    UINT8,
    UINT16,
    UINT32,
    UINT40,
    UINT48,
    UINT96,
    UINT128,
    UINT256,
    AbiType,
    build_struct,
    check_fields,
)
from infernet.protocol.abi_codec import decode_abi, encode_abi, malformed
from infernet.protocol.hashing import ZERO_ADDRESS, ZERO_HASH, keccak
from infernet.types import Address, Gas, Hash32, SubscriptionId, Timestamp, Wei

PERPETUAL = 2**256 - 1
"""The frequency of a subscription without a last interval."""

DELEGATED_BIT = 2**31
"""Ids with this bit belong to delegated subscriptions; counted ids stay below it."""


class Mode(IntFlag):
    """How a subscription reads its features and takes its outputs."""

    PULL = 1
    LAZY = 2
    SEALED = 4
    PROVISIONAL = 8
    ISOLATED = 16


_NO_BITS = Mode(0)
_NEVER = Timestamp(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """The terms of a subscription, field by field those of the Solidity struct.

    Attributes:
        owner: the consumer contract: receives outputs, may cancel.
        container_id: `compute_container_id` of the container or of the chain `A,B`.
        features_hash: keccak of the features, zero in pull mode.
        frequency: number of intervals, or `PERPETUAL`.
        period: seconds, 0 = once.
        active_at: start of interval 1.
        redundancy: distinct nodes that answer each interval.
        max_gas_price: a delivery above it reverts.
        max_gas_limit: gas of the callback and the delivery's overhead together.
        mode: bits of `Mode`.
        node: zero = any node, else only this one.
        min_bond: bond of the node towards the verifier.
        verifier: zero = none.
        verifier_params: hash of the verifier's parameters.
        verifier_fee: part of `fee` that the verifier gets, in units of `token`.
        payer: zero or owner = the owner's balance.
        token: zero = ether.
        fee: per answer and all-in, in units of `token`.
        royalty_to: the model's creator.
        royalty_bps: the creator's share.
        deadline: one-time subscriptions only; 0 = none.

    Raises:
        InvalidInput: `abi.out_of_range`, `address.invalid`: a field does not fit the struct's type.
    """

    owner: Address
    container_id: Hash32
    features_hash: Hash32 = ZERO_HASH
    frequency: int = 1
    period: int = 0
    active_at: Timestamp = _NEVER
    redundancy: int = 1
    max_gas_price: Wei
    max_gas_limit: Gas
    mode: Mode = _NO_BITS
    node: Address = ZERO_ADDRESS
    min_bond: int = 0
    verifier: Address = ZERO_ADDRESS
    verifier_params: Hash32 = ZERO_HASH
    verifier_fee: int = 0
    payer: Address = ZERO_ADDRESS
    token: Address = ZERO_ADDRESS
    fee: int = 0
    royalty_to: Address = ZERO_ADDRESS
    royalty_bps: int = 0
    deadline: Timestamp = _NEVER

    def __post_init__(self) -> None:
        check_fields(_TYPES, self.as_tuple(), "subscription.")

    def as_tuple(self) -> tuple[Any, ...]:
        """The 21 values in the struct's order."""
        values: tuple[Any, ...] = _VALUES(self)
        return values


FIELDS: tuple[tuple[str, str, AbiType], ...] = (
    ("owner", "owner", ADDRESS),
    ("container_id", "containerId", BYTES32),
    ("features_hash", "featuresHash", BYTES32),
    ("frequency", "frequency", UINT256),
    ("period", "period", UINT32),
    ("active_at", "activeAt", UINT40),
    ("redundancy", "redundancy", UINT16),
    ("max_gas_price", "maxGasPrice", UINT48),
    ("max_gas_limit", "maxGasLimit", UINT32),
    ("mode", "mode", UINT8),
    ("node", "node", ADDRESS),
    ("min_bond", "minBond", UINT96),
    ("verifier", "verifier", ADDRESS),
    ("verifier_params", "verifierParams", BYTES32),
    ("verifier_fee", "verifierFee", UINT96),
    ("payer", "payer", ADDRESS),
    ("token", "token", ADDRESS),
    ("fee", "fee", UINT128),
    ("royalty_to", "royaltyTo", ADDRESS),
    ("royalty_bps", "royaltyBps", UINT16),
    ("deadline", "deadline", UINT40),
)
"""Every field: its name here, its name in Solidity, its type."""

_TYPES = {name: kind for name, _, kind in FIELDS}
_VALUES = attrgetter(*_TYPES)

SUBSCRIPTION = build_struct(_TYPES)
"""The ABI type of the struct."""

SUBSCRIPTION_ABI = SUBSCRIPTION.abi
SUBSCRIPTION_BYTES = 32 * len(FIELDS)

SUBSCRIPTION_TYPE = f"Subscription({','.join(f'{kind.abi} {name}' for _, name, kind in FIELDS)})"
"""The struct's EIP-712 type string."""

SUBSCRIPTION_TYPE_HASH = keccak(SUBSCRIPTION_TYPE.encode())


def build_subscription(values: Sequence[Any]) -> Subscription:
    """The subscription of the struct's values in its order. Raises as `Subscription` does."""
    fields = dict(zip(_TYPES, values, strict=True))
    return Subscription(**{**fields, "mode": Mode(fields["mode"])})


def encode_subscription(subscription: Subscription) -> bytes:
    """`abi.encode(subscription)`: 21 words."""
    return encode_abi([SUBSCRIPTION_ABI], [subscription.as_tuple()])


def decode_subscription(data: bytes) -> Subscription:
    """The subscription of its 21 words.

    Raises:
        InvalidInput: `abi.malformed`: fewer or more bytes than that, or a word out of its type's range.
    """
    if len(data) != SUBSCRIPTION_BYTES:
        raise malformed(f"a subscription has {SUBSCRIPTION_BYTES} bytes, not {len(data)}")
    (values,) = decode_abi([SUBSCRIPTION_ABI], data)
    return build_subscription(values)


def compute_struct_hash(subscription: Subscription) -> Hash32:
    """EIP-712 `hashStruct`: every field is one word, so it is the type hash before the ABI encoding."""
    return keccak(SUBSCRIPTION_TYPE_HASH + encode_subscription(subscription))


def compute_commitment(subscription: Subscription) -> Hash32:
    """What the Coordinator stores of a subscription: 31 bytes of its struct hash, the byte for flags zero."""
    return Hash32(compute_struct_hash(subscription)[:31] + b"\0")


def delegated_id(nonce: int) -> SubscriptionId:
    """The id of the delegated subscription of that nonce.

    Raises:
        InvalidInput: `nonce.out_of_range`: 2**31 and above would take the id of a smaller nonce.
    """
    if not 0 <= nonce < DELEGATED_BIT:
        raise InvalidInput("nonce.out_of_range", f"nonce is {nonce}: it must be from 0 to 2**31 - 1", nonce=nonce)
    return SubscriptionId(DELEGATED_BIT | nonce)


@dataclass(frozen=True, slots=True)
class DelegateRequest:
    """A subscription that its owner's signer signed off chain, with all that is needed to create and answer it.

    Attributes:
        nonce: below 2**31 and used once per owner; fixes the subscription's id.
        expiry: last time at which it may be created.
        signature: of `signing.compute_delegate_digest`, by the owner's `signer()`.
    """

    nonce: int
    expiry: Timestamp
    subscription: Subscription
    container: str
    features: bytes
    signature: bytes

    def __post_init__(self) -> None:
        check_fields(DELEGATE_FIELDS, self.as_tuple(), "request.")
        delegated_id(self.nonce)

    @property
    def id(self) -> SubscriptionId:
        return delegated_id(self.nonce)

    def as_tuple(self) -> tuple[Any, ...]:
        """The values in the struct's order, the subscription's as a tuple."""
        terms = self.subscription.as_tuple()
        return (self.nonce, self.expiry, terms, self.container, self.features, self.signature)


DELEGATE_FIELDS = {
    "nonce": UINT32,
    "expiry": UINT40,
    "subscription": SUBSCRIPTION,
    "container": STRING,
    "features": BYTES,
    "signature": BYTES,
}
DELEGATE_REQUEST = build_struct(DELEGATE_FIELDS)
"""The ABI type of the Solidity struct `DelegateRequest`."""


def build_delegate_request(values: Sequence[Any]) -> DelegateRequest:
    """The request of the struct's values in its order. Raises `abi.out_of_range`, `nonce.out_of_range`."""
    nonce, expiry, terms, *others = values
    return DelegateRequest(nonce, expiry, build_subscription(terms), *others)
