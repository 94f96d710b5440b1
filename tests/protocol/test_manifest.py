from __future__ import annotations

import contextlib
import hashlib
import io
import json
import tracemalloc
from typing import Any

import numpy as np
import pytest
from eth_abi import encode
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from infernet.errors import InvalidInput, JobRejected, NodeMisconfigured
from infernet.protocol.fixed_point import from_stored, to_stored
from infernet.protocol.int256 import encode_int256s
from infernet.protocol.manifest import (
    Manifest,
    ManifestFile,
    build_manifest_schema,
    check_file,
    compute_manifest_hash,
    encode_manifest,
    parse_manifest,
)
from infernet.protocol.model_codec import (
    check_rounding,
    decode_features,
    decode_outputs,
    encode_features,
    encode_outputs,
)
from infernet.protocol.tensor import Tensor, encode_tensor

PIXELS = {"name": "pixels", "dtype": "uint8", "shape": [None, 64], "encoding": "tensor"}
LABEL = {"name": "label", "dtype": "int64", "shape": [None], "encoding": "int256[]"}
SCORES = {"name": "scores", "dtype": "float32", "shape": [None, 2], "encoding": "int256[]", "scale": 6}
ROUNDING = {"decimals": 3, "margin": "0.0001"}


def build_fields(**changes: Any) -> dict[str, Any]:
    fields = {
        "schema_version": 1,
        "name": "demo/digits:1",
        "flavour": "onnx",
        "files": [{"path": "model.onnx", "sha256": "00" * 32, "size_bytes": 7}],
        "inputs": [PIXELS],
        "outputs": [LABEL],
        "determinism": "exact",
    }
    return fields | changes


def build_manifest(**changes: Any) -> Manifest:
    return parse_manifest(json.dumps(build_fields(**changes)).encode())


def file(path: str) -> dict[str, Any]:
    return {"path": path, "sha256": "00" * 32, "size_bytes": 7}


def test_the_canonical_form_is_sorted_dense_and_without_unset_fields() -> None:
    encoded = encode_manifest(build_manifest())
    assert encoded == (
        b'{"determinism":"exact","files":[{"path":"model.onnx","sha256":"' + b"00" * 32 + b'","size_bytes":7}],'
        b'"flavour":"onnx","inputs":[{"dtype":"uint8","encoding":"tensor","name":"pixels","scale":0,"shape":[null,64]}],'
        b'"name":"demo/digits:1","outputs":[{"dtype":"int64","encoding":"int256[]","name":"label","scale":0,'
        b'"shape":[null]}],"schema_version":1}'
    )
    assert parse_manifest(encoded) == build_manifest()


def test_the_hash_is_of_the_canonical_form_whatever_the_spelling() -> None:
    spelled = json.dumps(build_fields(inputs=[PIXELS | {"shape": [-1, 64]}], price=None), indent=4).encode()
    assert compute_manifest_hash(parse_manifest(spelled)) == compute_manifest_hash(build_manifest())
    assert compute_manifest_hash(build_manifest()) == hashlib.sha256(encode_manifest(build_manifest())).digest()
    assert compute_manifest_hash(build_manifest(name="demo/digits:2")) != compute_manifest_hash(build_manifest())


