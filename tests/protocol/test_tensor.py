from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path

import numpy as np
import pytest
from eth_abi import decode, encode
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from infernet.errors import InvalidInput
from infernet.protocol.fixed_point import compute_rounding_margin, from_stored, to_stored
from infernet.protocol.int256 import INT256_MAX, INT256_MIN, decode_int256s, encode_int256s
from infernet.protocol.tensor import DTYPE_CODES, Tensor, decode_tensor, encode_tensor

VECTORS = Path(__file__).parents[2] / "vectors" / "tensor.json"
CASES = json.loads(VECTORS.read_text())["cases"]
STRUCT = "(uint8,uint8,uint32[],bytes)"


def build_struct(dtype: int, scale: int, shape: list[int], values: bytes) -> bytes:
    return encode([STRUCT], [(dtype, scale, shape, values)])


def read_case(case: dict) -> Tensor:
    name = {code: name for name, code in DTYPE_CODES.items()}[int(case["dtype"])]
    values = [int(value) for value in case["values"]]
    dtype = np.dtype(name)
    stored = np.array(values, f"u{dtype.itemsize}" if dtype.kind == "f" else dtype)
    array = stored.view(dtype)
    return Tensor(array.reshape([int(extent) for extent in case["shape"]]), int(case["scale"]))


tensors = st.sampled_from(sorted(DTYPE_CODES)).flatmap(
    lambda dtype: st.builds(
        Tensor,
        hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)),
        st.integers(0, 255) if "int" in dtype else st.just(0),
    )
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_agrees_with_the_golden_vectors_in_both_directions(case: dict) -> None:
    tensor = read_case(case)
    assert "0x" + encode_tensor(tensor).hex() == case["encoded"]
    decoded = decode_tensor(bytes.fromhex(case["encoded"][2:]))
    assert (decoded.dtype, decoded.scale, decoded.shape) == (tensor.dtype, tensor.scale, tensor.shape)
    assert decoded.values.tobytes() == tensor.values.tobytes()


def test_the_golden_vectors_cover_every_dtype() -> None:
    assert {int(case["dtype"]) for case in CASES} == set(DTYPE_CODES.values())


@settings(deadline=None)
@given(tensors)
def test_what_is_encoded_decodes_to_the_same_bits(tensor: Tensor) -> None:
    decoded = decode_tensor(encode_tensor(tensor))
    assert (decoded.dtype, decoded.scale, decoded.shape) == (tensor.dtype, tensor.scale, tensor.shape)
    assert decoded.values.tobytes() == tensor.values.tobytes()
    assert decoded.values.dtype.isnative


@settings(deadline=None)
@given(tensors)
def test_the_encoding_is_the_one_that_eth_abi_writes(tensor: Tensor) -> None:
    packed = tensor.values.astype(tensor.values.dtype.newbyteorder(">")).tobytes()
    expected = build_struct(DTYPE_CODES[tensor.dtype], tensor.scale, list(tensor.shape), packed)
    assert encode_tensor(tensor) == expected


def test_the_layout_in_memory_does_not_matter() -> None:
    array = np.arange(6, dtype=np.int16).reshape(2, 3)
    assert encode_tensor(Tensor(array.T)) == encode_tensor(Tensor(np.ascontiguousarray(array.T)))
    assert encode_tensor(Tensor(array.astype(">i2"))) == encode_tensor(Tensor(array))


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_arbitrary_bytes_decode_or_are_refused_with_a_typed_error(data: bytes) -> None:
    with contextlib.suppress(InvalidInput):
        decode_tensor(data)


@settings(deadline=None)
@given(tensors, st.data())
def test_a_tensor_cut_short_is_refused(tensor: Tensor, data: st.DataObject) -> None:
    encoded = encode_tensor(tensor)
    padding = 31  # the last word's padding is not read, as in Solidity
    cut = data.draw(st.integers(0, max(len(encoded) - padding - 1, 0)))
    with pytest.raises(InvalidInput):
        decode_tensor(encoded[:cut])


