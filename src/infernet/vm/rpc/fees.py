"""What gas costs: of blocks that were, of the next one, and what to offer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate

from infernet.vm.block import Block, Receipt

DEFAULT_TIP = 10**9
_SAMPLED_PERCENTILE = 60


def compute_tip(blocks: Iterable[Block]) -> int:
    """Wei per gas that transactions of late were mined with: the 60th percentile of each block's three lowest tips."""
    tips: list[int] = []
    for block in blocks:
        base_fee = block.header.base_fee
        paid = sorted(transaction.effective_price(base_fee) - base_fee for transaction in block.transactions)
        tips += paid[:3]
    tips.sort()
    return tips[(len(tips) - 1) * _SAMPLED_PERCENTILE // 100] if tips else DEFAULT_TIP


def compute_rewards(block: Block, receipts: Sequence[Receipt], percentiles: Sequence[float]) -> list[int]:
    """The tips at these percentiles of the block's gas, cheapest gas first; zeros for an empty block."""
    if not receipts:
        return [0] * len(percentiles)
    base_fee = block.header.base_fee
    paid = sorted((receipt.effective_gas_price - base_fee, receipt.gas_used) for receipt in receipts)
    sums = list(accumulate(gas for _, gas in paid))
    rewards = []
    for percentile in percentiles:
        threshold = int(block.header.gas_used * percentile / 100)
        place = next((index for index, gas in enumerate(sums) if gas >= threshold), len(paid) - 1)
        rewards.append(paid[place][0])
    return rewards
