"""What a node does about one subscription at one block: a pure function, a table of cases.

Nothing here looks at a clock: time is the head's timestamp, as the Coordinator will see it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from infernet.protocol.hashing import ZERO_ADDRESS, ZERO_HASH, keccak, split_chain
from infernet.protocol.interval import MAX_INTERVAL, compute_interval, compute_interval_end, compute_interval_start
from infernet.protocol.subscription import DelegateRequest, Mode, Subscription
from infernet.types import Address, BlockRef, Interval, SubscriptionKey, Timestamp

SUPPORTED_MODES = Mode.PULL


@dataclass(frozen=True, slots=True)
class Tracked:
    """What is known of one subscription at one block.

    Attributes:
        container: the container string as requested, `"A"` or a chain `"A,B"`.
        features: inline features; empty in pull mode.
        request: the signed request, where the subscription was signed off chain.
        created_block: the block that created it on chain; None while it is only signed, or its block was orphaned.
        interval: the interval that `delivered` counts.
        delivered: answers that the chain has for `interval`.
        answered: the last interval this node is done with (delivered, or given up on).
    """

    key: SubscriptionKey
    subscription: Subscription
    container: str
    features: bytes
    request: DelegateRequest | None = None
    created_block: int | None = None
    interval: Interval = Interval(0)
    delivered: int = 0
    answered: Interval = Interval(0)

    def with_delivery(self, interval: Interval, redundancy: int) -> Tracked:
        """After the chain counted answer number `redundancy` of `interval`."""
        return replace(self, interval=interval, delivered=redundancy)

    @property
    def is_complete(self) -> bool:
        """True when no further answer can ever be delivered."""
        terms = self.subscription
        return self.interval >= terms.frequency and self.delivered >= terms.redundancy


@dataclass(frozen=True, slots=True)
class Policy:
    """What an operator agrees to serve.

    Attributes:
        containers: ids of the containers that this node runs.
        allowed_owners: empty allows everyone who is not denied.
        turn_window_s: seconds over which the nodes of a container spread, so that they need not race for an answer
            that one of them can give. 0 answers at once.
    """

    node: Address
    containers: frozenset[str]
    allowed_owners: frozenset[Address] = frozenset()
    denied_owners: frozenset[Address] = frozenset()
    turn_window_s: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """Compute the answer of `interval` now. `ends_at` is the first second that is too late, None for never."""

    interval: Interval
    starts_at: Timestamp
    ends_at: Timestamp | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before the chain's clock shows `until`."""

    until: Timestamp
    code: str


@dataclass(frozen=True, slots=True)
class Drop:
    """Nothing to do, ever. The reason is noted once."""

    code: str
    message: str


Decision = Run | Wait | Drop


def decide(tracked: Tracked, head: BlockRef, policy: Policy, block_time_s: int = 1) -> Decision:
    """Decide about one subscription at one head.

    Args:
        tracked: the subscription and its progress, as of `head`.
        head: the newest block.
        policy: what the operator serves.
        block_time_s: seconds between blocks. An answer lands a block after the head, so an interval that ends before
            that is already over.
    """
    return find_refusal(tracked.subscription, tracked.container, policy) or _schedule(
        tracked, head, policy, block_time_s
    )


def find_refusal(terms: Subscription, container: str, policy: Policy) -> Drop | None:
    """Why this node never serves such a subscription, None where it would."""
    if unsupported := unsupported_term(terms):
        return Drop("terms.unsupported", f"this node does not know the term {unsupported}")
    missing = [name for name in split_chain(container) if name not in policy.containers]
    if missing:
        return Drop("container.not_served", f"this node does not serve {', '.join(missing)}")
    if terms.owner in policy.denied_owners or (policy.allowed_owners and terms.owner not in policy.allowed_owners):
        return Drop("owner.refused", f"the operator's policy refuses the owner {terms.owner}")
    if terms.node not in (ZERO_ADDRESS, policy.node):
        return Drop("node.other", f"the subscription names the node {terms.node}")
    return None


def unsupported_term(terms: Subscription) -> str | None:
    """The first term of a subscription that has no meaning on this Coordinator yet and is not zero."""
    if terms.mode & ~SUPPORTED_MODES:
        return f"mode = {int(terms.mode)}"
    for name in ("min_bond", "verifier_fee", "fee", "royalty_bps", "deadline"):
        if getattr(terms, name):
            return f"{name} = {getattr(terms, name)}"
    for name in ("verifier", "payer", "token", "royalty_to"):
        if getattr(terms, name) != ZERO_ADDRESS:
            return f"{name} = {getattr(terms, name)}"
    return "verifier_params" if terms.verifier_params != ZERO_HASH else None


def _schedule(tracked: Tracked, head: BlockRef, policy: Policy, block_time_s: int) -> Decision:
    terms = tracked.subscription
    if tracked.created_block is None:
        if tracked.request is None:
            return Drop("orphaned", "the block that created this subscription is no longer part of the chain")
        if head.timestamp + block_time_s > tracked.request.expiry:
            return Drop("request.expired", f"the signed request expired at {tracked.request.expiry}")
    if head.timestamp < terms.active_at:
        return Wait(Timestamp(terms.active_at), "not_active")
    if _count_intervals(terms, head) > min(terms.frequency, MAX_INTERVAL) or tracked.is_complete:
        return Drop("completed", "every interval of this subscription is over")
    interval = compute_interval(terms.active_at, terms.period, head.timestamp)
    ends_at = compute_interval_end(terms.active_at, terms.period, interval)
    taken = tracked.interval == interval and tracked.delivered >= terms.redundancy
    if taken or tracked.answered >= interval or is_too_late(ends_at, head, block_time_s):
        if ends_at is None or interval >= terms.frequency:
            return Drop("completed", "this subscription has no interval left for this node")
        return Wait(ends_at, "interval.done")
    starts_at = compute_interval_start(terms.active_at, terms.period, interval)
    if terms.node == ZERO_ADDRESS:
        turn_at = Timestamp(starts_at + compute_turn_delay(tracked.key, interval, policy.node, policy.turn_window_s))
        if head.timestamp < turn_at:
            return Wait(turn_at if ends_at is None else min(turn_at, ends_at), "turn")
    if head.base_fee > terms.max_gas_price:
        return Wait(Timestamp(head.timestamp + 1), "gas.price")
    return Run(interval, starts_at, ends_at)


def _count_intervals(terms: Subscription, head: BlockRef) -> int:
    """Intervals begun, those beyond the contract's uint32 too: there `getSubscriptionInterval` reverts for ever."""
    return (head.timestamp - terms.active_at) // terms.period + 1 if terms.period else 1


def is_too_late(ends_at: Timestamp | None, head: BlockRef, block_time_s: int) -> bool:
    """True where the block after `head` will most likely not be within an interval that ends at `ends_at`."""
    return ends_at is not None and head.timestamp + block_time_s >= ends_at


def compute_turn_delay(key: SubscriptionKey, interval: Interval, node: Address, window_s: int) -> int:
    """Seconds after the interval's start at which it is this node's turn, below `window_s`.

    `keccak256(abi.encode(owner, id, interval, node)) * window_s >> 256`: every node computes every node's turn alike.
    """
    words = (bytes.fromhex(key.owner[2:]), key.id.to_bytes(4), interval.to_bytes(4), bytes.fromhex(node[2:]))
    digest = keccak(b"".join(word.rjust(32, b"\0") for word in words))
    return int.from_bytes(digest) * window_s >> 256
