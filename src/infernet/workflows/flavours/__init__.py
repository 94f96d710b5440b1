"""Fitted models as ONNX graphs that a contract can ask, each compared on real rows with what it was made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infernet.errors import InvalidInput
from infernet.onnx_session import open_session
from infernet.protocol.manifest import Determinism
from infernet.workflows.batches import run_batches
from infernet.workflows.flavours import exact
from infernet.workflows.flavours.check import check_conversion
from infernet.workflows.flavours.export import Converted, Draft, Export
from infernet.workflows.flavours.fixed_point import describe_inputs, describe_outputs, quantise, read_stored
from infernet.workflows.flavours.table import find_package, make_draft

if TYPE_CHECKING:
    from infernet.workflows.data import Rows

__all__ = ["Converted", "Export", "convert"]


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
    original, ask_answers = draft.ask(travelled), draft.ask_answers or draft.ask
    difference = check_conversion(
        original, read_stored(draft, found, export.output_scale), export.tolerance, draft.advice
    )
    return Converted(
        onnx=draft.onnx,
        inputs=describe_inputs(draft, session, sample.columns, export.scale),
        outputs=describe_outputs(draft, ask_answers(features), original, found, export),
        determinism=draft.determinism or (Determinism.NONE if export.decimals is None else Determinism.ROUNDED),
        native=draft.native,
        largest_difference=difference,
        files=draft.files,
    )


def _draft(estimator: Any, sample: Rows, export: Export) -> Draft:
    if export.exact and find_package(estimator) in {"lightgbm", "xgboost", "sklearn"}:
        return exact.draft(estimator, sample, export)
    draft = make_draft(estimator, sample, export)
    if export.exact and draft.determinism is not Determinism.EXACT:
        raise InvalidInput(
            "export.not_exact",
            f"{type(estimator).__name__} computes with floats, in which machines differ: linear models, trees and "
            "graphs of integers can be exact",
        )
    return draft
