"""Reading a graph that a stranger wrote: what it may hold, and the shapes of everything in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from infernet.errors import InvalidInput, NodeMisconfigured
from infernet.vm.spc.models.operators import ML_DOMAIN, ML_OPERATORS, OPERATORS, Node
from infernet.vm.spc.models.ranks import check_ranks

_OLDEST_OPSET, _NEWEST_OPSET = 9, 23
_LARGEST_CONSTANT = 1_024
"""Elements of a constant that may say what a shape is."""
_MOST_OUTPUTS = 64
"""Of a graph: a runtime compares them with one another."""
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class OpenAxis:
    """A dimension of an input that the graph leaves open."""

    input: str
    axis: int


class Skeleton:
    """A graph without its large constants: enough to know all shapes, and small enough to keep."""

    def __init__(self, model: Any) -> None:
        self._model = _strip(model)
        self.open_axes = _find_open_axes(model)
        """All of one and the same open dimension."""
        self.folded = _find_folded(model)
        """For each operator whether constants alone go into it: it is computed when the graph is loaded."""

    def infer(self, extent: int) -> list[Node]:
        """Every operator with its shapes where the open dimension is `extent`.

        Raises:
            InvalidInput: `graph.shape`: a shape is not known, or they do not fit together.
        """
        fixed = _infer_shapes(self._model, extent)
        shapes, types = _read_values(fixed)
        return [_build_node(node, shapes, types) for node in fixed.graph.node]

    def read_types(self) -> dict[str, Any]:
        """The numpy dtype of each value of the graph. Raises as `infer` does."""
        _, types = _read_values(_infer_shapes(self._model, 1))
        return {name: _read_dtype(name, kind) for name, kind in types.items()}


def import_onnx() -> Any:
    """The `onnx` package.

    Raises:
        NodeMisconfigured: `onnx.not_installed`: it is missing, or lacks a library of the system.
    """
    try:
        import onnx  # noqa: PLC0415  (heavy, and an extra)
        import onnx.checker  # noqa: PLC0415
        import onnx.shape_inference  # noqa: PLC0415
    except ImportError as error:
        raise NodeMisconfigured(
            "onnx.not_installed", f"models on chain need onnx ({error}): pip install 'infernet[chain]'"
        ) from None
    return onnx


def parse_graph(content: bytes) -> Any:
    """A file as `onnx.ModelProto`, whatever it holds.

    Raises:
        InvalidInput: `graph.unreadable`.
    """
    try:
        return import_onnx().load_model_from_string(content)
    except Exception as error:  # protobuf's
        raise _refuse_unreadable() from error


def check_graph(model: Any) -> None:
    """Whether a graph may be run.

    Raises:
        InvalidInput: `graph.unreadable`, `graph.unsafe`, `graph.operator`, `graph.shape`.
    """
    try:
        import_onnx().checker.check_model(model)
    except Exception as error:  # the checker's, and those of the C++ behind it
        raise _refuse_unreadable() from error
    _check_safe(model)
    _check_operators(model)
    check_ranks(model, list_tensors(model))


def count_items(model: Any) -> int:
    """Constants, inputs and outputs, and for each operator its outputs and eighths of its inputs: what reading a graph
    takes is proportional to them.
    """
    graph = model.graph
    operators = sum(len(node.output) + len(node.input) // 8 for node in graph.node)
    return operators + len(graph.initializer) + len(graph.input) + len(graph.output)


def count_constant_bytes(model: Any) -> int:
    """Of the constants that are only copied, whatever is done with the graph."""
    return sum(len(tensor.raw_data) for tensor in model.graph.initializer if prod(tensor.dims) > _LARGEST_CONSTANT)


def list_tensors(model: Any) -> Iterator[tuple[str, Any]]:
    """Constants by name: initializers, and what Constant nodes hold."""
    for tensor in model.graph.initializer:
        yield tensor.name, tensor
    for node in model.graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    yield node.output[0], attribute.t


def _refuse_unreadable() -> InvalidInput:
    return InvalidInput("graph.unreadable", "the file is not a valid ONNX model")


def _check_safe(model: Any) -> None:
    onnx = import_onnx()
    kinds = onnx.AttributeProto
    subgraphs = {kinds.GRAPH, kinds.GRAPHS, kinds.SPARSE_TENSOR, kinds.SPARSE_TENSORS, kinds.TYPE_PROTO}
    attributes = [attribute for node in model.graph.node for attribute in node.attribute]
    if model.functions or model.training_info or model.graph.sparse_initializer:
        raise InvalidInput("graph.unsafe", "functions, training and sparse tensors are not accepted")
    if any(attribute.type in subgraphs or attribute.ref_attr_name for attribute in attributes):
        raise InvalidInput("graph.unsafe", "an operator must not hold a graph")
    if len(model.graph.output) > _MOST_OUTPUTS:
        raise InvalidInput("graph.unsafe", f"a graph has at most {_MOST_OUTPUTS} outputs")
    if not all(node.output and node.output[0] for node in model.graph.node):
        raise InvalidInput("graph.unsafe", "an operator must have its first output")
    tensors = [*model.graph.initializer, *(attribute.t for attribute in attributes)]
    tensors += [tensor for attribute in attributes for tensor in attribute.tensors]
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data for tensor in tensors):
        raise InvalidInput("graph.unsafe", "all tensors stand in the file itself, none in another one")


def _check_operators(model: Any) -> None:
    for opset in model.opset_import:
        if opset.domain not in ("", ML_DOMAIN):
            raise InvalidInput("graph.operator", "only operators of ONNX itself and of ai.onnx.ml are accepted")
        if not opset.domain and not _OLDEST_OPSET <= opset.version <= _NEWEST_OPSET:
            raise InvalidInput("graph.operator", f"opsets {_OLDEST_OPSET} to {_NEWEST_OPSET} are accepted")
    for node in model.graph.node:
        if node.op_type not in (ML_OPERATORS if node.domain == ML_DOMAIN else OPERATORS):
            raise InvalidInput("graph.operator", f"the operator {node.op_type} is not accepted")


def _find_open_axes(model: Any) -> tuple[OpenAxis, ...]:
    constants = {tensor.name for tensor in model.graph.initializer}
    axes, names = [], set()
    for value in model.graph.input:
        if value.name in constants:
            continue
        if not value.type.tensor_type.HasField("shape"):
            raise InvalidInput("graph.shape", f"the input {value.name} has no shape")
        for axis, extent in enumerate(value.type.tensor_type.shape.dim):
            if not extent.HasField("dim_value") or extent.dim_value < 1:
                axes.append(OpenAxis(value.name, axis))
                names.add(extent.dim_param or f"{value.name} {axis}")
    if len(names) > 1:
        raise InvalidInput("graph.shape", "at most one dimension may be open")
    return tuple(axes)


def _find_folded(model: Any) -> tuple[bool, ...]:
    known, folded = {tensor.name for tensor in model.graph.initializer} | {""}, []
    for node in model.graph.node:
        folded.append(known.issuperset(node.input))
        if folded[-1]:
            known.update(node.output)
    return tuple(folded)


def _strip(model: Any) -> Any:
    """Large constants become inputs of the same shape."""
    onnx = import_onnx()
    stripped = onnx.ModelProto()
    stripped.CopyFrom(model)
    graph = stripped.graph
    del graph.value_info[:], graph.initializer[:], graph.node[:]
    declared = {value.name for value in graph.input}
    for tensor in model.graph.initializer:
        if prod(tensor.dims) <= _LARGEST_CONSTANT:
            graph.initializer.append(tensor)
        elif tensor.name not in declared:
            graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    graph.node.extend(model.graph.node)
    return stripped


def _infer_shapes(model: Any, extent: int) -> Any:
    onnx = import_onnx()
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    constants = {tensor.name for tensor in fixed.graph.initializer}
    classical = {name for node in fixed.graph.node if node.domain == ML_DOMAIN for name in node.output}
    for value in fixed.graph.output:
        if value.name in classical:  # whose shapes are not always inferred, and never more than rows times classes
            _fix(value, extent)
        else:
            value.type.tensor_type.ClearField("shape")
    for value in fixed.graph.input:
        if value.name not in constants:
            _fix(value, extent)
    try:
        return onnx.shape_inference.infer_shapes(fixed, check_type=True, strict_mode=True)
    except Exception as error:  # as above
        raise InvalidInput("graph.shape", "its shapes do not fit together") from error


def _fix(value: Any, extent: int) -> None:
    for dimension in value.type.tensor_type.shape.dim:
        if not dimension.HasField("dim_value") or dimension.dim_value < 1:
            dimension.dim_value = extent


def _read_values(model: Any) -> tuple[dict[str, tuple[int, ...]], dict[str, int]]:
    """Shapes and element types by name."""
    shapes: dict[str, tuple[int, ...]] = {"": ()}
    types: dict[str, int] = {}
    for value in (*model.graph.input, *model.graph.value_info, *model.graph.output):
        tensor = value.type.tensor_type
        types[value.name] = tensor.elem_type
        extents = [extent.dim_value if extent.HasField("dim_value") else -1 for extent in tensor.shape.dim]
        if tensor.HasField("shape") and all(extent >= 0 for extent in extents):
            shapes[value.name] = tuple(extents)
    for name, tensor in list_tensors(model):
        shapes[name], types[name] = tuple(tensor.dims), tensor.data_type
    return shapes, types


def _build_node(node: Any, shapes: Shapes, types: Mapping[str, int]) -> Node:
    onnx = import_onnx()
    names = [*node.input, *node.output]
    unknown = [name for name in names if name not in shapes]
    if unknown:
        raise InvalidInput("graph.shape", f"the shape of {unknown[0]} depends on values: it must not")
    kind = _read_dtype(node.output[0], types[node.output[0]]).kind
    return Node(
        node.op_type,
        tuple(shapes[name] for name in node.input),
        tuple(shapes[name] for name in node.output if name),
        {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute},
        kind in "iu",
    )


def _read_dtype(name: str, kind: int) -> Any:
    try:
        return import_onnx().helper.tensor_dtype_to_np_dtype(kind)
    except KeyError:
        raise InvalidInput("graph.shape", f"the type of {name} is not known") from None
