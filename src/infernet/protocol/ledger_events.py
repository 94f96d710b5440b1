"""Events of the money in the Coordinator."""

from __future__ import annotations

from dataclasses import dataclass

from infernet.protocol.event_codec import EventCodec, LoggedEvent
from infernet.types import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposited(LoggedEvent):
    """`sender` deposited for `account`; `amount` is what arrived, in units of the token (zero: ether)."""

    sender: Address
    account: Address
    token: Address
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn(LoggedEvent):
    """`account` sent a part of its free balance to `to`."""

    account: Address
    to: Address
    token: Address
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed(LoggedEvent):
    """Subscriptions of `owner` may lock `amount` more of what `payer` has."""

    payer: Address
    owner: Address
    token: Address
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Credited(LoggedEvent):
    """`account` earned: as a node, a creator, a verifier or the protocol."""

    account: Address
    token: Address
    amount: int


LedgerEvent = Deposited | Withdrawn | Allowed | Credited

_ADDRESS = "address"
DEPOSITED = EventCodec(
    Deposited, indexed={"sender": _ADDRESS, "account": _ADDRESS, "token": _ADDRESS}, data={"amount": "uint256"}
)
WITHDRAWN = EventCodec(
    Withdrawn, indexed={"account": _ADDRESS, "to": _ADDRESS, "token": _ADDRESS}, data={"amount": "uint256"}
)
ALLOWED = EventCodec(
    Allowed, indexed={"payer": _ADDRESS, "owner": _ADDRESS, "token": _ADDRESS}, data={"amount": "uint128"}
)
CREDITED = EventCodec(Credited, indexed={"account": _ADDRESS, "token": _ADDRESS}, data={"amount": "uint256"})
