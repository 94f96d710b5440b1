from __future__ import annotations

import eth_abi
import pytest
from eth_abi.exceptions import DecodingError
from hypothesis import given
from hypothesis import strategies as st
from subscription_strategies import addresses, blobs, delegate_requests, subscriptions, texts, uints

from infernet.errors import InvalidInput
from infernet.protocol.abi import ADDRESS, BYTES, BYTES32, STRING, UINT16, UINT256, Function, Tuple
from infernet.protocol.subscription import DELEGATE_REQUEST, SUBSCRIPTION

MIXED = Tuple(("a", UINT16), ("b", STRING), ("c", SUBSCRIPTION), ("d", BYTES), ("e", ADDRESS), ("f", DELEGATE_REQUEST))
mixed = st.tuples(uints(16), texts, subscriptions(), blobs, addresses, delegate_requests)


def plain(value):
    """As eth_abi takes and gives it: plain tuples, addresses in lower case."""
    if hasattr(value, "as_tuple"):
        value = value.as_tuple()
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    if isinstance(value, str) and value.startswith("0x") and len(value) == 42:
        return value.lower()
    return value if isinstance(value, bytes | str) else int(value)


def decode_or_none(codec, data):
    try:
        return codec.decode(data)
    except InvalidInput:
        return None


@given(mixed)
def test_encodings_equal_those_of_eth_abi(values):
    assert MIXED.encode(values) == eth_abi.encode([part.abi for _, part in MIXED.components], plain(values))


@given(mixed)
def test_what_was_encoded_decodes_to_the_same(values):
    assert MIXED.decode(MIXED.encode(values)) == values


@given(mixed, st.data())
def test_a_changed_encoding_decodes_as_with_eth_abi_or_is_refused(values, data):
    encoded = bytearray(MIXED.encode(values))
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    encoded = bytes(encoded)
    ours = decode_or_none(MIXED, bytes(encoded))
    try:
        theirs = eth_abi.decode([part.abi for _, part in MIXED.components], bytes(encoded), strict=False)
    except (DecodingError, UnicodeDecodeError, OverflowError):
        return  # what pads bytes, text that is not UTF-8, some offsets: it is stricter there than Solidity
    nonce = theirs[5][0]
    assert plain(ours) == theirs if nonce < 2**31 else ours is None


@given(st.lists(uints(256), min_size=21, max_size=21), st.data())
def test_words_are_in_or_out_of_a_structs_range_as_with_eth_abi(words, data):
    for index in data.draw(st.sets(st.integers(0, 20), min_size=12)):
        words[index] %= 2**8
    encoded = b"".join(word.to_bytes(32) for word in words)
    ours = decode_or_none(SUBSCRIPTION, encoded)
    try:
        (theirs,) = eth_abi.decode([SUBSCRIPTION.abi], encoded)
    except DecodingError:
        assert ours is None
    else:
        assert plain(ours) == theirs


@given(mixed, st.data())
def test_a_cut_encoding_is_refused(values, data):
    encoded = MIXED.encode(values)
    size = data.draw(st.integers(0, len(encoded) - 32))
    with pytest.raises(InvalidInput):
        MIXED.decode(encoded[:size])


@given(st.binary(max_size=400))
def test_junk_never_raises_anything_but_a_typed_error(junk):
    for codec in (MIXED, DELEGATE_REQUEST, Tuple(("x", BYTES)), Tuple(("x", STRING))):
        decode_or_none(codec, junk)


def test_a_length_beyond_the_end_is_refused_without_allocating_it():
    data = UINT256.encode(32, "offset") + UINT256.encode(2**255, "length") + bytes(32)
    with pytest.raises(InvalidInput, match="after the end"):
        Tuple(("x", BYTES)).decode(data)


def test_an_offset_beyond_the_end_is_refused():
    with pytest.raises(InvalidInput, match="begins after the end"):
        Tuple(("x", BYTES)).decode(UINT256.encode(2**256 - 1, "offset"))


def test_bytes_that_are_not_text_decode_to_replacement_characters():
    data = Tuple(("x", BYTES)).encode((b"a\xffb",))
    assert Tuple(("x", STRING)).decode(data) == ("a\ufffdb",)


@pytest.mark.parametrize(
    ("kind", "value", "line"),
    [
        (UINT16, 2**16, r"fee is 65536: it must be an integer from 0 to 2\*\*16 - 1"),
        (UINT16, -1, "fee is -1"),
        (UINT16, 1.0, "fee is 1.0"),
        (UINT16, True, "fee is True"),
        (BYTES32, b"short", "it must be 32 bytes"),
        (ADDRESS, "0x" + "ab" * 20, "make it a checksummed address"),
        (BYTES, "0x", "fee is str: it must be bytes"),
        (STRING, b"", "fee is bytes: it must be a string"),
        (STRING, "\udcff", "cannot be written as UTF-8"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_its_range(kind, value, line):
    with pytest.raises(InvalidInput, match=line):
        Tuple(("fee", kind)).encode((value,))


def test_a_functions_calldata_are_told_from_anothers():
    function = Function("transfer", Tuple(("to", ADDRESS), ("value", UINT256)))
    assert function.selector.hex() == "a9059cbb"
    with pytest.raises(InvalidInput, match="transfer begin with 0xa9059cbb, not 0x00000000"):
        function.decode(bytes(68))
