"""What a node does about one subscription at one block: a pure function, a table of cases.

Nothing here looks at a clock: time is the head's timestamp, as the Coordinator will see it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from infernet.protocol.hashing import ZERO_ADDRESS, keccak
from infernet.protocol.interval import MAX_INTERVAL, compute_interval, compute_interval_end, compute_interval_start
from infernet.protocol.policy import Drop, Policy, find_refusal, is_profitable
from infernet.protocol.subscription import DelegateRequest, Subscription
from infernet.types import Address, BlockRef, Interval, SubscriptionKey, Timestamp


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
        is_paused: True while intervals after `interval` wait for money.
        last_interval: the last that may be answered, where a paid subscription was cancelled; None otherwise.
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
    is_paused: bool = False
    last_interval: Interval | None = None

    def with_delivery(self, interval: Interval, redundancy: int) -> Tracked:
        """After the chain counted answer number `redundancy` of `interval`."""
        return replace(self, interval=interval, delivered=redundancy)

    def with_cancellation(self, cancelled_at: Timestamp) -> Tracked:
        """After its owner cancelled a paid, recurring subscription: what had begun is still answered."""
        return replace(self, last_interval=count_intervals(self.subscription, cancelled_at))

    def has(self, interval: Interval, redundancy: int) -> bool:
        """True where that answer is counted already: a pending one is counted before it is fulfilled."""
        return (interval, redundancy) <= (self.interval, self.delivered)

    @property
    def survives_cancellation(self) -> bool:
        """True for a paid, recurring subscription: cancelling it stops intervals that have not begun."""
        return self.subscription.fee > 0 and self.subscription.frequency != 1

    @property
    def frequency(self) -> int:
        """The number of intervals that may be answered."""
        last = self.last_interval
        return self.subscription.frequency if last is None else min(last, self.subscription.frequency)

    @property
    def is_complete(self) -> bool:
        """True when no further answer can ever be delivered."""
        return self.frequency == 0 or (
            self.interval >= self.frequency and self.delivered >= self.subscription.redundancy
        )


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


def _schedule(tracked: Tracked, head: BlockRef, policy: Policy, block_time_s: int) -> Decision:
    terms = tracked.subscription
    if over := _find_over(tracked, head, block_time_s):
        return over
    if head.timestamp < terms.active_at:
        return Wait(Timestamp(terms.active_at), "not_active")
    if count_intervals(terms, head.timestamp) > min(tracked.frequency, MAX_INTERVAL) or tracked.is_complete:
        return Drop("completed", "every interval of this subscription is over")
    interval = compute_interval(terms.active_at, terms.period, head.timestamp)
    ends_at = _find_end(terms, interval)
    taken = tracked.interval == interval and tracked.delivered >= terms.redundancy
    if taken or tracked.answered >= interval or is_too_late(ends_at, head, block_time_s):
        if ends_at is None or interval >= tracked.frequency:
            return Drop("completed", "this subscription has no interval left for this node")
        return Wait(ends_at, "interval.done")
    if tracked.is_paused and tracked.interval != interval and ends_at is not None:
        return Wait(ends_at, "paused")
    starts_at = compute_interval_start(terms.active_at, terms.period, interval)
    if terms.node == ZERO_ADDRESS:
        turn_at = Timestamp(starts_at + compute_turn_delay(tracked.key, interval, policy.node, policy.turn_window_s))
        if head.timestamp < turn_at:
            return Wait(turn_at if ends_at is None else min(turn_at, ends_at), "turn")
    if head.base_fee > terms.max_gas_price:
        return Wait(Timestamp(head.timestamp + 1), "gas.price")
    if not is_profitable(terms, head, policy):
        return Wait(Timestamp(head.timestamp + 1), "gas.unprofitable")
    return Run(interval, starts_at, ends_at)


def _find_over(tracked: Tracked, head: BlockRef, block_time_s: int) -> Drop | None:
    """Why no later block will take an answer at all."""
    terms = tracked.subscription
    if tracked.created_block is None:
        if tracked.request is None:
            return Drop("orphaned", "the block that created this subscription is no longer part of the chain")
        if head.timestamp + block_time_s > tracked.request.expiry:
            return Drop("request.expired", f"the signed request expired at {tracked.request.expiry}")
    if terms.deadline and head.timestamp + block_time_s > terms.deadline:
        return Drop("deadline.passed", f"no answer is taken after the deadline, {terms.deadline}")
    return None


def count_intervals(terms: Subscription, now: Timestamp) -> Interval:
    """Intervals begun, none before the first, those beyond the contract's uint32 too: there
    `getSubscriptionInterval` reverts for ever.
    """
    if now < terms.active_at:
        return Interval(0)
    return Interval((now - terms.active_at) // terms.period + 1 if terms.period else 1)


def _find_end(terms: Subscription, interval: Interval) -> Timestamp | None:
    """The first second in which an answer to the interval is too late, None for never."""
    ends = [compute_interval_end(terms.active_at, terms.period, interval)]
    ends.append(Timestamp(terms.deadline + 1) if terms.deadline else None)
    return min((end for end in ends if end is not None), default=None)


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
