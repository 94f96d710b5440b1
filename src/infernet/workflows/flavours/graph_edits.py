"""Graphs as the exporters write them, made into ones whose bytes say nothing but the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from infernet.errors import InvalidInput

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

_IR_VERSION = 8
OPSETS = {"": 17, "ai.onnx.ml": 3}


def finish_graph(model: ModelProto) -> bytes:
    """The model's bytes, without who made it, when and from which lines of code.

    Raises:
        InvalidInput: `model.unsupported`: weights in other files.
    """
    model.ir_version = _IR_VERSION
    model.producer_name, model.producer_version, model.domain, model.doc_string = "infernet", "", "", ""
    model.model_version = 0
    del model.metadata_props[:]
    opsets = sorted(model.opset_import, key=lambda opset: opset.domain)
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    graph = model.graph
    graph.name, graph.doc_string = "model", ""
    for part in (*graph.input, *graph.output, *graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]
    kept = {value.name: value.name for value in (*graph.input, *graph.output)}
    _name_by_order(graph, kept)
    return bytes(model.SerializeToString(deterministic=True))


def rename_outputs(model: ModelProto, outputs: Mapping[str, Sequence[int | None]]) -> None:
    """Call the graph's first outputs by these names and give them these shapes; others are no longer outputs."""
    from onnx import helper, numpy_helper  # noqa: PLC0415

    graph = model.graph
    given = list(graph.output)[: len(outputs)]
    del graph.output[:]
    for old, (name, shape) in zip(given, outputs.items(), strict=True):
        tensor = old.type.tensor_type
        graph.output.append(helper.make_tensor_value_info(name, tensor.elem_type, shape))
        _rename(graph, name, f"{name}_inner")
        inner = f"{name}_inner" if old.name == name else old.name
        if len(tensor.shape.dim) == len(shape):
            _rename(graph, inner, name)
            continue
        extents = np.array([-1 if size is None else size for size in shape], np.int64)
        graph.initializer.append(numpy_helper.from_array(extents, f"{name}_shape"))
        graph.node.append(helper.make_node("Reshape", [inner, f"{name}_shape"], [name]))


def join_columns(model: ModelProto, feature: str) -> None:
    """Cut one matrix into the graph's inputs, one column each, in their order; the matrix takes their place."""
    from onnx import helper  # noqa: PLC0415

    graph = model.graph
    columns = [column.name for column in graph.input]
    element = graph.input[0].type.tensor_type.elem_type
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info(feature, element, [None, len(columns)]))
    graph.node.insert(0, helper.make_node("Split", [feature], columns, name="columns", axis=1))


def number_classes(model: ModelProto, classes: Sequence[str]) -> None:
    """Make the first output, words, the place of each in `classes`."""
    from onnx import TensorProto, helper  # noqa: PLC0415

    words = model.graph.output[0]
    number = f"{words.name}_number"
    node = helper.make_node(
        "LabelEncoder",
        [words.name],
        [number],
        name=number,
        domain="ai.onnx.ml",
        keys_strings=list(classes),
        values_int64s=list(range(len(classes))),
    )
    model.graph.node.append(node)
    set_opset(model, "ai.onnx.ml", OPSETS["ai.onnx.ml"])
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info(number, TensorProto.INT64, [None]))


def set_opset(model: ModelProto, domain: str, version: int) -> None:
    """Import at least this version of a domain's operators."""
    for opset in model.opset_import:
        if opset.domain == domain:
            opset.version = max(opset.version, version)
            return
    model.opset_import.add(domain=domain, version=version)


def is_integer_graph(content: bytes) -> bool:
    """Whether no number in the graph is a float: then no machine reckons otherwise."""
    from onnx import TensorProto, load_model_from_string, shape_inference  # noqa: PLC0415

    graph = shape_inference.infer_shapes(load_model_from_string(content), strict_mode=False).graph
    known = {value.name: value.type.tensor_type.elem_type for value in (*graph.input, *graph.output, *graph.value_info)}
    known |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    made = {name for node in graph.node for name in node.output if name}
    floats = {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.UNDEFINED}
    return made <= set(known) and not floats & set(known.values())


def _rename(graph: GraphProto, old: str, new: str) -> None:
    for node in graph.node:
        for side in (node.input, node.output):
            side[:] = [new if name == old else name for name in side]


def _name_by_order(graph: GraphProto, names: dict[str, str]) -> None:
    """Call each tensor by its place, as exporters count through all the graphs that they have ever made."""

    def find(name: str) -> str:
        return names.setdefault(name, f"t{len(names)}") if name else ""

    del graph.value_info[:]
    for tensor in graph.initializer:
        if tensor.external_data:
            raise InvalidInput("model.unsupported", "the graph keeps weights in other files: save it as one file")
        tensor.name = find(tensor.name)
    for value in (*graph.input, *graph.output):
        value.name = find(value.name)
    for node in graph.node:
        node.name = node.doc_string = ""
        del node.metadata_props[:]
        node.input[:] = [find(name) for name in node.input]
        node.output[:] = [find(name) for name in node.output]
        for attribute in node.attribute:
            attribute.doc_string = ""
            for inner in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                _name_by_order(inner, names)
