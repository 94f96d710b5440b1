from __future__ import annotations

from pathlib import Path

import pytest
from needs import need_module

from infernet.errors import InvalidInput, NodeMisconfigured
from infernet.models import ModelStore, build_onnx_manifest

onnx = need_module("onnx")


def write_model(path: Path, inputs: list[tuple], outputs: list[tuple], nodes: list[tuple]) -> Path:
    def describe(values: list[tuple]) -> list:
        return [onnx.helper.make_tensor_value_info(name, dtype, shape) for name, dtype, shape in values]

    built = [onnx.helper.make_node(op, list(sources), list(results)) for op, sources, results in nodes]
    graph = onnx.helper.make_graph(built, "g", describe(inputs), describe(outputs))
    opset = [onnx.helper.make_opsetid("", 17)]
    path.write_bytes(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString())
    return path


def test_the_manifest_is_read_from_the_graph(tmp_path: Path) -> None:
    floats, ints = onnx.TensorProto.FLOAT, onnx.TensorProto.INT32
    path = write_model(
        tmp_path / "two.onnx",
        [("x", floats, ["batch", 3]), ("k", ints, [2])],
        [("y", floats, ["batch", 3]), ("n", ints, [2])],
        [("Neg", ["x"], ["y"]), ("Neg", ["k"], ["n"])],
    )
    manifest = build_onnx_manifest(path, "me/two:1")
    assert [(s.name, s.dtype, s.shape, s.encoding, s.scale) for s in (*manifest.inputs, *manifest.outputs)] == [
        ("x", "float32", (None, 3), "tensor", 0),
        ("k", "int32", (2,), "tensor", 0),
        ("y", "float32", (None, 3), "int256[]", 6),
        ("n", "int32", (2,), "int256[]", 0),
    ]
    assert manifest.determinism == "none"
    store = ModelStore(tmp_path / "store")
    assert store.add(tmp_path, manifest).manifest == store.get("me/two:1").manifest


def test_a_file_that_is_no_model_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "no.onnx").write_bytes(b"this is not a model")
    with pytest.raises(NodeMisconfigured, match="not a model that ONNX Runtime loads") as caught:
        build_onnx_manifest(tmp_path / "no.onnx", "me/no:1")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NodeMisconfigured, match=r"there is no model file .*gone\.onnx"):
        build_onnx_manifest(tmp_path / "gone.onnx", "me/gone:1")


def test_a_name_without_namespace_and_version_is_refused_in_one_line(tmp_path: Path) -> None:
    ints = onnx.TensorProto.INT64
    path = write_model(tmp_path / "one.onnx", [("x", ints, [1])], [("y", ints, [1])], [("Neg", ["x"], ["y"])])
    with pytest.raises(InvalidInput, match="name") as caught:
        build_onnx_manifest(path, "digits")
    assert caught.value.code == "manifest.invalid"
    assert "\n" not in str(caught.value)
