"""When to look at a subscription again: a heap of due times. The cost grows with what is due, not with what exists."""

from __future__ import annotations

import heapq

from infernet.types import SubscriptionKey, Timestamp

MAX_PRICE_PAUSE_S = 60


class PriceWaits:
    """How long to leave a subscription alone whose price is too low: 1, 2, 4 … `MAX_PRICE_PAUSE_S` seconds, so that one
    that will never pay enough does not cost a look in each block.
    """

    def __init__(self) -> None:
        self._looks: dict[SubscriptionKey, int] = {}

    def find_next_look(self, key: SubscriptionKey, now: Timestamp) -> Timestamp:
        """When to look again, after one more look in vain."""
        looks = self._looks.get(key, 0)
        self._looks[key] = looks + 1
        return Timestamp(now + min(MAX_PRICE_PAUSE_S, 2 ** min(looks, 16)))

    def forget(self, key: SubscriptionKey) -> None:
        """Its price is no reason to wait any more."""
        self._looks.pop(key, None)


class Schedule:
    """Due times by the chain's clock. A subscription has one due time; setting it again moves it."""

    def __init__(self) -> None:
        self._due: dict[SubscriptionKey, Timestamp] = {}
        self._heap: list[tuple[Timestamp, SubscriptionKey]] = []

    def __len__(self) -> int:
        return len(self._due)

    def set(self, key: SubscriptionKey, due: Timestamp) -> None:
        """Look at `key` once the chain's clock shows `due`."""
        self._due[key] = due
        heapq.heappush(self._heap, (due, key))
        if len(self._heap) > 2 * len(self._due) + 64:
            self._heap = [(due, key) for key, due in self._due.items()]
            heapq.heapify(self._heap)

    def remove(self, key: SubscriptionKey) -> None:
        """Do not look at `key` again."""
        self._due.pop(key, None)

    def pop_due(self, now: Timestamp) -> list[SubscriptionKey]:
        """What is due, soonest first; each is off the schedule until it is set again."""
        ready = []
        while self._heap and self._heap[0][0] <= now:
            due, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:
                del self._due[key]
                ready.append(key)
        return ready
