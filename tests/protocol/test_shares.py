from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infernet.errors import InvalidInput
from infernet.protocol.fees import compute_lock, compute_payees, compute_shares
from infernet.protocol.hashing import ZERO_ADDRESS
from infernet.protocol.subscription import Subscription
from infernet.types import Gas, Hash32, Wei
from vectors import read_vectors


def terms(**fields: object) -> Subscription:
    least = {"owner": ZERO_ADDRESS, "container_id": Hash32(bytes(32)), "max_gas_price": Wei(1), "max_gas_limit": Gas(1)}
    return Subscription(**least | fields)  # type: ignore[arg-type]


def test_the_split_is_that_of_the_golden_vectors():
    for case in read_vectors("fees.json")["cases"]:
        numbers = {name: int(number) for name, number in case.items()}
        split = terms(
            fee=numbers["fee"], royalty_bps=numbers["royaltyBps"], verifier_fee=numbers["verifierFee"],
        )  # fmt: skip
        shares = compute_shares(split, numbers["protocolShareBps"])
        assert (shares.node, shares.creator) == (numbers["toNode"], numbers["toCreator"])
        assert (shares.verifier, shares.protocol) == (numbers["toVerifier"], numbers["toProtocol"])


@given(st.integers(0, 2**128 - 1), st.integers(0, 5_000), st.integers(0, 500))
def test_the_parts_are_the_fee(fee: int, royalty_bps: int, protocol_bps: int):
    shares = compute_shares(terms(fee=fee, royalty_bps=royalty_bps), protocol_bps)
    assert shares.node + shares.creator + shares.verifier + shares.protocol == fee
    assert shares.node >= fee * (10_000 - royalty_bps - protocol_bps) // 10_000


def test_parts_above_the_fee_are_refused():
    with pytest.raises(InvalidInput) as caught:
        compute_shares(terms(fee=10, verifier_fee=10, royalty_bps=1_000))
    assert caught.value.code == "fee.too_low"


@given(st.integers(0, 2**128 - 1), st.integers(1, 64))
def test_payees_share_all_of_it_and_the_first_has_the_rest(share: int, count: int):
    parts = compute_payees(share, count)
    assert (len(parts), sum(parts)) == (count, share)
    assert parts[0] - parts[-1] in range(count)


def test_one_intervals_fees_are_locked():
    assert compute_lock(terms(fee=7, redundancy=3)) == 21
