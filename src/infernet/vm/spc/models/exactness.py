"""Whether a graph is bit for bit the same on every machine, and cannot bring one down.

ONNX Runtime multiplies uint8 by int8 in pairs of 16 bits on CPUs without VNNI: weights of more than 7 bits can
saturate there and not elsewhere. It divides integers by the machine's own instruction, which ends the process at zero.
Version 1.31 compares int64 wrongly on some CPUs (AMD EPYC is one) where it chooses the larger or smaller of two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infernet.errors import InvalidInput
from infernet.vm.spc.models.graph import import_onnx, list_tensors
from infernet.vm.spc.models.operators import INTEGER_OPERATORS, ML_DOMAIN

_LARGEST_WEIGHT = 64
_WEIGHTS = {"MatMulInteger": 1, "ConvInteger": 1, "QLinearMatMul": 3, "QLinearConv": 3}
_CHOOSING = {"Clip", "Max", "Min", "ReduceMax", "ReduceMin", "Sign"}
_CONVOLUTIONS = {"ConvInteger", "QLinearConv"}
_SCALES = {"QLinearMatMul": (1, 4, 6), "QLinearConv": (1, 4, 6)}
Constants = Mapping[str, NDArray[Any]]
Types = Mapping[str, np.dtype[Any]]


def check_divisions(model: Any, types: Types) -> None:
    """Refuse integer divisions by what might be less than 1.

    Raises:
        InvalidInput: `graph.division`.
    """
    constants = _read_constants(model)
    makers = {name: node for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        divides = node.op_type in {"Div", "Mod"} and types[node.output[0]].kind in "iu"
        if divides and not _is_positive(node.input[1], constants, makers):
            raise InvalidInput(
                "graph.division",
                "integers are divided by constants of at least 1, or by the result of Max or Clip with such constants",
            )


def check_exact(model: Any, types: Types) -> None:
    """Refuse what machines may disagree about.

    Raises:
        InvalidInput: `graph.inexact`.
    """
    constants = _read_constants(model)
    scales = set()
    for node in model.graph.node:
        if node.domain == ML_DOMAIN or node.op_type not in INTEGER_OPERATORS:
            raise InvalidInput("graph.inexact", f"{node.op_type} is not exact: declare the model 'rounded'")
        if node.op_type in _CHOOSING and types[node.output[0]] == np.int64:
            reason = f"{node.op_type} of int64 differs between CPUs: take int32, or compare by Less and choose by Where"
            raise InvalidInput("graph.inexact", reason)
        scales |= {node.input[place] for place in _SCALES.get(node.op_type, ())}
        if node.op_type in _WEIGHTS:
            _check_weights(node, constants, types)
    for name, dtype in types.items():
        if dtype.kind not in "iub" and not (name in scales and name in constants):
            raise InvalidInput("graph.inexact", f"{name} is not an integer: declare the model 'rounded'")


def _check_weights(node: Any, constants: Constants, types: Types) -> None:
    name = node.input[_WEIGHTS[node.op_type]]
    weights = constants.get(name)
    if weights is None and types[name] != np.uint8:
        raise InvalidInput("graph.inexact", f"the weights of {node.op_type} are constants, or uint8")
    if weights is not None and types[name] == np.int8:
        largest = int(np.abs(weights.astype(np.int16)).max(initial=0))
        if largest > _LARGEST_WEIGHT:
            raise InvalidInput("graph.inexact", f"int8 weights are at most {_LARGEST_WEIGHT} in size, or CPUs disagree")
    if node.op_type in _CONVOLUTIONS and types[node.input[0]] != np.uint8:
        raise InvalidInput("graph.inexact", f"{node.op_type} takes uint8, or CPUs disagree")


def _is_positive(name: str, constants: Constants, makers: Mapping[str, Any]) -> bool:
    """Whether each element is known to be at least 1."""

    def is_positive(source: str) -> bool:
        return source in constants and bool((constants[source] >= 1).all())

    node = makers.get(name)
    if node is not None and node.op_type == "Max":
        return any(map(is_positive, node.input))
    if node is not None and node.op_type == "Clip":  # its inputs: what is clipped, the lowest, the highest value
        return (
            len(node.input) > 1 and is_positive(node.input[1]) and all(map(is_positive, filter(None, node.input[2:])))
        )
    return is_positive(name)


def _read_constants(model: Any) -> dict[str, NDArray[Any]]:
    onnx = import_onnx()
    try:
        return {name: onnx.numpy_helper.to_array(tensor) for name, tensor in list_tensors(model)}
    except Exception as error:  # of a tensor whose bytes are not those of its shape and type
        raise InvalidInput("graph.unreadable", "a tensor does not hold what it says") from error