def test_text_outside_ascii_is_kept_as_utf8() -> None:
    manifest = build_manifest(description="chiffres manuscrits, é")
    assert "manuscrits, é".encode() in encode_manifest(manifest)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": "red"}, "colour"),
        ({"schema_version": 2}, "schema_version"),
        ({"name": "digits"}, "name"),
        ({"name": "demo/../x:1"}, "name"),
        ({"name": "demo/a,b:1"}, "name"),
        ({"flavour": "pickle"}, "flavour"),
        ({"files": []}, "files"),
        ({"files": [file("../model.onnx")]}, "not a plain path"),
        ({"files": [file("/etc/passwd")]}, "not a plain path"),
        ({"files": [file("a/../../b")]}, "not a plain path"),
        ({"files": [file("a\\b")]}, "not a plain path"),
        ({"files": [file("./model.onnx")]}, "not a plain path"),
        ({"files": [file("manifest.json")]}, "not a plain path"),
        ({"files": [file("a"), file("a")]}, "two entries for the file 'a'"),
        ({"files": [file("a") | {"sha256": "AB" * 32}]}, "sha256"),
        ({"files": [file("a") | {"size_bytes": "7"}]}, "size_bytes"),
        ({"inputs": []}, "at least one input"),
        ({"inputs": [PIXELS, PIXELS]}, "two entries for the input"),
        ({"inputs": [PIXELS | {"shape": [0, 64]}]}, "shape"),
        ({"inputs": [PIXELS | {"dtype": "complex64"}]}, "dtype"),
        ({"inputs": [LABEL | {"shape": [None, None]}]}, "at most one dimension may be open"),
        ({"inputs": [LABEL | {"wire_dtype": "uint8"}]}, "wire_dtype belongs"),
        ({"inputs": [PIXELS | {"dtype": "float32", "scale": 2}]}, "has no scale"),
        ({"inputs": [SCORES | {"rounding": ROUNDING}]}, "rounding belongs to outputs"),
        ({"outputs": [SCORES]}, "'exact' is for integer outputs"),
        ({"outputs": [SCORES], "determinism": "rounded"}, "needs a rounding rule for scores"),
        ({"determinism": "rounded"}, "needs a rounding rule with its margin"),
        ({"outputs": [SCORES | {"rounding": {"decimals": 3}}], "determinism": "rounded"}, "margin"),
        ({"outputs": [SCORES | {"rounding": ROUNDING | {"decimals": 7}}], "determinism": "rounded"}, "keeps 7 places"),
        ({"price": {"token": "EUR", "amount": "1"}}, "token"),
        ({"price": {"token": "ETH", "amount": "0.5"}}, "amount"),
        ({"provenance": {"metrics": {"accuracy": 0.97}}}, "accuracy"),
    ],
)
def test_a_manifest_that_does_not_hold_together_is_refused_in_one_line(changes: dict, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        build_manifest(**changes)
    assert caught.value.code == "manifest.invalid"
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_text_that_is_no_json_is_refused() -> None:
    with pytest.raises(InvalidInput, match="JSON"):
        parse_manifest(b"\x00{")


def test_rounded_and_undetermined_outputs_can_be_declared() -> None:
    build_manifest(outputs=[SCORES | {"rounding": ROUNDING}], determinism="rounded")
    build_manifest(outputs=[LABEL | {"rounding": {"decimals": 0, "margin": "0.5"}}], determinism="rounded")
    build_manifest(outputs=[SCORES], determinism="none")


def test_a_manifest_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        build_manifest().name = "other/name:1"  # type: ignore[misc]


def test_the_schema_names_every_field() -> None:
    assert set(build_manifest_schema()["properties"]) == set(Manifest.model_fields)
    assert build_manifest_schema()["additionalProperties"] is False


def test_a_file_is_compared_with_the_manifest() -> None:
    content = b"weights"
    entry = ManifestFile(path="w", sha256=hashlib.sha256(content).hexdigest(), size_bytes=7)
    check_file(entry, io.BytesIO(content), "demo/w:1")
    with pytest.raises(NodeMisconfigured, match="add the model again") as caught:
        check_file(entry, io.BytesIO(b"other"), "demo/w:1")
    assert caught.value.code == "model.hash_mismatch"


def test_features_are_the_tensor_that_solidity_encodes() -> None:
    pixels = np.arange(64, dtype=np.uint8).reshape(1, 64)
    features = encode_features(build_manifest(), {"pixels": pixels})
    assert features == encode_tensor(Tensor(pixels))
    assert features == encode(["(uint8,uint8,uint32[],bytes)"], [(9, 0, [1, 64], pixels.tobytes())])
    np.testing.assert_array_equal(decode_features(build_manifest(), features)["pixels"], pixels)


def test_several_inputs_are_the_arguments_of_one_abi_encode() -> None:
    manifest = build_manifest(inputs=[PIXELS, LABEL | {"name": "seed"}])
    pixels = np.ones((2, 64), np.uint8)
    features = encode_features(manifest, {"seed": [7, -8], "pixels": pixels})
    expected = encode(["(uint8,uint8,uint32[],bytes)", "int256[]"], [(9, 0, [2, 64], pixels.tobytes()), [7, -8]])
    assert features == expected
    arrays = decode_features(manifest, features)
    assert list(arrays) == ["pixels", "seed"]
    assert arrays["seed"].tolist() == [7, -8]


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (b"", "pixels should be a Tensor uint8 [n, 64], but the bytes are not valid ABI data"),
        (
            encode_tensor(Tensor(np.zeros((1, 64), np.float32))),
            "pixels should be a Tensor uint8 [n, 64], but is a Tensor float32 [1, 64] of scale 0",
        ),
        (encode_tensor(Tensor(np.zeros((1, 63), np.uint8))), "but is a Tensor uint8 [1, 63]"),
        (encode_tensor(Tensor(np.zeros(64, np.uint8))), "but is a Tensor uint8 [64]"),
        (encode_tensor(Tensor(np.zeros((0, 64), np.uint8))), "but is a Tensor uint8 [0, 64]"),
        (encode_tensor(Tensor(np.zeros((1, 64), np.uint8), 2)), "of scale 2"),
        (encode_int256s([1, 2, 3]), "pixels should be a Tensor uint8 [n, 64], but"),
    ],
)
def test_features_that_do_not_fit_are_rejected_with_expected_and_given(features: bytes, message: str) -> None:
    with pytest.raises(JobRejected) as caught:
        decode_features(build_manifest(), features)
    assert caught.value.code == "features.mismatch"
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("apart_bytes", [0, 32])
@pytest.mark.parametrize("spec", [LABEL, PIXELS])
def test_inputs_that_share_their_bytes_cannot_make_a_small_request_a_large_one(spec: dict, apart_bytes: int) -> None:
    count, numbers = 64, 2_000
    manifest = build_manifest(inputs=[spec | {"name": f"input{i}"} for i in range(count)])
    offsets = b"".join((32 * count + apart_bytes * i).to_bytes(32) for i in range(count))
    features = offsets + numbers.to_bytes(32) * (count + numbers + 1)  # every word a length and a number at once
    tracemalloc.start()
    with pytest.raises(JobRejected, match="not valid ABI data"):
        decode_features(manifest, features)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 10 * len(features)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_arbitrary_features_run_or_are_rejected(features: bytes) -> None:
    manifest = build_manifest(inputs=[SCORES, PIXELS | {"name": "p"}])
    with contextlib.suppress(JobRejected):
        decode_features(manifest, features)


