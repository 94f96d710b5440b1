from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infernet.vm.rpc.errors import Malformed
from infernet.vm.rpc.values import (
    decode_address,
    decode_block_id,
    decode_data,
    decode_hash,
    decode_number,
    decode_quantity,
    decode_slot,
    decode_uint64,
    encode_data,
    encode_quantity,
)

HASH = "0x" + "ab" * 32


@given(st.integers(0, 2**256 - 1))
def test_quantities_come_back(number: int) -> None:
    assert decode_quantity(encode_quantity(number)) == number
    assert decode_number(str(number)) == decode_number(number) == number


@given(st.binary(max_size=100))
def test_data_come_back(data: bytes) -> None:
    assert decode_data(encode_data(data)) == data


@pytest.mark.parametrize(
    "value", ["0x", "", "1", "0x1g", "0x 1", " 0x1", "0x1 ", "-0x1", 1, None, True, "0x" + "1" * 65, "0x1٣"]
)
def test_what_is_no_quantity_is_said_so(value: Any) -> None:
    with pytest.raises(Malformed, match="hexadecimal"):
        decode_quantity(value)


@pytest.mark.parametrize("value", ["", "12", "0x1", "0x 12", "0x12 ", "0x1 2", "0xzz", 18, None, ["0x12"], "0x12é"])
def test_what_is_no_data_is_said_so(value: Any) -> None:
    with pytest.raises(Malformed, match="want bytes"):
        decode_data(value)


@pytest.mark.parametrize(
    ("decode", "value"),
    [
        (decode_address, "0x12"),
        (decode_address, HASH),
        (decode_hash, "0x" + "12" * 20),
        (decode_uint64, "0x1" + "0" * 16),
        (decode_number, -1),
        (decode_number, 2**256),
        (decode_number, True),
        (decode_number, 1.5),
    ],
)
def test_sizes_are_checked(decode: Callable[[Any], Any], value: Any) -> None:
    with pytest.raises(Malformed):
        decode(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("latest", "latest"),
        ("finalized", "finalized"),
        ("0x10", 16),
        (HASH, bytes.fromhex("ab" * 32)),
        ({"blockNumber": "0x1"}, 1),
        ({"blockNumber": "pending"}, "pending"),
        ({"blockHash": HASH, "requireCanonical": True}, bytes.fromhex("ab" * 32)),
    ],
)
def test_a_block_has_many_names(value: Any, expected: Any) -> None:
    assert decode_block_id(value) == expected


@pytest.mark.parametrize(
    "value", ["last", "", 5, "0x1" + "0" * 16, {}, {"blockNumber": "0x1", "blockHash": HASH}, {"blockHash": "0x1"}, []]
)
def test_what_names_no_block_is_refused(value: Any) -> None:
    with pytest.raises(Malformed):
        decode_block_id(value)


def test_a_slot_is_written_in_full_or_as_a_number() -> None:
    assert decode_slot("0x1") == decode_slot("0x" + "00" * 31 + "01") == bytes(31) + b"\x01"


def test_a_long_value_is_shown_shortened() -> None:
    with pytest.raises(Malformed) as caught:
        decode_data("x" * 10_000_000)
    assert len(str(caught.value)) < 300
