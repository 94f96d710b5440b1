"""Logs of a long range, in pieces that the endpoint takes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from infernet.errors import RetryLater
from infernet.ports import Chain
from infernet.types import Address, Log

FIRST_PIECE = 10_000


async def fetch_logs_backwards(
    chain: Chain, addresses: Sequence[Address], from_block: int, to_block: int
) -> AsyncIterator[list[Log]]:
    """The logs of both ends' range, the newest piece first, each piece in chain order.

    Raises:
        RetryLater: the chain cannot be reached, or refuses a single block.
    """
    size, high = FIRST_PIECE, to_block
    while high >= from_block:
        low = max(from_block, high - size + 1)
        try:
            logs = await chain.fetch_logs(addresses, low, high)
        except RetryLater as error:
            if error.code != "chain.range_too_large" or size == 1:
                raise
            size = max(1, size // 4)
            continue
        yield logs
        high = low - 1
