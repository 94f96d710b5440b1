"""A graph that is there already, as `ModelProto`: nothing to convert, everything else as of any model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infernet.errors import InvalidInput
from infernet.onnx_session import open_session, read_element_type
from infernet.protocol.manifest import Determinism
from infernet.protocol.tensor import DTYPE_CODES
from infernet.workflows.batches import run_batches
from infernet.workflows.flavours.export import Arrays, Draft, Export
from infernet.workflows.flavours.graph_edits import finish_graph, is_integer_graph

if TYPE_CHECKING:
    from infernet.workflows.data import Rows


def draft(model: Any, _rows: Rows, _export: Export) -> Draft:
    """Take a graph of one input. Its outputs are all answers, under the names that it gives them.

    Raises:
        InvalidInput: `model.unsupported`: several inputs, or what is no tensor of numbers.
    """
    content = finish_graph(type(model).FromString(model.SerializeToString()))
    session = open_session(content)
    (taken, *others), given = session.get_inputs(), session.get_outputs()
    unfit = [node.name for node in (taken, *given) if read_element_type(node) not in DTYPE_CODES]
    if others or unfit:
        raise InvalidInput(
            "model.unsupported",
            f"{unfit[0]} of the graph is no tensor of numbers"
            if unfit
            else f"the graph has {1 + len(others)} inputs: a workflow feeds it one, the features",
        )
    shape, dtype = taken.shape, read_element_type(taken)

    def feed(features: NDArray[Any]) -> Arrays:
        return {taken.name: _fit(features, shape, dtype)}

    def ask(features: NDArray[Any]) -> Arrays:
        return run_batches(session, feed(features))

    return Draft(
        onnx=content,
        feed=feed,
        ask=ask,
        answers=tuple(node.name for node in given),
        native={},
        advice="the graph was damaged on the way",
        determinism=Determinism.EXACT if is_integer_graph(content) else None,
    )


def _fit(features: NDArray[Any], shape: list[Any], dtype: str) -> NDArray[Any]:
    extents = [size if isinstance(size, int) else -1 for size in shape[1:]]
    try:
        fitted = features.reshape(len(features), *extents) if extents.count(-1) < 2 else features
    except ValueError:
        raise InvalidInput(
            "features.mismatch", f"the graph takes rows of shape {extents}, the table has {features.shape[1]} columns"
        ) from None
    cast = fitted.astype(dtype)
    if dtype.startswith(("int", "uint", "bool")) and not np.array_equal(cast, fitted):
        raise InvalidInput(
            "features.mismatch",
            f"the graph takes {dtype}, and the features hold what it cannot: other numbers, or too large ones",
        )
    return cast
