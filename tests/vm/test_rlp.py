"""The codec says what two libraries say, of what is canonical and of what is not; and it copies its input once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ethereum_rlp
import pytest
import rlp
from ethereum_rlp.exceptions import RLPException
from hypothesis import example, given
from hypothesis import strategies as st

from infernet.vm.rlp import Item, RlpError, decode, decode_int, encode, encode_int, encode_list

SIZES = st.sampled_from((0, 1, 2, 54, 55, 56, 57, 255, 256, 257, 65_535, 65_536))
STRINGS = st.binary(max_size=70) | st.builds(lambda size, byte: bytes([byte]) * size, SIZES, st.integers(0, 255))
ITEMS: st.SearchStrategy[Item] = st.recursive(STRINGS, lambda inner: st.lists(inner, max_size=8), max_leaves=30)
LIBRARIES: dict[str, Callable[[bytes], Any]] = {"rlp": rlp.decode, "ethereum_rlp": ethereum_rlp.decode}


def accept(decode: Callable[[bytes], Any], data: bytes) -> Any:
    """What it decodes to; None where it is refused."""
    try:
        return listed(decode(data))
    except (RlpError, rlp.DecodingError, RLPException, RecursionError):  # the last is how rlp refuses some
        return None


def listed(item: Any) -> Any:
    return bytes(item) if isinstance(item, bytes) else [listed(entry) for entry in item]


def depth(item: Item) -> int:
    return 0 if isinstance(item, bytes) else 1 + max(map(depth, item), default=0)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """An encoding with a byte changed, put in or taken out, or with an end that is not its own."""
    data = bytearray(encode(draw(ITEMS)))
    at, byte = draw(st.integers(0, min(len(data) - 1, 80))), draw(st.integers(0, 255))
    match draw(st.sampled_from(("change", "insert", "remove", "cut", "append"))):
        case "change":
            data[at] = byte
        case "insert":
            data.insert(at, byte)
        case "remove":
            del data[at]
        case "cut":
            del data[at:]
        case "append":
            data.append(byte)
    return bytes(data)


@given(ITEMS)
def test_what_it_encodes_is_what_the_libraries_encode(item: Item) -> None:
    encoded = encode(item)
    assert encoded == rlp.encode(item, infer_serializer=False) == ethereum_rlp.encode(item)
    if not isinstance(item, bytes):
        assert encode_list([encode(entry) for entry in item]) == encoded
    if depth(item) <= 16:
        assert listed(decode(encoded)) == listed(item)


@pytest.mark.parametrize("library", LIBRARIES)
@given(data=damaged() | st.binary(max_size=80))
@example(data=b"")
@example(data=b"\x81\x7f")
@example(data=b"\xb8\x37" + bytes(55))
@example(data=b"\xb9\x00\x38" + bytes(56))
@example(data=b"\xf8\x01\x01")
@example(data=b"\xc2\x82\x01")
@example(data=b"\xc1\x82\x01\x02")
@example(data=b"\xbf" + b"\xff" * 8)
@example(data=b"\xff" + b"\xff" * 8)
@example(data=b"\xb8")
def test_what_it_refuses_is_what_the_libraries_refuse(library: str, data: bytes) -> None:
    assert accept(decode, data) == accept(LIBRARIES[library], data)


@given(st.integers(0, 2**256))
def test_integers_are_those_of_the_libraries(value: int) -> None:
    assert encode(encode_int(value)) == rlp.encode(value)
    assert decode_int(encode_int(value)) == value
    with pytest.raises(RlpError, match="leading zeros"):
        decode_int(b"\x00" + encode_int(value))


def test_nesting_ends_at_16() -> None:
    item: Item = []
    for _ in range(15):
        item = [item]
    assert decode(encode(item)) == item
    with pytest.raises(RlpError, match="nested too deep"):
        decode(encode([item]))


class Counted(bytes):
    """Bytes that count what is copied out of them, and out of the copies."""

    copied = 0

    def __getitem__(self, place: Any) -> Any:
        part = super().__getitem__(place)
        if isinstance(part, int):
            return part
        Counted.copied += len(part)
        return Counted(part)


def test_a_long_list_is_read_without_copying_it_for_each_entry() -> None:
    data = Counted(encode([b"\x01"] * 20_000 + [bytes(100)] * 200))
    assert len(decode(data)) == 20_200
    assert 40_000 <= Counted.copied <= len(data)