def test_numbers_with_a_scale_become_floats_for_the_graph() -> None:
    manifest = build_manifest(inputs=[SCORES])
    arrays = decode_features(manifest, encode_int256s([1_500_000, -2_250_000]))
    assert arrays["scores"].dtype == np.float32
    assert arrays["scores"].tolist() == [[1.5, -2.25]]


def test_a_tensor_of_integers_becomes_floats_for_the_graph() -> None:
    spec = SCORES | {"encoding": "tensor", "wire_dtype": "int32", "scale": 2}
    manifest = build_manifest(inputs=[spec])
    features = encode_features(manifest, {"scores": [[1.505, -2.25]]})
    assert features == encode_tensor(Tensor(np.array([[150, -225]], np.int32), 2))
    assert decode_features(manifest, features)["scores"].tolist() == [[1.5, -2.25]]


def test_integers_that_the_graph_cannot_hold_are_rejected() -> None:
    manifest = build_manifest(inputs=[LABEL | {"dtype": "uint8", "shape": [2]}])
    assert decode_features(manifest, encode_int256s([0, 255]))["label"].dtype == np.uint8
    for values in ([0, 256], [-1, 0], [2**200, 0]):
        with pytest.raises(JobRejected, match="outside uint8"):
            decode_features(manifest, encode_int256s(np.array(values, dtype=object)))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_count_that_fills_no_shape_is_rejected(count: int) -> None:
    with pytest.raises(JobRejected, match=f"has {count} numbers"):
        decode_features(build_manifest(inputs=[SCORES]), encode_int256s([1] * count))


def test_float_outputs_are_rounded_to_the_scale_with_ties_to_even() -> None:
    manifest = build_manifest(outputs=[SCORES | {"scale": 1}], determinism="none")
    output = encode_outputs(manifest, {"scores": np.array([[0.25, 0.75]], np.float32)})
    assert output == encode_int256s([2, 8])
    assert decode_outputs(manifest, output)["scores"].tolist() == [[pytest.approx(0.2), pytest.approx(0.8)]]


def test_rounded_outputs_keep_the_declared_places() -> None:
    manifest = build_manifest(outputs=[SCORES | {"rounding": ROUNDING}], determinism="rounded")
    one = encode_outputs(manifest, {"scores": np.array([[0.12341, 1.0]], np.float32)})
    other = encode_outputs(manifest, {"scores": np.array([[0.12343, 1.0]], np.float32)})
    assert one == other == encode_int256s([123_000, 1_000_000])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("encoding", ["int256[]", "tensor"])
