"""Amounts on the command line."""

from __future__ import annotations

import pytest

from infernet.cli.money import parse_amount
from infernet.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "wei"),
    [("0", 0), ("1000", 1000), ("7 wei", 7), ("2.5 gwei", 2_500_000_000), ("0.001ether", 10**15), ("1 ether", 10**18)],
)
def test_an_amount_is_read_in_wei(text: str, wei: int) -> None:
    assert parse_amount(text) == wei


@pytest.mark.parametrize("text", ["", "-1", "1.5", "0.5 wei", "1 eth", "ether", "1e18", "0.0000000000000000001 ether"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_amount(text)
    assert caught.value.code == "amount.invalid"
