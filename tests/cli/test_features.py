from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from infernet.cli.features import parse_features
from infernet.errors import InvalidInput
from infernet.protocol.int256 import decode_int256s
from infernet.protocol.tensor import decode_tensor


@pytest.mark.parametrize(
    ("text", "numbers"), [("1,-2,3", [1, -2, 3]), ("", []), (" 7 ", [7]), (f"{-(2**255)}", [-(2**255)])]
)
def test_integers_become_an_int256_array(text: str, numbers: list[int]) -> None:
    assert decode_int256s(parse_features(None, text, None)).tolist() == numbers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("uint8:1x3:0,5,16", np.array([[0, 5, 16]], np.uint8)),
        ("float32:2:1.5,-2", np.array([1.5, -2], np.float32)),
        ("bool:3:1,0,1", np.array([True, False, True])),
        ("int64::7", np.array(7, np.int64)),
        ("int16:0:", np.array([], np.int16)),
    ],
)
def test_a_tensor_is_written_as_dtype_shape_and_values(text: str, expected: np.ndarray) -> None:
    values = decode_tensor(parse_features(None, None, text)).values
    assert (values.dtype, values.shape) == (expected.dtype, expected.shape)
    assert np.array_equal(values, expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "uint8",
        "uint8:1x3",
        "uint8:1x3:0,5,300",
        "uint8:1x3:0,-1,3",
        "uint8:1x3:0,1",
        "uint8:1x-1:0,1",
        "uint8:ax3:0,1,2",
        "uint8:1x3:0,1.5,2",
        "float32:1:1e300",
        "float32:1:x",
        "bool:1:2",
        "object:1:2",
        "float128:1:2",
        f"int64:1:{2**63}",
    ],
)
def test_a_tensor_that_does_not_fit_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_features(None, None, text)
    assert caught.value.code == "request.features"


@pytest.mark.parametrize("text", ["1,x", "1.5", "1,,2", "0x10"])
def test_what_is_no_integer_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"write 1,-2,3"):
        parse_features(None, text, None)


def test_an_integer_beyond_int256_is_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_features(None, str(2**255), None)
    assert caught.value.code == "int256.values"


@pytest.mark.parametrize(("text", "features"), [("0x", b""), ("0x0aFF", b"\x0a\xff"), ("0aff", b"\x0a\xff")])
def test_hex_is_taken_with_and_without_0x(text: str, features: bytes) -> None:
    assert parse_features(text, None, None) == features


@pytest.mark.parametrize(("content", "features"), [(b"0x0102\n", b"\1\2"), (b"0102", b"0102"), (b"\xff\0", b"\xff\0")])
def test_a_file_holds_hex_after_0x_and_else_the_bytes_themselves(
    tmp_path: Path, content: bytes, features: bytes
) -> None:
    (tmp_path / "f").write_bytes(content)
    assert parse_features(f"@{tmp_path}/f", None, None) == features


@pytest.mark.parametrize("text", ["zz", "0x1", "@/no/such/file", "@/"])
def test_bytes_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_features(text, None, None)
    assert caught.value.code == "request.features"


@pytest.mark.parametrize("given", [(None, None, None), ("0x", "1", None), ("0x", None, "uint8:1:1"), ("", "", "")])
def test_features_are_given_once(given: tuple[str | None, str | None, str | None]) -> None:
    with pytest.raises(InvalidInput, match="give the features once"):
        parse_features(*given)
