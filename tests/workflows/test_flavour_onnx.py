from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnx
import pandas as pd
import pytest
from flavour_rows import split_rows
from onnx import TensorProto, helper, numpy_helper

from infernet.errors import InvalidInput
from infernet.protocol.manifest import Determinism
from infernet.workflows.data import Rows
from infernet.workflows.flavours import Export, convert
from infernet.workflows.graphs import build_graph, build_linear_classifier


def build_affine(columns: int, dtype: str = "float") -> onnx.ModelProto:
    steps = [("MatMul", ["x", "w"], ["y"], {})]
    weights = np.arange(columns * 2, dtype={"float": "float32", "int32": "int32"}[dtype]).reshape(columns, 2)
    content = build_graph("any", steps, {"x": (dtype, ["n", columns])}, {"y": (dtype, ["n", 2])}, {"w": weights})
    return onnx.load_from_string(content)


def test_a_graph_keeps_its_names_and_gets_a_manifest() -> None:
    _, held_out = split_rows("wine")
    model = build_affine(13)
    model.producer_name, model.producer_version, model.doc_string = "someone", "2.1", "made on Monday"
    converted = convert(model, held_out)
    (x,), (y,) = converted.inputs, converted.outputs
    assert (x.name, x.dtype, x.shape, x.scale, x.columns) == ("x", "float32", (None, 13), 6, held_out.columns)
    assert (y.name, y.shape, y.scale) == ("y", (None, 2), 6)
    assert converted.determinism is Determinism.NONE
    assert b"Monday" not in converted.onnx


def test_a_graph_of_integers_is_exact() -> None:
    rows = Rows(pd.DataFrame({"a": [1, 2, 3], "b": [5, 4, 250]}), pd.Series([0, 1, 0]))
    weights = np.array([[1, -2], [3, 4]], np.int8)
    content = build_linear_classifier(
        "any", weights, np.array([5, 6], np.int32), feature="pixels", label="label", dtype="uint8"
    )
    converted = convert(onnx.load_from_string(content), rows, export=Export(exact=True))
    assert converted.determinism is Determinism.EXACT
    (pixels,), (label,) = converted.inputs, converted.outputs
    assert (pixels.dtype, pixels.scale, label.dtype) == ("uint8", 0, "int64")
    assert label.quantisation is not None
    assert label.quantisation.changed_labels == 0


def test_a_float_on_the_way_is_enough_not_to_be_exact() -> None:
    steps = [("Cast", ["x"], ["f"], {"to": 1}), ("Sqrt", ["f"], ["r"], {}), ("Cast", ["r"], ["y"], {"to": 7})]
    model = onnx.load_from_string(build_graph("any", steps, {"x": ("int64", ["n", 1])}, {"y": ("int64", ["n", 1])}, {}))
    rows = Rows(pd.DataFrame({"a": [1, 4, 9]}), pd.Series([0, 1, 0]))
    assert convert(model, rows).determinism is Determinism.NONE
    with pytest.raises(InvalidInput, match="computes with floats"):
        convert(model, rows, export=Export(exact=True))


def test_rows_are_given_the_shape_that_the_graph_takes() -> None:
    steps = [("ReduceSum", ["x", "axes"], ["y"], {"keepdims": 0})]
    axes = np.array([1, 2], np.int64)
    content = build_graph("any", steps, {"x": ("float", ["n", 3, 4])}, {"y": ("float", ["n"])}, {"axes": axes})
    rows = Rows(pd.DataFrame(np.arange(24, dtype="float32").reshape(2, 12)), pd.Series([0, 1]))
    converted = convert(onnx.load_from_string(content), rows)
    assert (converted.inputs[0].shape, converted.inputs[0].columns) == ((None, 3, 4), None)
    _, wine = split_rows("wine")
    with pytest.raises(InvalidInput, match=r"rows of shape \[3, 4\], the table has 13 columns"):
        convert(onnx.load_from_string(content), wine)


def test_features_that_integers_cannot_hold_are_refused() -> None:
    _, held_out = split_rows("wine")
    with pytest.raises(InvalidInput, match="the graph takes int32") as caught:
        convert(build_affine(13, "int32"), held_out)
    assert caught.value.code == "features.mismatch"


def test_a_graph_that_gives_no_finite_numbers_is_refused() -> None:
    steps = [("Log", ["x"], ["y"], {})]
    content = build_graph("any", steps, {"x": ("float", ["n", 1])}, {"y": ("float", ["n", 1])}, {})
    rows = Rows(pd.DataFrame({"a": np.array([1.0, -1.0], "float32")}), pd.Series([0, 1]))
    with pytest.raises(InvalidInput, match="not a finite number") as caught:
        convert(onnx.load_from_string(content), rows)
    assert caught.value.code == "model.not_finite"


def test_several_inputs_and_words_are_refused() -> None:
    _, held_out = split_rows("wine")
    steps = [("Add", ["x", "z"], ["y"], {})]
    pair = {"x": ("float", ["n", 13]), "z": ("float", ["n", 13])}
    with pytest.raises(InvalidInput, match="has 2 inputs"):
        convert(onnx.load_from_string(build_graph("any", steps, pair, {"y": ("float", ["n", 13])}, {})), held_out)
    to_words = [("Cast", ["x"], ["y"], {"to": 8})]
    words = build_graph("any", to_words, {"x": ("float", ["n", 13])}, {"y": ("string", ["n", 13])}, {})
    with pytest.raises(InvalidInput, match="y of the graph is no tensor of numbers"):
        convert(onnx.load_from_string(words), held_out)


def test_weights_in_other_files_are_refused() -> None:
    _, held_out = split_rows("wine")
    model = build_affine(13)
    (weights,) = model.graph.initializer
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="/etc/passwd")
    with pytest.raises(InvalidInput, match="weights in other files") as caught:
        convert(model, held_out)
    assert caught.value.code == "model.unsupported"


def test_the_flavours_are_imported_when_they_are_needed() -> None:
    code = (
        "import sys, infernet.workflows.flavours\n"
        "print(*{'sklearn', 'pandas', 'torch', 'skl2onnx', 'onnx', 'mlflow', 'onnxruntime'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_constants_keep_their_values_under_their_new_names() -> None:
    _, held_out = split_rows("wine")
    (weights,) = onnx.load_from_string(convert(build_affine(13), held_out).onnx).graph.initializer
    assert numpy_helper.to_array(weights).tolist() == np.arange(26).reshape(13, 2).tolist()
    assert helper.tensor_dtype_to_np_dtype(weights.data_type) == np.float32
