"""Models for the precompiles' tests, as graphs of a few operators."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from needs import need_module
from spc_harness import Harness

from infernet.protocol.manifest import (
    Determinism,
    Flavour,
    Manifest,
    ManifestFile,
    Rounding,
    TensorSpec,
    encode_manifest,
)
from infernet.vm.spc.prices import Limits, Prices
from infernet.vm.spc.tensor import TensorInference

onnx = need_module("onnx")
INTERFACE = """
putBlob(bytes) -> (bytes32)
assemble(bytes32[]) -> (bytes32)
fileSize(bytes32) -> (bool,uint256)
publish(bytes) -> (bytes32)
isPublished(bytes32) -> (bool)
manifestOf(bytes32) -> (bytes)
quote(bytes32,uint256) -> (uint256)
infer(bytes32,bytes) -> (bytes)
"""
T = onnx.TensorProto
Operator = tuple[Any, ...]
"""Name, inputs, outputs, and attributes as a dictionary."""


def build_graph(
    nodes: list[Operator],
    inputs: dict[str, tuple[int, list[Any]]],
    outputs: dict[str, Any],
    constants: dict[str, Any] | None = None,
    opset: int = 17,
) -> bytes:
    """A model file. Inputs and outputs by dtype and shape; outputs of two dimensions by dtype alone."""
    made = [
        onnx.helper.make_node(name, takes, gives, **(rest[0] if rest else {})) for name, takes, gives, *rest in nodes
    ]
    graph = onnx.helper.make_graph(
        made,
        "g",
        [onnx.helper.make_tensor_value_info(name, dtype, shape) for name, (dtype, shape) in inputs.items()],
        [onnx.helper.make_tensor_value_info(name, *_read_output(declared)) for name, declared in outputs.items()],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    opsets = [onnx.helper.make_opsetid("", opset), onnx.helper.make_opsetid("ai.onnx.ml", 3)]
    return bytes(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())


def _read_output(declared: Any) -> tuple[int, list[Any]]:
    return declared if isinstance(declared, tuple) else (declared, [None, None])


def build_linear(weights: Any, rows: Any = "n", name: str = "x") -> bytes:
    """uint8 [rows, a] times weights [a, b], as int32 [rows, b]."""
    return build_graph(
        [("MatMulInteger", [name, "w"], ["y"])],
        {name: (T.UINT8, [rows, len(weights)])},
        {"y": T.INT32},
        {"w": np.asarray(weights)},
    )


def describe(
    content: bytes,
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
    determinism: Determinism = Determinism.EXACT,
    name: str = "test/model:1",
    more: dict[str, bytes] | None = None,
) -> Manifest:
    files = {"model.onnx": content} | (more or {})
    return Manifest(
        name=name,
        flavour=Flavour.ONNX,
        files=tuple(
            ManifestFile(path=path, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
            for path, data in files.items()
        ),
        inputs=inputs,
        outputs=outputs,
        determinism=determinism,
    )


def spec(name: str, dtype: str, *shape: int | None, encoding: str = "tensor", **more: Any) -> TensorSpec:
    return TensorSpec(name=name, dtype=dtype, shape=shape, encoding=encoding, **more)


def rounded(decimals: int) -> Rounding:
    return Rounding(decimals=decimals, margin="0.000001")


class Inference(Harness):
    """The inference precompile, with short forms of what most tests call."""

    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__(TensorInference(Prices(), limits or Limits()), INTERFACE)

    def publish(self, manifest: Manifest, *contents: bytes) -> bytes:
        for content in contents:
            self.call("putBlob", content)
        return self.call("publish", encode_manifest(manifest))

    def publish_linear(self, weights: Any, rows: int | str = "n") -> bytes:
        content = build_linear(weights, rows)
        fixed = rows if isinstance(rows, int) else None
        x = spec("x", "uint8", fixed, len(weights))
        y = spec("y", "int32", fixed, np.asarray(weights).shape[1], encoding="int256[]")
        return self.publish(describe(content, (x,), (y,)), content)
