"""How many dimensions a graph's values can have, before anything infers their shapes.

Twenty-eight operators that each look themselves up in themselves make a value of 2^28 dimensions, and inferring its
shape takes more memory than there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

from infernet.errors import InvalidInput

_MOST_DIMENSIONS = 16
_FLAT = 2
"""What `Flatten` and the operators of classical models make of anything."""


def check_ranks(model: Any, tensors: Iterable[tuple[str, Any]]) -> None:
    """Refuse more dimensions than any runtime takes, and shapes that are no constants.

    Args:
        tensors: the graph's constants by name.

    Raises:
        InvalidInput: `graph.shape`.
    """
    ranks = {value.name: len(value.type.tensor_type.shape.dim) for value in (*model.graph.input, *model.graph.output)}
    sizes: dict[str, int] = {}
    for name, tensor in tensors:
        ranks[name], sizes[name] = len(tensor.dims), prod(tensor.dims)
    _check(ranks.values())
    for node in model.graph.node:
        if node.op_type != "Constant":
            rank = _bound(node, [ranks.get(name, 0) for name in node.input], sizes)
            _check([rank])
            ranks.update(dict.fromkeys(node.output, rank))


def _bound(node: Any, given: list[int], sizes: Mapping[str, int]) -> int:
    """No output has more dimensions."""
    if node.op_type == "Gather":
        return sum(given)
    if node.op_type in {"Reshape", "Expand"}:
        return max(*given, _count(node, sizes))
    if node.op_type == "Unsqueeze":
        return max(given) + _count(node, sizes)
    return max([_FLAT, *given])


def _count(node: Any, sizes: Mapping[str, int]) -> int:
    """The elements of what says the shape: an attribute, or else the second input."""
    for attribute in node.attribute:
        if attribute.name == "axes":
            return len(attribute.ints)
    if len(node.input) < 2 or node.input[1] not in sizes:
        raise InvalidInput("graph.shape", f"the shape of {node.output[0]} depends on values: it must not")
    return sizes[node.input[1]]


def _check(ranks: Iterable[int]) -> None:
    if max(ranks, default=0) > _MOST_DIMENSIONS:
        raise InvalidInput("graph.shape", f"a value has at most {_MOST_DIMENSIONS} dimensions")
