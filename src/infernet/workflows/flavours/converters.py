"""Where skl2onnx 1.20 fails beside the packages of today, put right by a registration of ours."""

from __future__ import annotations

from typing import Any

_CLASSIFIER_OPTIONS = {"nocl": [True, False], "zipmap": [True, False, "columns"]}


class _Plain:
    """A container that takes numpy's integers and booleans for attributes, which onnx refuses."""

    def __init__(self, container: Any) -> None:
        self._container = container

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def add_node(self, operator: str, inputs: Any, outputs: Any, **attributes: Any) -> None:
        plain = {name: _make_plain(value) for name, value in attributes.items()}
        self._container.add_node(operator, inputs, outputs, **plain)


def _make_plain(value: Any) -> Any:
    if isinstance(value, list) and value and all(hasattr(one, "__index__") for one in value):
        return [int(one) for one in value]
    return value


def register_sklearn() -> None:
    """Histogram trees, whose converter writes booleans, and `LinearSVC`, which has no option to leave its map out."""
    from skl2onnx import update_registered_converter  # noqa: PLC0415
    from skl2onnx.common._registration import get_converter, get_shape_calculator  # noqa: PLC0415
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor  # noqa: PLC0415
    from sklearn.svm import LinearSVC  # noqa: PLC0415

    def register(kind: type, alias: str, options: dict[str, Any] | None) -> None:
        convert = get_converter(alias)
        if getattr(convert, "is_plain", False):
            return

        def convert_plain(scope: Any, operator: Any, container: Any) -> None:
            convert(scope, operator, _Plain(container))

        convert_plain.is_plain = True  # type: ignore[attr-defined]
        update_registered_converter(kind, alias, get_shape_calculator(alias), convert_plain, options=options)

    raw = {"raw_scores": [True, False], "output_class_labels": [True, False]}
    register(HistGradientBoostingClassifier, "SklearnHistGradientBoostingClassifier", {**_CLASSIFIER_OPTIONS, **raw})
    register(HistGradientBoostingRegressor, "SklearnHistGradientBoostingRegressor", None)
    register(LinearSVC, "SklearnLinearSVC", {**_CLASSIFIER_OPTIONS, **raw})
