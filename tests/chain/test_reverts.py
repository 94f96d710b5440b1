from __future__ import annotations

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from infernet.chain.abi import parse_abi
from infernet.chain.artifacts import load_artifact
from infernet.chain.reverts import build_error_table, build_revert_error, decode_revert, known_errors
from infernet.protocol.hashing import ZERO_ADDRESS, keccak, to_address

OWNER = to_address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")


def _custom(signature: str, *values: object) -> bytes:
    types = signature[signature.index("(") + 1 : -1]
    return keccak(signature.encode())[:4] + encode(types.split(",") if types else [], values)


def _text(message: str) -> bytes:
    return bytes.fromhex("08c379a0") + encode(["string"], [message])


def _panic(code: int) -> bytes:
    return bytes.fromhex("4e487b71") + encode(["uint256"], [code])


def test_a_custom_error_shows_its_values_by_name() -> None:
    error = build_revert_error(_custom("NotOwner(address,address)", OWNER, ZERO_ADDRESS))
    assert error.code == "revert.NotOwner"
    assert error.message == f"the call reverted: NotOwner(caller={OWNER}, owner={ZERO_ADDRESS})"
    assert error.fields["values"] == {"caller": OWNER, "owner": ZERO_ADDRESS}


def test_an_error_without_values_is_its_name() -> None:
    assert build_revert_error(_custom("ZeroRedundancy()")).message.endswith("ZeroRedundancy()")


@pytest.mark.parametrize(
    ("data", "name", "text"),
    [
        (_text("not today"), "Error", "Error('not today')"),
        (_text(""), "Error", "Error('')"),
        (_panic(0x11), "Panic", "Panic(0x11: arithmetic overflow or underflow)"),
        (_panic(0x7777), "Panic", "Panic(0x7777: unknown code)"),
        (b"", "Empty", "reverted without a reason"),
        (b"\xde\xad\xbe\xef", "Unknown", "unknown error 0xdeadbeef (4 bytes)"),
        (b"\x01", "Unknown", "unknown error 0x01 (1 bytes)"),
        (_text("x")[:20], "Unknown", "unknown error 0x08c379a0 (20 bytes)"),
        (_custom("NotOwner(address,address)", OWNER, OWNER)[:40], "Unknown", None),
    ],
)
def test_reverts_of_every_kind_have_a_name_and_a_text(data: bytes, name: str, text: str | None) -> None:
    revert = decode_revert(data)
    assert revert.name == name
    assert text is None or revert.text == text


@pytest.mark.parametrize(
    ("reason", "inner", "shown"),
    [
        (_text("no thanks"), "Error", "reason=Error('no thanks')"),
        (_panic(0x32), "Panic", "reason=Panic(0x32: array index out of bounds)"),
        (_custom("NotALabel(int256)", -3), "NotALabel", "reason=NotALabel(label=-3)"),
        (b"", "Empty", "reason=reverted without a reason"),
        (b"\x01\x02\x03\x04\x05", "Unknown", "reason=unknown error 0x01020304 (5 bytes)"),
    ],
)
def test_the_consumers_reason_is_read_inside_the_coordinators(reason: bytes, inner: str, shown: str) -> None:
    error = build_revert_error(_custom("CallbackFailed(address,uint32,bytes)", OWNER, 7, reason))
    assert error.code == "revert.CallbackFailed"
    assert error.fields["inner"] == inner
    assert shown in error.message
    assert "id=7" in error.message


def test_a_reason_that_was_cut_off_is_read_as_far_as_it_goes() -> None:
    revert = decode_revert(_text("long " * 100)[:256])
    assert revert.name == "Error"
    assert revert.text.startswith("Error('long long")
    assert revert.text.endswith("lon…')")


def test_a_reason_nested_without_end_is_read_to_a_depth() -> None:
    data = b""
    for _ in range(50):
        data = _custom("CallbackFailed(address,uint32,bytes)", OWNER, 1, data)
    assert decode_revert(data).name == "CallbackFailed"


def test_what_a_contract_says_stays_on_one_line() -> None:
    error = build_revert_error(_text("first\nsecond\x1b[31m"))
    assert "\n" not in error.message
    assert "\x1b" not in error.message


def test_words_without_data_are_kept() -> None:
    assert "paused" in build_revert_error(b"", "execution reverted: paused").message
    assert build_revert_error(b"", "execution reverted").message.endswith("without a reason")


def test_the_errors_of_all_our_contracts_are_known() -> None:
    assert set(load_artifact("EIP712Coordinator").errors) <= set(known_errors())
    assert known_errors() is known_errors()


def test_errors_of_another_abi_can_be_given() -> None:
    table = build_error_table(parse_abi([{"type": "error", "name": "Own", "inputs": [{"type": "uint8", "name": "n"}]}]))
    assert decode_revert(_custom("Own(uint8)", 4), table).text == "Own(n=4)"
    assert decode_revert(_custom("Own(uint8)", 4)).name == "Unknown"


@given(
    st.binary(max_size=300)
    | st.sampled_from(sorted(known_errors())).flatmap(lambda s: st.binary().map(lambda b: s + b))
)
def test_no_bytes_break_the_decoder(data: bytes) -> None:
    error = build_revert_error(data)
    assert error.code.startswith("revert.")
    assert "\n" not in error.message
