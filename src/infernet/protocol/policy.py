"""What an operator agrees to serve, as rules without a state: who asks, for what, under which terms, for how much."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from infernet.errors import InvalidInput
from infernet.protocol.fees import compute_shares
from infernet.protocol.hashing import ZERO_ADDRESS, split_chain
from infernet.protocol.subscription import Mode, Subscription
from infernet.types import Address, BlockRef, Gas, Wei

SERVED_MODES = Mode.PULL | Mode.ISOLATED | Mode.PROVISIONAL
"""`LAZY` needs a place that serves bytes by hash, `SEALED` a node that commits and reveals."""

MAX_CHAIN_LENGTH = 16
"""Containers that one request may be fed through."""
DELIVERY_OVERHEAD_GAS = 110_000
"""The contract's `DELIVERY_OVERHEAD_WEI`: what of `maxGasLimit` is not the callback's."""

_NO_TIP = Wei(0)


@dataclass(frozen=True, slots=True)
class Drop:
    """Nothing to do, ever. The reason is noted once."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Policy:
    """What an operator agrees to serve.

    Attributes:
        containers: ids of the containers that this node runs; there may be more of them later.
        allowed_owners: empty allows everyone who is not denied.
        turn_window_s: seconds over which the nodes of a container spread, so that they need not race for an answer
            that one of them can give. 0 answers at once.
        max_callback_gas: the most that a consumer's callback may be promised: the node pays for it.
        minimum_fees: the least that this node works for, by token (zero: ether), its own share of an answer's fee, in
            units of the token. Where there are any, no other token is taken, and nothing that is free.
        bonds: the verifiers that this node works with, and its own bond towards each, in wei.
        margin_percent: what this node earns of an answer paid in ether, at the least, in percent of what the gas of
            its delivery costs now; 100 covers the dearest callback. 0 does not look at the price.
        tip: what the node adds to the base fee, per gas.
        protocol_share_bps: the Coordinator's own share of every fee.
    """

    node: Address
    containers: Set[str]
    allowed_owners: frozenset[Address] = frozenset()
    denied_owners: frozenset[Address] = frozenset()
    turn_window_s: int = 0
    max_callback_gas: int = 5_000_000
    minimum_fees: Mapping[Address, int] = field(default_factory=dict)
    bonds: Mapping[Address, int] = field(default_factory=dict)
    margin_percent: int = 0
    tip: Wei = _NO_TIP
    protocol_share_bps: int = 0


def find_refusal(terms: Subscription, container: str, policy: Policy) -> Drop | None:
    """Why this node never serves such a subscription, None where it would."""
    names = split_chain(container)
    if len(names) > MAX_CHAIN_LENGTH:
        return Drop("container.chain_too_long", f"a chain of {len(names)} containers: at most {MAX_CHAIN_LENGTH} do")
    missing = [name for name in names if name not in policy.containers]
    if missing:
        return Drop("container.not_served", f"this node does not serve {', '.join(missing)}")
    if terms.owner in policy.denied_owners or (policy.allowed_owners and terms.owner not in policy.allowed_owners):
        return Drop("owner.refused", f"the operator's policy refuses the owner {terms.owner}")
    if terms.node not in (ZERO_ADDRESS, policy.node):
        return Drop("node.other", f"the subscription names the node {terms.node}")
    if unserved := terms.mode & ~SERVED_MODES:
        return Drop("mode.not_served", f"this node does not serve the mode {Mode(unserved).name or int(unserved)}")
    callback_gas = terms.max_gas_limit - DELIVERY_OVERHEAD_GAS
    if callback_gas > policy.max_callback_gas:
        return Drop(
            "callback.too_dear", f"its callback wants {callback_gas} gas, this node gives {policy.max_callback_gas}"
        )
    return _find_verifier_refusal(terms, policy) or _find_fee_refusal(terms, policy)


def _find_verifier_refusal(terms: Subscription, policy: Policy) -> Drop | None:
    if terms.verifier == ZERO_ADDRESS:
        return None
    if terms.verifier not in policy.bonds:
        return Drop("verifier.refused", f"the operator's policy does not allow the verifier {terms.verifier}")
    bond = policy.bonds[terms.verifier]
    if bond < terms.min_bond:
        return Drop("bond.too_low", f"a bond of {terms.min_bond} wei is asked for, this node has {bond}")
    return None


def _find_fee_refusal(terms: Subscription, policy: Policy) -> Drop | None:
    share = compute_node_share(terms, policy)
    if policy.minimum_fees and terms.token not in policy.minimum_fees:
        return Drop("fee.token_refused", f"the operator's policy does not take the token {terms.token}")
    least = policy.minimum_fees.get(terms.token, 0)
    if share < least:
        return Drop("fee.too_low", f"this node earns {share} of an answer and works for {least} or more")
    if share == 0 and policy.margin_percent:
        return Drop("fee.too_low", "this node earns nothing of an answer and works for a margin over its gas")
    return None


def compute_node_share(terms: Subscription, policy: Policy) -> int:
    """What this node earns of one answer, in units of the token; 0 where no Coordinator would take the terms."""
    try:
        return compute_shares(terms, policy.protocol_share_bps).node
    except InvalidInput:
        return 0


def is_profitable(terms: Subscription, head: BlockRef, policy: Policy) -> bool:
    """True where an answer earns the operator's margin over its gas at the head's price.

    Only fees in ether can be compared with gas; of other tokens the minimum fee decides.
    """
    if not policy.margin_percent or terms.token != ZERO_ADDRESS:
        return True
    cost = compute_gas_cost(terms.max_gas_limit, head, policy.tip)
    return compute_node_share(terms, policy) * 100 >= cost * policy.margin_percent


def compute_gas_cost(gas: Gas, head: BlockRef, tip: Wei) -> Wei:
    """What so much gas costs in a block like the head."""
    return Wei(gas * (head.base_fee + tip))