@pytest.mark.parametrize(
    ("encoded", "code"),
    [
        (build_struct(3, 0, [1], bytes(16)), "tensor.dtype"),
        (build_struct(255, 0, [1], bytes(16)), "tensor.dtype"),
        (build_struct(1, 2, [1], bytes(4)), "tensor.scale"),
        (build_struct(15, 1, [1], bytes(1)), "tensor.scale"),
        (build_struct(9, 0, [2], bytes(1)), "tensor.values"),
        (build_struct(9, 0, [2], bytes(3)), "tensor.values"),
        (build_struct(15, 0, [1], b"\x02"), "tensor.values"),
        (build_struct(9, 0, [2**32 - 1] * 8, bytes(8)), "tensor.values"),
        (build_struct(9, 0, [1] * 33, bytes(1)), "tensor.shape"),
        (build_struct(9, 0, [0, *[2**32 - 1] * 8], b""), "tensor.shape"),
        (b"", "abi.malformed"),
        (b"\xff" * 32, "abi.malformed"),
    ],
)
def test_a_malformed_tensor_is_refused_by_code(encoded: bytes, code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        decode_tensor(encoded)
    assert caught.value.code == code
    assert "\n" not in str(caught.value)


def test_dirty_words_are_refused() -> None:
    good = bytearray(build_struct(9, 0, [1], b"\x01"))
    for word in (1, 2, 5, 6):  # dtype, scale, rank, extent: the top byte set
        dirty = bytearray(good)
        dirty[32 * word] = 1
        with pytest.raises(InvalidInput):
            decode_tensor(bytes(dirty))


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([1j]), np.array([None]), np.zeros(1, "longdouble")])
def test_an_array_that_no_tensor_holds_is_refused(array: np.ndarray) -> None:
    with pytest.raises(InvalidInput, match="cannot hold"):
        Tensor(array)


@settings(deadline=None)
@given(st.lists(st.integers(INT256_MIN, INT256_MAX) | st.integers(-300, 300), max_size=8))
def test_int256_arrays_round_trip_and_agree_with_eth_abi(values: list[int]) -> None:
    encoded = encode_int256s(np.array(values, dtype=object))
    assert encoded == encode(["int256[]"], [values])
    assert decode_int256s(encoded).tolist() == values


@settings(deadline=None)
@given(hnp.arrays(st.sampled_from(["int8", "int64", "uint64", "uint8", "bool"]), st.integers(0, 9)))
def test_int256_arrays_take_every_integer_dtype(array: np.ndarray) -> None:
    assert list(decode(["int256[]"], encode_int256s(array))[0]) == [int(value) for value in array]


@pytest.mark.parametrize("value", [INT256_MAX + 1, INT256_MIN - 1, 1.5, "1", None])
def test_what_is_not_an_int256_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput, match="int256"):
        encode_int256s(np.array([value], dtype=object))


def test_an_int256_array_with_a_huge_length_is_refused_without_allocating() -> None:
    for length in (2, 2**40, 2**256 - 1):
        with pytest.raises(InvalidInput, match="not valid ABI data"):
            decode_int256s((32).to_bytes(32, "big") + length.to_bytes(32, "big") + bytes(32))


def test_small_int256_values_come_as_int64_and_larger_ones_exactly() -> None:
    assert decode_int256s(encode_int256s([-(2**63), 2**63 - 1])).dtype == np.int64
    assert decode_int256s(encode_int256s(np.array([2**63], np.uint64))).tolist() == [2**63]


def test_fixed_point_rounds_ties_to_even() -> None:
    assert to_stored(np.array([0.5, 1.5, 2.5, -0.5, -1.5]), 0).tolist() == [0, 2, 2, 0, -2]
    assert to_stored(np.array([0.125, 0.375]), 2).tolist() == [12, 38]


def test_fixed_point_keeps_fewer_places_than_the_scale_when_told() -> None:
    assert to_stored(np.array([0.126, -2.0]), 6, decimals=2).tolist() == [130_000, -2_000_000]
    assert to_stored(np.array([0.126, 2.0]), 30, decimals=2).tolist() == [13 * 10**28, 2 * 10**30]


def test_fixed_point_goes_beyond_int64_exactly() -> None:
    assert to_stored(np.array([2000.0]), 18).tolist() == [2000 * 10**18]
    assert from_stored(np.array([2000 * 10**18], dtype=object), 18).tolist() == [2000.0]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e308])
def test_fixed_point_refuses_what_is_not_finite(value: float) -> None:
    with pytest.raises(InvalidInput, match="not a finite number"):
        to_stored(np.array([1.0, value]), 6)


@settings(deadline=None)
@given(st.lists(st.integers(-(2**70), 2**70), min_size=1, max_size=5), st.integers(0, 30))
def test_a_value_does_not_depend_on_its_neighbours(values: list[int], scale: int) -> None:
    together = from_stored(np.array(values, dtype=object), scale)
    alone = [from_stored(np.array([value], dtype=object), scale)[0] for value in values]
    assert together.tolist() == alone


def test_the_rounding_margin_is_the_distance_to_the_nearest_tie() -> None:
    assert compute_rounding_margin(np.array([0.1, 2.4, 7.9]), 0) == pytest.approx(0.1)
    assert compute_rounding_margin(np.array([0.12]), 1) == pytest.approx(0.03)
    assert compute_rounding_margin(np.array([0.25]), 1) == 0
