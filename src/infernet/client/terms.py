"""What a request pays, to whom, and who decides whether an answer is good."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from infernet.protocol.hashing import ZERO_ADDRESS, ZERO_HASH, keccak
from infernet.protocol.subscription import Mode
from infernet.types import Address, Hash32

DEFAULT_DEADLINE_S = 3600

RoyaltyReader = Callable[[Hash32], Awaitable[tuple[Address, int]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms of a request beyond its plain ones; amounts are in units of the token.

    Attributes:
        fee: per answer and all-in: creator, verifier and protocol are paid from it.
        token: zero = ether.
        payer: whose balance pays; zero = the owner's. Another payer has to allow the owner.
        deadline: the last second in which an answer is taken; None is an hour from now where a one-time request pays,
            and none otherwise.
        verifier: decides whether an answer is good; zero = nobody.
        verifier_params: the verifier's parameters, ABI bytes.
        verifier_fee: the verifier's part of the fee.
        min_bond: of the node towards the verifier, in wei.
        royalty_to: the model's creator; None asks the ModelRegistry for both royalty terms.
        royalty_bps: the creator's part of the fee, in 1/10,000.
        isolated: an answer is paid though the consumer's callback fails.
    """

    fee: int = 0
    token: str = ZERO_ADDRESS
    payer: str = ZERO_ADDRESS
    deadline: int | None = None
    verifier: str = ZERO_ADDRESS
    verifier_params: bytes = b""
    verifier_fee: int = 0
    min_bond: int = 0
    royalty_to: str | None = None
    royalty_bps: int = 0
    isolated: bool = False

    async def build_fields(
        self, container_id: Hash32, now: int, is_recurring: bool, read_royalty: RoyaltyReader
    ) -> dict[str, Any]:
        """The fields of a `Subscription` that these terms decide."""
        royalty_to, royalty_bps = self.royalty_to or ZERO_ADDRESS, self.royalty_bps
        if self.fee and self.royalty_to is None:
            royalty_to, royalty_bps = await read_royalty(container_id)
        deadline = self.deadline
        if deadline is None:
            deadline = now + DEFAULT_DEADLINE_S if self.fee and not is_recurring else 0
        return {
            "fee": self.fee,
            "token": self.token,
            "payer": self.payer,
            "deadline": deadline,
            "verifier": self.verifier,
            "verifier_params": keccak(self.verifier_params) if self.verifier_params else ZERO_HASH,
            "verifier_fee": self.verifier_fee,
            "min_bond": self.min_bond,
            "royalty_to": royalty_to if royalty_bps else ZERO_ADDRESS,
            "royalty_bps": royalty_bps,
            "mode": Mode.ISOLATED if self.isolated else Mode(0),
        }


FREE = Terms()
