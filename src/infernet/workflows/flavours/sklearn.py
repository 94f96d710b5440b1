"""scikit-learn: any estimator or pipeline that skl2onnx knows, preprocessing included, as one graph."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infernet.errors import InvalidInput
from infernet.workflows.flavours.converters import register_sklearn
from infernet.workflows.flavours.export import (
    FEATURES,
    LABEL,
    PROBABILITIES,
    SCORES,
    VALUE,
    VECTOR,
    Arrays,
    Draft,
    Export,
    build_missing,
)
from infernet.workflows.flavours.graph_edits import (
    OPSETS,
    finish_graph,
    join_columns,
    number_classes,
    rename_outputs,
)

if TYPE_CHECKING:
    from onnx import ModelProto

    from infernet.workflows.data import Rows

_ADVICE = (
    "where trees are the reason, give them float32 when they learn (rows.features.astype('float32')) and no scaler "
    "before them; else choose another estimator, or allow more: Export(tolerance=…)"
)


def draft(
    estimator: Any, rows: Rows, export: Export, *, exported: Any = None, native: Mapping[str, bytes] | None = None
) -> Draft:
    """Convert a fitted estimator.

    Args:
        exported: what the converter gets in its place.
        native: its own format, where it has a better one than skops'.

    Raises:
        InvalidInput: `model.unsupported`, `model.not_fitted`.
        NodeMisconfigured: `workflows.not_installed`.
    """
    try:
        import skl2onnx  # noqa: F401, PLC0415  (an extra)
    except ModuleNotFoundError:
        raise build_missing("skl2onnx") from None
    register_sklearn()
    for part in list_parts(estimator):
        _register(type(part).__module__.partition(".")[0])
    original = ask_original(estimator, rows.matrix()[:1])
    classes = getattr(estimator, "classes_", None) if LABEL in original else None
    words = tuple(map(str, classes.tolist())) if classes is not None else None
    are_words = classes is not None and classes.dtype.kind not in "iub"
    model = _convert(estimator if exported is None else exported, rows.matrix().shape[1])
    if are_words and words:
        number_classes(model, words)
    rename_outputs(model, {name: (None, *values.shape[1:]) for name, values in original.items()})
    return Draft(
        onnx=finish_graph(model),
        feed=lambda features: {FEATURES: features.astype(np.float32)},
        ask=lambda features: ask_original(estimator, features),
        ask_answers=lambda features: ask_original(estimator, features, scores=export.probabilities),
        answers=tuple(original)[: 2 if export.probabilities and PROBABILITIES in original else 1],
        native=save_native(estimator) if native is None else native,
        advice=_ADVICE,
        classes=words if are_words else None,
        names=words,
    )


def ask_original(estimator: Any, features: NDArray[Any], *, scores: bool = True) -> Arrays:
    """The original's outputs, by the names that the graph's get, in its order.

    Args:
        scores: what a classifier tells beside its label as well, which takes as long as the label.
    """
    from sklearn.base import is_regressor  # noqa: PLC0415
    from sklearn.exceptions import NotFittedError  # noqa: PLC0415

    known = _name_columns(estimator, features)
    try:
        if not hasattr(estimator, "predict"):
            return {VECTOR: np.asarray(estimator.transform(known))}
        found = np.asarray(estimator.predict(known))
        if is_regressor(estimator):
            return {VALUE: found.reshape(len(found), -1)}
        return {LABEL: _number(found, estimator)} | (_ask_scores(estimator, known) if scores else {})
    except NotFittedError as error:
        raise InvalidInput(
            "model.not_fitted", f"train() gave back an estimator that has not learned: {error}"
        ) from None


def _name_columns(estimator: Any, features: NDArray[Any]) -> Any:
    """With the names by which the estimator learned, where it learned by names."""
    import pandas as pd  # noqa: PLC0415

    names = getattr(estimator, "feature_names_in_", None)
    return features if names is None else pd.DataFrame(features, columns=names)


def _ask_scores(estimator: Any, features: Any) -> Arrays:
    if hasattr(estimator, "predict_proba"):
        return {PROBABILITIES: np.asarray(estimator.predict_proba(features))}
    if hasattr(estimator, "decision_function") and hasattr(estimator, "classes_"):
        scores = np.asarray(estimator.decision_function(features))
        pairwise = getattr(list(list_parts(estimator))[-1], "decision_function_shape", None) == "ovo"
        if scores.ndim == 2 and not pairwise:  # of two classes scikit-learn tells one score and exporters two
            return {SCORES: scores}
    return {}


def _number(labels: NDArray[Any], estimator: Any) -> NDArray[np.int64]:
    if labels.dtype.kind in "iub":
        return labels.astype(np.int64)
    place = {word: number for number, word in enumerate(estimator.classes_)}
    return np.array([place[word] for word in labels.tolist()], np.int64)


def _convert(estimator: Any, columns: int) -> ModelProto:
    from skl2onnx.common.data_types import FloatTensorType  # noqa: PLC0415

    by_name = any(hasattr(part, "transformers_") for part in list_parts(estimator))
    if by_name and hasattr(estimator, "feature_names_in_"):
        names = [str(name) for name in estimator.feature_names_in_]
        model = _call_exporter(estimator, [(name, FloatTensorType([None, 1])) for name in names])
        join_columns(model, FEATURES)
        return model
    return _call_exporter(estimator, [(FEATURES, FloatTensorType([None, columns]))])


def _call_exporter(estimator: Any, types: list[tuple[str, Any]]) -> ModelProto:
    from skl2onnx import convert_sklearn  # noqa: PLC0415

    options = {id(estimator): {"zipmap": False}} if hasattr(estimator, "classes_") else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model: ModelProto = convert_sklearn(
                estimator, name="model", initial_types=types, options=options, target_opset=OPSETS
            )
    except Exception as error:
        raise _build_unsupported(estimator, str(error)) from error
    return model


def _build_unsupported(estimator: Any, reason: str) -> InvalidInput:
    line = " ".join(reason.split())[:160]
    return InvalidInput(
        "model.unsupported", f"{type(estimator).__name__} cannot be exported to ONNX by skl2onnx: {line}"
    )


def list_parts(estimator: Any) -> Iterator[Any]:
    """The estimator and those inside it."""
    yield estimator
    inner = [part for _, part in getattr(estimator, "steps", None) or getattr(estimator, "estimators", None) or ()]
    inner += [part for _, part, *_ in getattr(estimator, "transformers_", ())]
    inner += [part for part in (getattr(estimator, "estimator", None),) if part is not None]
    for part in inner:
        if not isinstance(part, str):
            yield from list_parts(part)


def _register(package: str) -> None:
    if package == "lightgbm":
        from infernet.workflows.flavours import lightgbm  # noqa: PLC0415

        lightgbm.register()
    if package == "xgboost":
        from infernet.workflows.flavours import xgboost  # noqa: PLC0415

        xgboost.register()


def save_native(estimator: Any) -> dict[str, bytes]:
    """The estimator in skops' format, which is read without running code; nothing where skops does not know it."""
    try:
        import skops.io  # noqa: PLC0415
    except ModuleNotFoundError:
        raise build_missing("skops") from None
    try:
        return {"estimator.skops": skops.io.dumps(estimator)}
    except Exception:  # noqa: BLE001  (a third party's class may refuse to be taken apart in any way)
        return {}
