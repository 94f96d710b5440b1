"""Calldata of the Coordinator's money: the ledger, what subscriptions lock, and who gets what."""

from __future__ import annotations

from infernet.protocol.abi import ADDRESS, BYTES, STRING, UINT16, UINT32, UINT128, UINT256, Function
from infernet.protocol.subscription import SUBSCRIPTION, Subscription
from infernet.types import Address, Interval, SubscriptionId

CREATE_SUBSCRIPTION_WITH_VERIFIER = Function(
    "createSubscription",
    {"subscription": SUBSCRIPTION, "container": STRING, "features": BYTES, "verifier_params": BYTES},
    UINT32,
)
DEPOSIT = Function("deposit", {"account": ADDRESS, "token": ADDRESS, "amount": UINT256}, UINT256)
WITHDRAW = Function("withdraw", {"to": ADDRESS, "token": ADDRESS, "amount": UINT256})
ALLOW = Function("allow", {"owner": ADDRESS, "token": ADDRESS, "amount": UINT128})
EXPIRE = Function("expire", {"id": UINT32, "subscription": SUBSCRIPTION})
FUND = Function("fund", {"id": UINT32, "subscription": SUBSCRIPTION})
CANCEL_AS_PAYER = Function("cancelSubscriptionAsPayer", {"id": UINT32, "subscription": SUBSCRIPTION})
BALANCE_OF = Function("balanceOf", {"account": ADDRESS, "token": ADDRESS}, UINT128, UINT128)
QUOTE_ANSWER = Function("quoteAnswer", {"subscription": SUBSCRIPTION}, UINT256, UINT256, UINT256, UINT256)
PROTOCOL_SHARE_BPS = Function("PROTOCOL_SHARE_BPS", {}, UINT16)
NODE_REGISTRY = Function("NODE_REGISTRY", {}, ADDRESS)
TURN_DELAY = Function(
    "turnDelay",
    {"owner": ADDRESS, "id": UINT32, "interval": UINT32, "node": ADDRESS, "window": UINT32},
    UINT256,
)
BOND_OF = Function("bondOf", {"node": ADDRESS, "verifier": ADDRESS}, UINT256)
"""Of the NodeRegistry."""

MONEY_FUNCTIONS = (
    CREATE_SUBSCRIPTION_WITH_VERIFIER, DEPOSIT, WITHDRAW, ALLOW, EXPIRE, FUND, CANCEL_AS_PAYER, BALANCE_OF,
    QUOTE_ANSWER, PROTOCOL_SHARE_BPS, NODE_REGISTRY, TURN_DELAY, BOND_OF,
)  # fmt: skip


def encode_create_subscription_with_verifier(
    subscription: Subscription, container: str, features: bytes, verifier_params: bytes
) -> bytes:
    """The form with terms and the parameters of their verifier."""
    return CREATE_SUBSCRIPTION_WITH_VERIFIER.encode(subscription.as_tuple(), container, features, verifier_params)


def encode_expire(id: SubscriptionId, subscription: Subscription) -> bytes:  # noqa: A002  (the contract's word)
    return EXPIRE.encode(id, subscription.as_tuple())


def encode_fund(id: SubscriptionId, subscription: Subscription) -> bytes:  # noqa: A002  (the contract's word)
    return FUND.encode(id, subscription.as_tuple())


def encode_turn_delay(
    owner: Address,
    id: SubscriptionId,  # noqa: A002  (the contract's word)
    interval: Interval,
    node: Address,
    window_s: int,
) -> bytes:
    return TURN_DELAY.encode(owner, id, interval, node, window_s)
