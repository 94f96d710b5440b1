from __future__ import annotations

from typing import Any

import pytest
from eth_abi import encode
from eth_utils import keccak
from hypothesis import given
from hypothesis import strategies as st

from infernet.errors import InvalidInput
from infernet.protocol.abi_codec import encode_abi
from infernet.testing.spc_call import MemoryCall
from infernet.vm.spc.abi import StrictDecoder
from infernet.vm.spc.call import SpcOutOfGas, SpcRevert
from infernet.vm.spc.dispatch import Methods
from infernet.vm.spc.prices import Prices

TYPES = ["uint16", "(uint256,bytes,int8)[]", "string", "bytes32", "uint256[]", "bool", "address", "uint8[2]", "bytes4"]
WORDS = st.integers(0, 2**256 - 1)
VALUES = st.tuples(
    st.integers(0, 2**16 - 1),
    st.lists(st.tuples(WORDS, st.binary(max_size=70), st.integers(-128, 127)), max_size=4).map(tuple),
    st.text(max_size=40),
    st.binary(min_size=32, max_size=32),
    st.lists(WORDS, max_size=4).map(tuple),
    st.booleans(),
    st.just("0x52908400098527886E0F7030069857D2E4169EE7"),
    st.tuples(st.integers(0, 255), st.integers(0, 255)),
    st.binary(min_size=4, max_size=4),
)


@given(VALUES)
def test_what_an_encoder_writes_is_read_back(values: tuple[Any, ...]) -> None:
    assert StrictDecoder(TYPES).decode(encode(TYPES, values)) == values


@given(VALUES, st.data())
def test_other_bytes_are_refused_or_are_other_values(values: tuple[Any, ...], data: st.DataObject) -> None:
    encoded = bytearray(encode(TYPES, values))
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= data.draw(st.integers(1, 255))
    try:
        decoded = StrictDecoder(TYPES).decode(bytes(encoded))
    except InvalidInput:
        return
    assert encode_abi(TYPES, decoded) == encoded


@given(VALUES, st.binary(min_size=1, max_size=64))
def test_bytes_after_the_arguments_are_refused(values: tuple[Any, ...], more: bytes) -> None:
    with pytest.raises(InvalidInput, match="bytes follow"):
        StrictDecoder(TYPES).decode(encode(TYPES, values) + more)


def test_an_array_may_not_claim_more_than_is_there() -> None:
    claim = encode(["uint256"], [32]) + (2**255).to_bytes(32, "big")
    with pytest.raises(InvalidInput, match="an array ends after"):
        StrictDecoder(["uint256[]"]).decode(claim)


def build_methods() -> Methods:
    return Methods(
        Prices(),
        {
            "add(uint256,uint256) view returns (uint256)": lambda call, a, b: a + b,
            "both(bytes) view returns (bytes,(uint8,bool))": lambda call, data: (data, (1, True)),
            "touch()": lambda call: call.store(bytes(32), b"\x01" * 32),
        },
    )


def select(signature: str) -> bytes:
    return bytes(keccak(signature.encode())[:4])


def test_a_method_is_found_by_its_selector() -> None:
    add = select("add(uint256,uint256)") + encode(["uint256", "uint256"], [2, 3])
    assert build_methods().run(MemoryCall(data=add)) == encode(["uint256"], [5])
    both = select("both(bytes)") + encode(["bytes"], [b"xyz"])
    assert build_methods().run(MemoryCall(data=both)) == encode(["bytes", "(uint8,bool)"], [b"xyz", (1, True)])
    assert build_methods().run(MemoryCall(data=select("touch()"))) == b""


@pytest.mark.parametrize("data", [b"", b"\x01\x02", select("other()"), select("add(uint256,uint256)")[:3]])
def test_an_unknown_selector_reverts(data: bytes) -> None:
    with pytest.raises(SpcRevert, match="no such function"):
        build_methods().run(MemoryCall(data=data))


def test_malformed_arguments_revert_with_the_function_that_was_meant() -> None:
    with pytest.raises(SpcRevert, match=r"add\(uint256,uint256\): .* ends too early"):
        build_methods().run(MemoryCall(data=select("add(uint256,uint256)") + bytes(33)))


def test_a_static_call_reaches_views_only() -> None:
    with pytest.raises(SpcRevert, match="changes state"):
        build_methods().run(MemoryCall(data=select("touch()"), is_static=True))
    add = select("add(uint256,uint256)") + bytes(64)
    assert build_methods().run(MemoryCall(data=add, is_static=True)) == bytes(32)


def test_calldata_are_paid_for_before_they_are_read() -> None:
    prices = Prices()
    add = select("add(uint256,uint256)") + bytes(64)
    needed = prices.call + 3 * prices.calldata_word
    with pytest.raises(SpcOutOfGas):
        build_methods().run(MemoryCall(data=add, gas_left=needed - 1))
    call = MemoryCall(data=add, gas_left=needed + prices.result_word)
    build_methods().run(call)
    assert call.gas_left == 0