def test_an_output_that_is_not_finite_is_never_encoded(value: float, encoding: str) -> None:
    spec = SCORES | {"encoding": encoding, "scale": 0}
    manifest = build_manifest(outputs=[spec], determinism="none")
    with pytest.raises(JobRejected, match="not a finite") as caught:
        encode_outputs(manifest, {"scores": np.array([[1.0, value]], np.float32)})
    assert caught.value.code == "output.mismatch"


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "expected label, got nothing"),
        ({"other": np.array([1])}, "expected label, got other"),
        ({"label": np.array([[1]])}, "expected shape [n], got [1, 1]"),
        ({"label": np.array([1.0])}, "expected int64, got float64"),
    ],
)
def test_an_output_other_than_declared_is_refused(arrays: dict, message: str) -> None:
    with pytest.raises(JobRejected) as caught:
        encode_outputs(build_manifest(), arrays)
    assert message in str(caught.value)


def test_an_output_too_large_for_its_tensor_is_refused() -> None:
    spec = SCORES | {"encoding": "tensor", "wire_dtype": "int8", "scale": 2}
    manifest = build_manifest(outputs=[spec], determinism="none")
    assert encode_outputs(manifest, {"scores": [[1.27, -1.28]]})
    with pytest.raises(JobRejected, match="outside int8"):
        encode_outputs(manifest, {"scores": [[1.28, 0.0]]})


def test_callers_mistakes_in_features_are_invalid_input() -> None:
    with pytest.raises(InvalidInput, match="expected shape") as caught:
        encode_features(build_manifest(), {"pixels": np.zeros((1, 8), np.uint8)})
    assert caught.value.code == "features.mismatch"
    with pytest.raises(InvalidInput, match="outside uint8"):
        encode_features(build_manifest(), {"pixels": np.full((1, 64), 300)})


@st.composite
def inputs_with_arrays(draw: st.DrawFn) -> tuple[dict, np.ndarray]:
    dtype = draw(st.sampled_from(["uint8", "int16", "int64", "uint64", "bool", "float32", "float64"]))
    encoding = draw(st.sampled_from(["tensor", "int256[]"]))
    spec = {"name": "x", "dtype": dtype, "shape": [None, 3], "encoding": encoding}
    shape = (draw(st.integers(1, 4)), 3)
    if dtype.startswith("float"):
        bound = 1000.0
        elements = st.floats(-bound, bound, width=int(dtype[5:]))
        if encoding == "tensor" and draw(st.booleans()):
            return spec, draw(hnp.arrays(dtype, shape, elements=elements))
        wire = {} if encoding == "int256[]" else {"wire_dtype": "int64"}
        return spec | wire | {"scale": draw(st.integers(0, 12))}, draw(hnp.arrays(dtype, shape, elements=elements))
    return spec | {"scale": 0 if dtype == "bool" else draw(st.integers(0, 30))}, draw(hnp.arrays(dtype, shape))


@settings(deadline=None)
@given(inputs_with_arrays())
def test_features_decode_to_what_was_encoded_within_the_scale(case: tuple[dict, np.ndarray]) -> None:
    spec, array = case
    manifest = build_manifest(inputs=[spec])
    features = encode_features(manifest, {"x": array})
    found = decode_features(manifest, features)["x"]
    assert found.dtype == array.dtype
    if array.dtype.kind == "f" and not manifest.inputs[0].travels_as_float:
        half_a_step = 0.5 * 10.0 ** -spec["scale"]
        rounding = np.spacing(np.abs(array).astype(np.float64)) + np.spacing(np.abs(array))
        assert (np.abs(found.astype(np.float64) - array) <= half_a_step * (1 + 1e-9) + rounding).all()
        assert encode_features(manifest, {"x": from_stored(to_stored(array, spec["scale"]), spec["scale"])}) == features
    else:
        np.testing.assert_array_equal(found, array)


def test_a_margin_that_the_outputs_do_not_keep_is_refused_at_publication() -> None:
    manifest = build_manifest(outputs=[SCORES | {"rounding": ROUNDING}], determinism="rounded")
    check_rounding(manifest, {"scores": np.array([[0.1234, 0.5]])})
    with pytest.raises(InvalidInput, match="rounding boundary") as caught:
        check_rounding(manifest, {"scores": np.array([[0.12345, 0.5], [0.12349, 0.1]])})
    assert caught.value.code == "manifest.margin"
