"""EIP-1559 fees as pure arithmetic: how much to bid, and how much more to bid when that was not enough."""

from __future__ import annotations

from dataclasses import dataclass

from infernet.errors import RetryLater
from infernet.types import Wei

DEFAULT_TIP = Wei(10**9)
"""One gwei: what a block builder takes without a question."""

MIN_BUMP_PERCENT = 10
"""A pool replaces a transaction only for this much more in both fees (geth's `txpool.pricebump`)."""


@dataclass(frozen=True, slots=True)
class Fees:
    """What a transaction bids, per gas."""

    max_fee: Wei
    max_priority_fee: Wei


def compute_fees(base_fee: Wei, tip: Wei = DEFAULT_TIP, cap: Wei | None = None) -> Fees:
    """Bid twice the base fee plus the tip: good for six full blocks in a row, each an eighth dearer.

    Args:
        base_fee: of the head block.
        tip: wanted for the block's builder; cut where the cap leaves less.
        cap: most that may be paid per gas, tip included.

    Raises:
        RetryLater: `fees.above_cap`: the base fee alone is above the cap.
    """
    wanted = 2 * base_fee + tip
    if cap is None or wanted <= cap:
        return Fees(Wei(wanted), tip)
    if base_fee > cap:
        raise _above_cap(base_fee, cap)
    return Fees(cap, Wei(min(tip, cap)))


def compute_replacement_fees(previous: Fees, base_fee: Wei, tip: Wei = DEFAULT_TIP, cap: Wei | None = None) -> Fees:
    """What replaces a waiting transaction: the fees of now, and at least a tenth more than before in both.

    Raises:
        RetryLater: `fees.above_cap`: the least replacement is above the cap.
    """
    least_max, least_tip = _bump(previous.max_fee), _bump(previous.max_priority_fee)
    wanted = max(least_max, 2 * base_fee + tip)
    needed = max(least_max, base_fee)
    if cap is not None and needed > cap:
        raise _above_cap(Wei(needed), cap)
    max_fee = wanted if cap is None else min(wanted, cap)
    return Fees(Wei(max_fee), Wei(min(max(least_tip, tip), max_fee)))


def compute_gas_price(fees: Fees, base_fee: Wei) -> Wei:
    """What a transaction with these fees pays per gas in a block of this base fee: its `tx.gasprice`."""
    return Wei(min(fees.max_fee, base_fee + fees.max_priority_fee))


def _bump(fee: Wei) -> Wei:
    return Wei(-(-fee * (100 + MIN_BUMP_PERCENT) // 100))


def _above_cap(needed: Wei, cap: Wei) -> RetryLater:
    return RetryLater(
        "fees.above_cap",
        f"a transaction costs {needed / 1e9:.3f} gwei per gas now, {cap / 1e9:.3f} is allowed: wait or allow more",
        needed=needed,
        cap=cap,
    )
