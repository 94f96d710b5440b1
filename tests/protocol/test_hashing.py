from __future__ import annotations

import pytest
from eth_utils import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from infernet.errors import InvalidInput
from infernet.protocol.hashing import (
    compute_container_id,
    compute_sdk_container_id,
    keccak,
    split_chain,
    to_address,
)


@given(st.binary(min_size=20, max_size=20))
def test_an_address_is_checksummed_however_it_is_written(raw):
    expected = to_checksum_address(raw)
    assert to_address(raw) == to_address("0x" + raw.hex()) == to_address("0x" + raw.hex().upper()) == expected
    assert to_address(expected) == expected


@pytest.mark.parametrize(
    "value",
    [
        "",
        "0x",
        "ab" * 20,
        "0x" + "ab" * 19,
        "0x" + "zz" * 20,
        "0X" + "ab" * 20,
        "0x" + "ab" * 20 + "\n",
        b"",
        bytes(21),
        7,
        None,
    ],
)
def test_what_is_no_address_is_refused_in_one_line(value):
    with pytest.raises(InvalidInput) as caught:
        to_address(value)
    assert caught.value.code == "address.invalid"
    assert "\n" not in caught.value.message


def test_an_address_with_a_wrong_checksum_is_refused_as_a_typo():
    with pytest.raises(InvalidInput, match="wrong checksum"):
        to_address("0x5FbDB2315678afecb367f032d93F642f64180aA3")


def test_the_container_id_is_the_hash_of_the_string_as_it_is_written():
    assert compute_container_id("a,b") == keccak(b"a,b")
    assert compute_container_id("数字🙂") == keccak("数字🙂".encode())


def test_a_container_that_is_not_text_has_no_id():
    with pytest.raises(InvalidInput, match="UTF-8"):
        compute_container_id("\ud800")
    with pytest.raises(InvalidInput, match="UTF-8"):
        compute_sdk_container_id("\ud800")


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ("hello-world", "5768661526084c7b4d30f7224ed6c74ade98db3c6c395c55400a17f34a547e22"),
        ("a,b", "0deeac3a841600829c99f8116bb997da266d4c47a720b00e6ace9594de82dd54"),
    ],
)
def test_the_public_sdks_container_ids_are_reproduced(container, expected):
    assert compute_sdk_container_id(container).hex() == expected


def test_a_chain_is_split_into_its_containers_as_they_stand():
    assert split_chain("a") == ("a",)
    assert split_chain("a,b,a") == ("a", "b", "a")
    assert split_chain("a,, b") == ("a", "", " b")


@given(st.text())
def test_a_chain_put_together_again_is_the_string_that_was_hashed(container):
    assert ",".join(split_chain(container)) == container
