from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from infernet.chain.fees import Fees, compute_fees, compute_gas_price, compute_replacement_fees
from infernet.errors import RetryLater
from infernet.types import Wei

fees = st.integers(0, 2**60).map(Wei)


def test_twice_the_base_fee_and_the_tip_are_bid() -> None:
    assert compute_fees(Wei(100), Wei(7)) == Fees(Wei(207), Wei(7))
    assert compute_fees(Wei(100), Wei(7), cap=Wei(150)) == Fees(Wei(150), Wei(7))
    assert compute_fees(Wei(100), Wei(70), cap=Wei(100)) == Fees(Wei(100), Wei(70))
    assert compute_fees(Wei(1), Wei(70), cap=Wei(20)) == Fees(Wei(20), Wei(20))


def test_a_base_fee_above_the_cap_is_for_later() -> None:
    with pytest.raises(RetryLater) as caught:
        compute_fees(Wei(101), Wei(0), cap=Wei(100))
    assert caught.value.code == "fees.above_cap"


@given(fees, fees, fees | st.none())
def test_a_bid_can_be_mined_now_and_never_exceeds_the_cap(base_fee: Wei, tip: Wei, cap: Wei | None) -> None:
    assume(cap is None or base_fee <= cap)
    bid = compute_fees(base_fee, tip, cap)
    assert base_fee <= bid.max_fee
    assert bid.max_priority_fee <= bid.max_fee
    assert cap is None or bid.max_fee <= cap
    assert base_fee <= compute_gas_price(bid, base_fee) <= bid.max_fee


@given(fees, fees, fees, fees, fees | st.none())
def test_a_replacement_is_a_tenth_dearer_in_both_or_is_for_later(
    max_fee: Wei, tip: Wei, base_fee: Wei, new_tip: Wei, cap: Wei | None
) -> None:
    assume(tip <= max_fee)
    previous = Fees(max_fee, tip)
    try:
        bid = compute_replacement_fees(previous, base_fee, new_tip, cap)
    except RetryLater:
        assert cap is not None
        assert cap < max(-(-max_fee * 11 // 10), base_fee)
        return
    assert bid.max_fee * 10 >= max_fee * 11
    assert bid.max_priority_fee * 10 >= tip * 11
    assert bid.max_priority_fee <= bid.max_fee
    assert bid.max_fee >= base_fee
    assert cap is None or bid.max_fee <= cap
