from __future__ import annotations

import eth_abi
import pytest
from eth_abi.exceptions import DecodingError
from hypothesis import given
from hypothesis import strategies as st
from subscription_strategies import addresses, blobs, delegate_requests, subscriptions, texts, uints

from infernet.errors import InvalidInput
from infernet.protocol.abi import ADDRESS, BYTES, BYTES32, STRING, UINT16, UINT256, Function, check_fields
from infernet.protocol.abi_codec import decode_abi, encode_abi, split_dynamic
from infernet.protocol.subscription import DELEGATE_REQUEST, SUBSCRIPTION_ABI

MIXED = ["uint16", "string", SUBSCRIPTION_ABI, "bytes", "address", DELEGATE_REQUEST.abi]
mixed = st.tuples(
    uints(16),
    texts,
    subscriptions().map(lambda subscription: subscription.as_tuple()),
    blobs,
    addresses,
    delegate_requests.map(lambda request: request.as_tuple()),
)


def word(number: int) -> bytes:
    return number.to_bytes(32)


def in_lower_case(value):
    """Addresses as eth_abi gives them."""
    if isinstance(value, tuple):
        return tuple(in_lower_case(item) for item in value)
    return value.lower() if isinstance(value, str) and value.startswith("0x") and len(value) == 42 else value


def decode_or_none(types, data):
    try:
        return decode_abi(types, data)
    except InvalidInput as error:
        refusal = error
    assert refusal.code == "abi.malformed"
    assert "\n" not in refusal.message
    return None


@given(mixed)
def test_what_was_encoded_decodes_to_the_same_with_addresses_checksummed(values):
    encoded = encode_abi(MIXED, values)
    assert encoded == eth_abi.encode(MIXED, values)
    assert decode_abi(MIXED, encoded) == values


@given(mixed, st.data())
def test_a_changed_encoding_decodes_as_with_eth_abi_or_is_refused(values, data):
    encoded = bytearray(encode_abi(MIXED, values))
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    ours = decode_or_none(MIXED, bytes(encoded))
    try:
        theirs = eth_abi.decode(MIXED, bytes(encoded))
    except (DecodingError, UnicodeDecodeError, OverflowError):
        return  # what pads bytes and text that is not UTF-8: it is stricter there than Solidity
    assert in_lower_case(ours) == theirs


@given(mixed, st.data())
def test_a_cut_encoding_is_refused(values, data):
    encoded = encode_abi(MIXED, values)
    assert decode_or_none(MIXED, encoded[: data.draw(st.integers(0, len(encoded) - 32))]) is None


@given(st.binary(max_size=400))
def test_junk_never_raises_anything_but_a_typed_error(junk):
    for types in (MIXED, [DELEGATE_REQUEST.abi], ["bytes"], ["string"], ["int256[]"], ["(uint8,uint8,uint32[],bytes)"]):
        decode_or_none(types, junk)
        decode_or_none(types, word(32) + junk)


@pytest.mark.parametrize("kind", ["bytes", "string", "int256[]", "(uint32[],bytes)"])
@pytest.mark.parametrize("number", [33, 2**31, 2**63, 2**64, 2**255, 2**256 - 1])
def test_offsets_and_lengths_beyond_the_end_are_refused_without_allocating_them(kind, number):
    assert decode_or_none([kind], word(number) + bytes(32)) is None
    assert decode_or_none([kind], word(32) + word(number) + bytes(32)) is None


@pytest.mark.parametrize("kind", ["bytes", "(uint8,bytes)"])
def test_what_pads_bytes_is_not_looked_at(kind):
    value = (1, b"abc") if "(" in kind else b"abc"
    encoded = encode_abi([kind], [value])
    assert decode_abi([kind], encoded[:-1] + b"\xff") == (value,)
    assert decode_abi([kind], encoded[:-29]) == (value,)
    assert decode_or_none([kind], encoded[:-30]) is None


@pytest.mark.parametrize("kind", ["string", "(uint8,string)"])
def test_bytes_that_are_not_text_decode_to_replacement_characters(kind):
    encoded = encode_abi([kind.replace("string", "bytes")], [(1, b"a\xffb") if "(" in kind else b"a\xffb"])
    assert decode_abi([kind], encoded) == ((1, "a\ufffdb") if "(" in kind else "a\ufffdb",)


def test_dynamic_values_are_split_into_encodings_of_one_each():
    parts = split_dynamic(encode_abi(["bytes", "int256[]"], [b"abc", [1, -2]]), 2)
    assert parts == [encode_abi(["bytes"], [b"abc"]), encode_abi(["int256[]"], [[1, -2]])]
    assert split_dynamic(b"", 0) == []


@pytest.mark.parametrize("offsets", [(96, 64), (32, 64), (64, 2**255), (2**256 - 1, 2**256 - 1)])
def test_dynamic_values_that_overlap_or_lie_outside_are_refused(offsets):
    with pytest.raises(InvalidInput, match="overlap or lie outside"):
        split_dynamic(b"".join(map(word, offsets)) + bytes(96), 2)


@pytest.mark.parametrize(
    ("kind", "value", "line"),
    [
        (UINT16, 2**16, r"fee is 65536: it must be an integer from 0 to 2\*\*16 - 1"),
        (UINT16, -1, "fee is -1"),
        (UINT16, 1.0, "fee is 1.0"),
        (UINT16, True, "fee is True"),
        (BYTES32, b"short", "it must be 32 bytes"),
        (ADDRESS, "0x" + "ab" * 20, "it must be a checksummed address: make one with to_address"),
        (ADDRESS, "0x12", "fee is '0x12': it must be a checksummed address"),
        (ADDRESS, bytes(20), "it must be a checksummed address"),
        (BYTES, "0x", "fee is '0x': it must be bytes"),
        (BYTES, "0x" * 10**6, "fee is '(0x){39}0: it must be bytes"),
        (STRING, b"", "fee is b'': it must be a string"),
        (STRING, "\udcff", "can be written as UTF-8"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_its_range(kind, value, line):
    with pytest.raises(InvalidInput, match=line) as caught:
        check_fields({"fee": kind}, (value,))
    assert caught.value.code == ("address.invalid" if kind is ADDRESS else "abi.out_of_range")


@pytest.mark.parametrize(
    ("kind", "value"), [("uint8", 256), ("int256[]", [2**255]), ("bytes", "0x"), ("string", "\udcff")]
)
def test_a_value_that_was_not_checked_before_is_refused_as_well(kind, value):
    with pytest.raises(InvalidInput) as caught:
        encode_abi([kind], [value])
    assert caught.value.code == "abi.out_of_range"


def test_a_functions_calldata_are_told_from_anothers():
    function = Function("transfer", {"to": ADDRESS, "value": UINT256})
    assert function.selector.hex() == "a9059cbb"
    with pytest.raises(InvalidInput, match="transfer begin with 0xa9059cbb, not 0x00000000"):
        function.decode(bytes(68))
