"""Trees whose leaves are integers.

Comparisons with thresholds are exact, and so are sums of integers below 2^24, which float32 holds in any order.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infernet.workflows.flavours.exact_scores import SCORES, Scores
from infernet.workflows.flavours.export import FEATURES
from infernet.workflows.graphs import Step

if TYPE_CHECKING:
    from onnx import NodeProto

_LARGEST_INTEGER = 2**24
_KEPT = (
    "nodes_falsenodeids",
    "nodes_featureids",
    "nodes_hitrates",
    "nodes_missing_value_tracks_true",
    "nodes_modes",
    "nodes_nodeids",
    "nodes_treeids",
    "nodes_truenodeids",
    "nodes_values",
)


def build(content: bytes) -> Scores | None:
    """The scores of a graph of trees that are fed the features themselves; None for any other graph."""
    node = _find_trees(content)
    if node is None:
        return None
    from onnx import helper  # noqa: PLC0415

    given = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    side = "class" if node.op_type == "TreeEnsembleClassifier" else "target"
    weights = np.asarray(given[f"{side}_weights"], np.float64)
    ids = np.asarray(given[f"{side}_ids"])
    trees = np.asarray(given[f"{side}_treeids"])
    count = 1 if len(set(ids.tolist())) == 1 else int(ids.max()) + 1
    base = np.zeros(count) + np.asarray(given.get("base_values", [0.0]), np.float64)[-count:]
    one = _choose_unit(weights, ids, trees, base)
    attributes = {name: given[name] for name in _KEPT if name in given} | {
        "domain": "ai.onnx.ml",
        "n_targets": count,
        "base_values": np.rint(base * one).tolist(),
        "post_transform": "NONE",
        "target_ids": [0] * len(ids) if count == 1 else ids.tolist(),
        "target_nodeids": given[f"{side}_nodeids"],
        "target_treeids": given[f"{side}_treeids"],
        "target_weights": np.rint(weights * one).tolist(),
    }
    steps: list[Step] = [
        ("TreeEnsembleRegressor", [FEATURES], ["sums"], attributes),
        ("Cast", ["sums"], [SCORES], {"to": 7}),
    ]
    votes = side == "class" and given.get("post_transform") == b"NONE"
    return Scores(steps, {}, count, one, "float", threshold=one // 2 if votes else 0)


def _find_trees(content: bytes) -> NodeProto | None:
    from onnx import load_model_from_string  # noqa: PLC0415

    graph = load_model_from_string(content).graph
    found = [node for node in graph.node if node.op_type.startswith("TreeEnsemble")]
    if len(found) != 1 or list(found[0].input) != [FEATURES]:
        return None
    return found[0]


def _choose_unit(
    weights: NDArray[np.float64], ids: NDArray[Any], trees: NDArray[Any], base: NDArray[np.float64]
) -> int:
    """The largest power of two on which no sum of leaves leaves the integers that float32 holds."""
    largest = np.abs(base).astype(np.float64)
    highest: dict[tuple[int, int], float] = {}
    for weight, tree, target in zip(np.abs(weights).tolist(), trees.tolist(), ids.tolist(), strict=True):
        highest[tree, target] = max(highest.get((tree, target), 0.0), weight)
    for (_, target), weight in highest.items():
        largest[target if len(base) > 1 else 0] += weight
    room = (_LARGEST_INTEGER - len(highest)) / max(float(largest.max()), 2.0**-40)
    return 1 << max(0, math.floor(math.log2(room)))
