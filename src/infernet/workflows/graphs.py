"""ONNX graphs of a few integer operators, written out: the same weights give the same bytes, on every machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from infernet.errors import NodeMisconfigured

LARGEST_WEIGHT = 63
"""7 bits: the pairwise int16 sums of CPUs without VNNI (at most 2 · 255 · 63 = 32,130) cannot saturate."""
Step: TypeAlias = "tuple[str, list[str], list[str], Mapping[str, Any]]"
"""Operator, what it takes, what it gives, attributes."""


def quantise(weights: NDArray[Any], largest: float) -> NDArray[np.int8]:
    """Weights on one scale, on which `largest` becomes `LARGEST_WEIGHT`."""
    scaled: NDArray[np.int8] = np.rint(weights * (LARGEST_WEIGHT / largest)).astype(np.int8)
    return scaled


def build_linear_classifier(
    name: str, weights: NDArray[np.int8], bias: NDArray[np.int32], *, feature: str, label: str, dtype: str
) -> bytes:
    """`feature`, of `dtype`, [n, features] → `label` int64 [n]: the first largest of feature · weights + bias."""
    steps: list[Step] = [
        ("MatMulInteger", [feature, "weights"], ["products"], {}),
        ("Add", ["products", "bias"], ["scores"], {}),
        ("ArgMax", ["scores"], [label], {"axis": 1, "keepdims": 0, "select_last_index": 0}),
    ]
    constants: dict[str, NDArray[Any]] = {"weights": weights, "bias": bias}
    return build_graph(name, steps, {feature: (dtype, ["n", len(weights)])}, {label: ("int64", ["n"])}, constants)


def build_graph(
    name: str,
    steps: Sequence[Step],
    inputs: Mapping[str, tuple[str, list[Any]]],
    outputs: Mapping[str, tuple[str, list[Any]]],
    constants: Mapping[str, NDArray[Any]],
) -> bytes:
    """A model file.

    Args:
        inputs: dtype and shape by name; a letter in a shape is any extent.

    Raises:
        NodeMisconfigured: `demo.not_installed`.
    """
    try:
        from onnx import TensorProto, checker, helper, numpy_helper  # noqa: PLC0415  (an extra)
    except ModuleNotFoundError:
        raise build_missing("onnx") from None

    def declare(tensors: Mapping[str, tuple[str, list[Any]]]) -> list[Any]:
        return [
            helper.make_tensor_value_info(tensor, getattr(TensorProto, dtype.upper()), shape)
            for tensor, (dtype, shape) in tensors.items()
        ]

    graph = helper.make_graph(
        [helper.make_node(operator, takes, gives, **attributes) for operator, takes, gives, attributes in steps],
        name,
        declare(inputs),
        declare(outputs),
        [numpy_helper.from_array(value, constant) for constant, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    if any(attributes.get("domain") == "ai.onnx.ml" for *_, attributes in steps):
        opsets.append(helper.make_opsetid("ai.onnx.ml", 3))
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="infernet")
    checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def build_missing(package: str) -> NodeMisconfigured:
    """The error of a package that training needs and that is not there."""
    return NodeMisconfigured(
        "demo.not_installed", f"training the models of the demonstration needs {package}: pip install 'infernet[demo]'"
    )
