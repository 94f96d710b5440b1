"""Fitted models as ONNX graphs that a contract can ask, each compared on real rows with what it was made from."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from infernet.errors import InvalidInput
from infernet.onnx_session import open_session
from infernet.protocol.manifest import Determinism
from infernet.workflows.batches import run_batches
from infernet.workflows.flavours.check import check_conversion
from infernet.workflows.flavours.export import Converted, Draft, Export
from infernet.workflows.flavours.fixed_point import describe_inputs, describe_outputs, quantise, read_stored

if TYPE_CHECKING:
    from infernet.workflows.data import Rows

__all__ = ["Converted", "Export", "convert"]

_FLAVOURS = {
    "lightgbm": "lightgbm",
    "xgboost": "xgboost",
    "sklearn": "sklearn",
    "sentence_transformers": "embedding",
    "torch": "torch",
    "onnx": "onnx",
}


def convert(estimator: Any, sample: Rows, *, export: Export | None = None) -> Converted:
    """Export a fitted model, and compare the graph with it on real rows.

    Args:
        estimator: of scikit-learn (pipelines too), LightGBM or XGBoost, a torch module, a sentence transformer, or an
            ONNX graph as `ModelProto`.
        sample: rows that the model has not learned from; what is measured on them stands in the manifest.

    Raises:
        InvalidInput: `model.deviates` with the largest difference; `model.unsupported`, `model.not_fitted`,
            `model.not_finite`; `features.scale`; `manifest.margin`.
        NodeMisconfigured: `workflows.not_installed`.
    """
    export = export or Export()
    draft = _draft(estimator, sample, export)
    session = open_session(draft.onnx)
    features = sample.matrix()
    travelled = quantise(features, export.scale, sample.columns)
    feeds = draft.feed(travelled)
    found = run_batches(session, feeds)
    difference = check_conversion(
        draft.ask(travelled), read_stored(draft, found, export.output_scale), export.tolerance, draft.advice
    )
    return Converted(
        onnx=draft.onnx,
        inputs=describe_inputs(feeds, sample.columns, export.scale),
        outputs=describe_outputs(draft, draft.ask(features), found, export),
        determinism=draft.determinism or (Determinism.NONE if export.decimals is None else Determinism.ROUNDED),
        native=draft.native,
        largest_difference=difference,
    )


def _draft(estimator: Any, sample: Rows, export: Export) -> Draft:
    package = _find_package(estimator)
    if export.exact and package != "onnx":
        from infernet.workflows.flavours import exact  # noqa: PLC0415

        return exact.draft(estimator, sample, export)
    draft: Draft = importlib.import_module(f"{__name__}.{_FLAVOURS[package]}").draft(estimator, sample, export)
    return draft


def _find_package(estimator: Any) -> str:
    for kind in type(estimator).__mro__:
        package = kind.__module__.partition(".")[0]
        if package in _FLAVOURS:
            return package
    raise InvalidInput(
        "model.unsupported",
        f"train() gave back a {type(estimator).__name__}: a workflow exports models of scikit-learn, LightGBM, XGBoost, "
        "torch, sentence-transformers and ONNX",
    )
