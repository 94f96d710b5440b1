"""Who gets what of a fee, as `Coordinator.quoteAnswer` says it (`contracts/src/Shares.sol`)."""

from __future__ import annotations

from dataclasses import dataclass

from infernet.errors import InvalidInput
from infernet.protocol.subscription import Subscription

BPS = 10_000


@dataclass(frozen=True, slots=True)
class Shares:
    """The parts of one answer's fee, in units of its token. Together they are the fee: the node has what is left."""

    node: int
    creator: int
    verifier: int
    protocol: int


def compute_shares(terms: Subscription, protocol_share_bps: int = 0) -> Shares:
    """Split the fee of one answer. What does not divide is the node's.

    Args:
        terms: the subscription's terms.
        protocol_share_bps: of the Coordinator's deployment, in 1/10,000.

    Raises:
        InvalidInput: `fee.too_low`: the others' shares are more than the fee; no Coordinator takes such terms.
    """
    creator = terms.fee * terms.royalty_bps // BPS
    protocol = terms.fee * protocol_share_bps // BPS
    node = terms.fee - creator - terms.verifier_fee - protocol
    if node < 0:
        raise InvalidInput(
            "fee.too_low",
            f"creator, verifier and protocol get {terms.fee - node}, the fee is {terms.fee}: raise the fee",
        )
    return Shares(node, creator, terms.verifier_fee, protocol)


def compute_payees(node_share: int, count: int) -> list[int]:
    """What each of `count` payees gets of the node's share: equal parts, the first one the rest too."""
    each = node_share // count
    return [node_share - each * (count - 1)] + [each] * (count - 1)


def compute_lock(terms: Subscription) -> int:
    """What creating a subscription locks of its payer: the fees of one interval."""
    return terms.fee * terms.redundancy
