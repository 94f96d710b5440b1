"""The operators that a published graph may use, and what each costs.

Left out are those whose results are random, those that hold graphs of their own (a loop may never end), and those
whose results have a shape that depends on values: with the shapes of the inputs all shapes are known, and with them
time and memory.

A cost counts multiply-accumulates. One element that an operator makes counts as 16 of them where it is computed, as 8
where it is moved, as 64 where it is moved from afar, as 128 where it takes a slow function; an operator in itself
counts as 8,192.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from types import MappingProxyType
from typing import Any

_OPERATOR = 8_192
_COMPUTED, _MOVED, _SCATTERED, _SLOW = 16, 8, 64, 128
_INTEGER_PRODUCT = 8
ML_DOMAIN = "ai.onnx.ml"


@dataclass(frozen=True, slots=True)
class Node:
    """One operator of a graph, with the shapes around it. An input that is left out has the shape ()."""

    operator: str
    inputs: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[int, ...], ...]
    attributes: Mapping[str, Any]
    is_integer: bool
    """Of its first output."""


Cost = Callable[[Node], int]


def _count(shapes: tuple[tuple[int, ...], ...]) -> int:
    return sum(prod(shape) for shape in shapes)


def _computed(node: Node) -> int:
    return _COMPUTED * _count(node.outputs)


def _moved(node: Node) -> int:
    return _MOVED * (_count(node.outputs) + 1)


def _scattered(node: Node) -> int:
    return _SCATTERED * (_count(node.outputs) + 1)


def _slow(node: Node) -> int:
    return _SLOW * _count(node.outputs)


def _sorted(node: Node) -> int:
    """Of k kept elements: each element of the input is compared with the logarithm of k others."""
    kept: int = node.outputs[0][node.attributes.get("axis", -1)]
    return _count(node.inputs[:1]) * (_COMPUTED + _SCATTERED * kept.bit_length()) + _computed(node)


def _reduced(node: Node) -> int:
    return _COMPUTED * (_count(node.inputs) + _count(node.outputs))


def _multiplied(node: Node) -> int:
    weight = _INTEGER_PRODUCT if node.is_integer and node.operator == "MatMul" else 1
    return prod(node.outputs[0]) * max(node.inputs[0][-1:], default=1) * weight + _computed(node)


def _gemm(node: Node) -> int:
    inner: int = node.inputs[0][0 if node.attributes.get("transA") else 1]
    return prod(node.outputs[0]) * inner + _computed(node)


def _convolved(weights: int) -> Cost:
    def cost(node: Node) -> int:
        return prod(node.outputs[0]) * prod(node.inputs[weights][1:]) + _computed(node)

    return cost


def _pooled(node: Node) -> int:
    kernel: int = prod(node.attributes.get("kernel_shape", ()))
    return prod(node.outputs[0]) * kernel * _MOVED + _computed(node)


def _linear(node: Node) -> int:
    return node.inputs[0][0] * len(node.attributes.get("coefficients", ())) + _reduced(node)


def _trees(node: Node) -> int:
    """As if every row came by every node of every tree."""
    return node.inputs[0][0] * len(node.attributes.get("nodes_treeids", ())) * _MOVED + _reduced(node)


def _table(names: str, cost: Cost) -> dict[str, Cost]:
    return dict.fromkeys(names.split(), cost)


INTEGER_OPERATORS: Mapping[str, Cost] = MappingProxyType(
    _table("Abs Add And Cast Clip Div Equal Greater GreaterOrEqual Less LessOrEqual Max Min Mul Neg Not", _computed)
    | _table("Or Relu Sign Sub Tile Where Xor", _computed)
    | _table("Concat Constant Expand Flatten Identity Reshape Slice Split Squeeze Unsqueeze", _moved)
    | _table("Gather Transpose", _scattered)
    | _table("ArgMax ArgMin CumSum ReduceMax ReduceMin ReduceSum", _reduced)
    | _table("MatMul MatMulInteger QLinearMatMul", _multiplied)
    | {"ConvInteger": _convolved(1), "QLinearConv": _convolved(3), "MaxPool": _pooled, "Mod": _slow, "TopK": _sorted}
)
"""Bit for bit the same on every machine, under the conditions of `exactness`."""

OPERATORS: Mapping[str, Cost] = MappingProxyType(
    dict(INTEGER_OPERATORS)
    | _table(
        "BatchNormalization Ceil DequantizeLinear Elu Erf Exp Floor Gelu HardSigmoid HardSwish LeakyRelu", _computed
    )
    | _table("Log PRelu QuantizeLinear Reciprocal Round Selu Sigmoid Softsign Sqrt Tanh", _computed)
    | _table("Pow Softplus", _slow)
    | _table("DepthToSpace Pad SpaceToDepth", _scattered)
    | _table("GlobalAveragePool GlobalMaxPool InstanceNormalization LayerNormalization LogSoftmax", _reduced)
    | _table("LpNormalization ReduceL1 ReduceL2 ReduceLogSumExp ReduceMean ReduceProd ReduceSumSquare", _reduced)
    | {"AveragePool": _pooled, "Conv": _convolved(1), "Gemm": _gemm, "Softmax": _reduced}
)
"""All of the standard domain."""

ML_OPERATORS: Mapping[str, Cost] = MappingProxyType(
    _table("LinearClassifier LinearRegressor", _linear)
    | _table("TreeEnsembleClassifier TreeEnsembleRegressor", _trees)
    | {"Normalizer": _reduced, "Scaler": _computed}
)
"""Of scikit-learn's exports."""


def compute_node_cost(node: Node) -> int:
    """Multiply-accumulates of one operator."""
    return _OPERATOR + (OPERATORS.get(node.operator) or ML_OPERATORS[node.operator])(node)
