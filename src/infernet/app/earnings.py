"""What models earned: counted from the chain's own logs, an answer at a time."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from infernet.chain.log_ranges import fetch_logs_backwards
from infernet.errors import InvalidInput
from infernet.ports import Chain
from infernet.protocol.events import SubscriptionCreated, SubscriptionFulfilled, decode_event
from infernet.protocol.fees import compute_shares
from infernet.types import Address, SubscriptionId


@dataclass(frozen=True, slots=True)
class Earned:
    """What one container (a version or an alias, as it was asked for) paid its creator in one token."""

    container: str
    token: Address
    answers: int
    royalty: int


async def fetch_earnings(
    chain: Chain, coordinator: Address, creator: Address, *, start_block: int = 0, model: str = ""
) -> list[Earned]:
    """The royalties of every answer that named `creator`, by container and token.

    Args:
        model: `namespace/name`, for its versions and aliases alone; empty for all.

    Raises:
        RetryLater: the chain cannot be reached.
    """
    created: dict[tuple[Address, SubscriptionId], SubscriptionCreated] = {}
    fulfilled: list[tuple[Address, SubscriptionId]] = []
    head = await chain.fetch_head()
    async for logs in fetch_logs_backwards(chain, [coordinator], start_block, head.number):
        for log in logs:
            try:
                event = decode_event(log)
            except InvalidInput:
                continue
            if isinstance(event, SubscriptionCreated) and event.subscription.royalty_to == creator:
                created[event.owner, event.id] = event
            elif isinstance(event, SubscriptionFulfilled):
                fulfilled.append((event.owner, event.id))
    sums: defaultdict[tuple[str, Address], list[int]] = defaultdict(lambda: [0, 0])
    for key in fulfilled:
        if (known := created.get(key)) is not None and _is_of(known.container, model):
            total = sums[known.container, known.subscription.token]
            total[0] += 1
            total[1] += compute_shares(known.subscription).creator
    return [Earned(container, token, *total) for (container, token), total in sorted(sums.items())]


def _is_of(container: str, model: str) -> bool:
    return not model or container.startswith((f"{model}:", f"{model}@"))
