"""What the exporters of today get wrong, put right by registrations of ours.

Thresholds. Trees compare float32 features with float64 thresholds, and the exporters round these to the nearest
float32: where that is upward, features that lie on it change sides. Rounded down, x ≤ threshold holds for the same
float32 x.

Attributes. onnx refuses numpy's booleans, and skl2onnx 1.20 writes them for histogram trees; for `LinearSVC` it knows
no option to leave its map of scores out.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

CLASSIFIER_OPTIONS = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
_LINEAR_OPTIONS = {**CLASSIFIER_OPTIONS, "raw_scores": [True, False], "output_class_labels": [True, False]}
Converter = Callable[[Any, Any, Any], None]


class _Container:
    """skl2onnx's, but for the attributes of nodes."""

    def __init__(self, container: Any) -> None:
        self._container = container

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def add_node(self, operator: str, inputs: Any, outputs: Any, **attributes: Any) -> None:
        mended = {name: _make_plain(value) for name, value in attributes.items()}
        if isinstance(mended.get("nodes_values"), list) and set(mended["nodes_modes"]) <= {"BRANCH_LEQ", "LEAF"}:
            mended["nodes_values"] = floor_float32(mended["nodes_values"])
        self._container.add_node(operator, inputs, outputs, **mended)


def _make_plain(value: Any) -> Any:
    if not isinstance(value, list) or not value:
        return value
    kinds = set(map(type, value))  # of thousands of nodes: most lists are plain already
    return value if kinds == {int} or not all(hasattr(kind, "__index__") for kind in kinds) else list(map(int, value))


def floor_float32(values: Sequence[float]) -> list[float]:
    """The largest float32 that is not above each."""
    wide = np.asarray(values, np.float64)
    near = wide.astype(np.float32)
    below: list[float] = (
        np.where(near > wide, np.nextafter(near, np.float32(-np.inf)), near).astype(np.float64).tolist()
    )
    return below


def mend(convert: Converter) -> Converter:
    """A converter whose nodes hold plain attributes and thresholds that are rounded down."""

    def convert_mended(scope: Any, operator: Any, container: Any) -> None:
        convert(scope, operator, _Container(container))

    return convert_mended


def register_sklearn() -> None:
    """Histogram trees and `LinearSVC`."""
    from skl2onnx import update_registered_converter  # noqa: PLC0415
    from skl2onnx.common._registration import get_shape_calculator  # noqa: PLC0415
    from skl2onnx.operator_converters.linear_classifier import convert_sklearn_linear_classifier  # noqa: PLC0415
    from skl2onnx.operator_converters.random_forest import (  # noqa: PLC0415
        convert_sklearn_random_forest_classifier,
        convert_sklearn_random_forest_regressor_converter,
    )
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor  # noqa: PLC0415
    from sklearn.svm import LinearSVC  # noqa: PLC0415

    for kind, convert, options in (
        (HistGradientBoostingClassifier, _floor_first(convert_sklearn_random_forest_classifier), _LINEAR_OPTIONS),
        (HistGradientBoostingRegressor, _floor_first(convert_sklearn_random_forest_regressor_converter), None),
        (LinearSVC, convert_sklearn_linear_classifier, _LINEAR_OPTIONS),
    ):
        alias = f"Sklearn{kind.__name__}"
        update_registered_converter(kind, alias, get_shape_calculator(alias), mend(convert), options=options)


def _floor_first(convert: Converter) -> Converter:
    """Histogram trees: their converter rounds before it adds its node."""

    def convert_floored(scope: Any, operator: Any, container: Any) -> None:
        original = operator.raw_operator
        operator.raw_operator = copy.copy(original)
        operator.raw_operator._predictors = copy.deepcopy(original._predictors)
        for predictor in (tree for trees in operator.raw_operator._predictors for tree in trees):
            predictor.nodes["num_threshold"] = floor_float32(predictor.nodes["num_threshold"])
        convert(scope, operator, container)
        operator.raw_operator = original

    return convert_floored
