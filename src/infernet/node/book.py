"""What this node knows of the Coordinator's subscriptions: the chain's events applied, and taken back in a reorg."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from infernet.errors import InvalidInput
from infernet.protocol.decision import Tracked
from infernet.protocol.events import (
    AnswerPending,
    Event,
    SubscriptionCancelled,
    SubscriptionCreated,
    SubscriptionEvent,
    SubscriptionExpired,
    SubscriptionFulfilled,
    SubscriptionPaused,
    SubscriptionResumed,
)
from infernet.protocol.subscription import DelegateRequest, delegated_id
from infernet.store.journal import Journal
from infernet.types import Address, ChainId, JobKey, SubscriptionId, SubscriptionKey, Timestamp


class Book:
    """Subscriptions of one Coordinator: in memory those that this node may still answer, in the journal all.

    Every change is written in the journal's current step; the caller opens and closes that step.
    """

    def __init__(self, journal: Journal, chain_id: ChainId, coordinator: Address, node: Address) -> None:
        self._journal = journal
        self._chain_id = chain_id
        self._coordinator = coordinator
        self._node = node
        self._open: dict[SubscriptionKey, Tracked] = {}
        self._signed: set[SubscriptionKey] = set()
        """Those of `_open` that are not on chain."""
        self._load()

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[SubscriptionKey]:
        return iter(self._open)

    def get(self, key: SubscriptionKey) -> Tracked | None:
        """A subscription in memory, None where it is over or not for this node."""
        return self._open.get(key)

    def is_orphan(self, key: SubscriptionKey) -> bool:
        """True for a subscription whose block is undone, and which nobody signed off chain."""
        tracked = self._open.get(key)
        return tracked is not None and tracked.created_block is None and tracked.request is None

    def forget(self, key: SubscriptionKey) -> None:
        """Drop a subscription from memory: this node will not answer it."""
        self._open.pop(key, None)
        self._signed.discard(key)

    def set_answered(self, job: JobKey) -> None:
        """This node is done with that interval."""
        tracked = self._open.get(job.subscription)
        if tracked is not None and tracked.answered < job.interval:
            self._open[tracked.key] = replace(tracked, answered=job.interval)

    def count_requests(self, owner: Address) -> tuple[int, int]:
        """Requests that are only signed so far, and those of one owner among them."""
        return len(self._signed), sum(key.owner == owner for key in self._signed)

    def find_request(self, request: DelegateRequest) -> SubscriptionKey | None:
        """Where a signed request is known already; None where it may be added.

        Raises:
            InvalidInput: `request.nonce_taken`: the nonce belongs to other terms that are on chain or being answered;
                `request.given_up`: this node failed to answer this very request.
        """
        key = self.key_of(request.subscription.owner, SubscriptionId(delegated_id(request.nonce)))
        known = self._find(key)
        if known is None:
            return None
        before = known[0]
        is_given_up = before.created_block is None and key not in self._open
        is_same = before.subscription == request.subscription
        if not is_given_up and is_same:
            return key
        if not is_given_up:
            raise InvalidInput(
                "request.nonce_taken", f"the nonce {request.nonce} belongs to another request: sign with a free one"
            )
        if is_same and before.request is not None and before.request.expiry == request.expiry:
            why = "; ".join(f"{job.code}: {job.note}" for job in self._journal.read_jobs(key)[-1:]) or "it had expired"
            raise InvalidInput("request.given_up", f"this node gave this request up ({why}): sign a new one")
        return None

    def add_request(self, request: DelegateRequest) -> SubscriptionKey:
        """Keep a subscription that was signed off chain. A nonce that this node has given up on is taken up anew where
        its owner signed anew.

        Raises:
            InvalidInput: as `find_request`.
        """
        if (known := self.find_request(request)) is not None:
            return known
        key = self.key_of(request.subscription.owner, SubscriptionId(delegated_id(request.nonce)))
        self._journal.remove_jobs(key)
        self._put(Tracked(key, request.subscription, request.container, request.features, request))
        return key

    def apply(self, event: Event, block_time: Timestamp = Timestamp(0)) -> SubscriptionKey | None:
        """Apply one event of a block of that time; answers the subscription it changed, None where it changed none.

        The time counts for cancellations only.
        """
        match event:
            case SubscriptionCreated():
                return self._apply_created(event)
            case SubscriptionFulfilled() | AnswerPending():
                return self._apply_answer(event)
            case SubscriptionCancelled():
                return self._apply_cancelled(event, block_time)
            case SubscriptionPaused() | SubscriptionResumed():
                return self._apply_pause(event, isinstance(event, SubscriptionPaused))
            case SubscriptionExpired():
                return self._end(event)
            case _:
                return None

    def _apply_created(self, event: SubscriptionCreated) -> SubscriptionKey:
        key = self.key_of(event.owner, event.id)
        known = self._find(key)
        if known is not None and known[0].subscription == event.subscription:
            tracked = replace(known[0], created_block=event.block_number)
        else:  # new, or after a reorg the same id for other terms: nothing computed for the old ones counts
            self._journal.remove_jobs(key)
            tracked = Tracked(
                key, event.subscription, event.container, event.features, created_block=event.block_number
            )
        self._put(tracked)
        return key

    def _apply_answer(self, event: SubscriptionFulfilled | AnswerPending) -> SubscriptionKey | None:
        found = self._find(self.key_of(event.owner, event.id))
        if found is None or found[0].has(event.interval, event.redundancy):  # a pending answer counted before
            return None
        tracked, ended_block = found
        self._journal.add_fulfilment(tracked, event)
        tracked = tracked.with_delivery(event.interval, event.redundancy)
        if event.node == self._node:
            tracked = replace(tracked, answered=max(tracked.answered, event.interval))
        return self._update(tracked, event.block_number if tracked.is_complete else ended_block)

    def _apply_cancelled(self, event: SubscriptionCancelled, block_time: Timestamp) -> SubscriptionKey | None:
        found = self._find(self.key_of(event.owner, event.id))
        if found is None or not found[0].survives_cancellation:
            return self._end(event)
        self._journal.add_change(found[0], event.block_number, event.log_index)
        tracked = found[0].with_cancellation(block_time)
        return self._update(tracked, event.block_number if tracked.is_complete else found[1])

    def _apply_pause(self, event: SubscriptionEvent, is_paused: bool) -> SubscriptionKey | None:
        found = self._find(self.key_of(event.owner, event.id))
        if found is None:
            return None
        self._journal.add_change(found[0], event.block_number, event.log_index)
        return self._update(replace(found[0], is_paused=is_paused), found[1])

    def _end(self, event: SubscriptionEvent) -> SubscriptionKey | None:
        found = self._find(self.key_of(event.owner, event.id))
        return None if found is None else self._update(found[0], event.block_number)

    def roll_back(self, number: int) -> tuple[set[SubscriptionKey], list[JobKey]]:
        """Undo all blocks above `number`. What they created is kept until `remove_orphans`: the new blocks may hold it
        again.

        Returns:
            the subscriptions that changed, and this node's answers that are no longer on the chain.
        """
        touched: set[SubscriptionKey] = set()
        lost: list[JobKey] = []
        for key in self._journal.read_subscriptions_since(self._chain_id, self._coordinator, number):
            touched.add(key)
            if (found := self._find(key)) is not None:
                now = found[0]
                is_created = now.created_block is not None and now.created_block <= number
                self._put(now if is_created else replace(now, created_block=None))
        for undone in self._journal.remove_fulfilments_above(self._chain_id, self._coordinator, number):
            key = undone.job.subscription
            touched.add(key)
            if undone.node == self._node:
                lost.append(undone.job)
            if (found := self._find(key)) is not None:
                now = found[0].with_delivery(undone.interval_before, undone.delivered_before)
                if undone.node == self._node:
                    now = replace(now, answered=undone.answered_before)
                self._put(now)
        for key, is_paused, last_interval in self._journal.remove_changes_above(
            self._chain_id, self._coordinator, number
        ):
            touched.add(key)
            if (found := self._find(key)) is not None:
                self._put(replace(found[0], is_paused=is_paused, last_interval=last_interval), found[1])
        return touched, lost

    def remove_orphans(self, keys: Iterable[SubscriptionKey]) -> None:
        """After a roll-back and the blocks that took the place of the old: forget what is on neither side."""
        for key in keys:
            found = self._find(key)
            if found is not None and found[0].created_block is None and found[0].request is None:
                self._journal.remove_subscription(key)
                self.forget(key)

    def reset(self) -> None:
        """Forget all that the chain told: it is read anew."""
        self._journal.remove_progress(self._chain_id, self._coordinator)
        self._load()

    def _load(self) -> None:
        self._open.clear()
        self._signed.clear()
        for tracked in self._journal.read_open_subscriptions(self._chain_id, self._coordinator):
            self._keep(tracked)

    def _keep(self, tracked: Tracked) -> None:
        self._open[tracked.key] = tracked
        if tracked.request is not None and tracked.created_block is None:
            self._signed.add(tracked.key)
        else:
            self._signed.discard(tracked.key)

    def _find(self, key: SubscriptionKey) -> tuple[Tracked, int | None] | None:
        known = self._journal.read_subscription(key)
        return None if known is None else (self._open.get(key, known[0]), known[1])

    def _update(self, tracked: Tracked, ended_block: int | None) -> SubscriptionKey | None:
        """Write progress down; one that this node does not answer stays out of memory."""
        if tracked.key in self._open:
            self._put(tracked, ended_block)
            return tracked.key
        self._journal.save_subscription(tracked, ended_block)
        return None

    def _put(self, tracked: Tracked, ended_block: int | None = None) -> None:
        self._journal.save_subscription(tracked, ended_block)
        if ended_block is None:
            self._keep(tracked)
        else:
            self.forget(tracked.key)

    def key_of(self, owner: Address, number: SubscriptionId) -> SubscriptionKey:
        """The one name of a subscription of this Coordinator."""
        return SubscriptionKey(self._chain_id, self._coordinator, owner, number)
