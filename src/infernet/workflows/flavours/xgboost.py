"""XGBoost's estimators, alone or at the end of a scikit-learn pipeline."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from infernet.workflows.flavours import sklearn
from infernet.workflows.flavours.converters import CLASSIFIER_OPTIONS, mend
from infernet.workflows.flavours.export import Draft, Export, build_missing

if TYPE_CHECKING:
    from infernet.workflows.data import Rows


def draft(estimator: Any, rows: Rows, export: Export) -> Draft:
    """Convert a fitted `XGBClassifier` or `XGBRegressor`; its native form is XGBoost's own JSON."""
    native = {"model.json": bytes(estimator.get_booster().save_raw("json"))}
    nameless = copy.deepcopy(estimator)
    nameless.get_booster().feature_names = None  # the converter reads 'f0', 'f1' … alone
    return sklearn.draft(estimator, rows, export, exported=nameless, native=native)


def register() -> None:
    """Make the estimators known to skl2onnx."""
    from skl2onnx import update_registered_converter  # noqa: PLC0415
    from skl2onnx.common.shape_calculator import (  # noqa: PLC0415
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )
    from xgboost import XGBClassifier, XGBRegressor  # noqa: PLC0415

    try:
        from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost  # noqa: PLC0415
    except ModuleNotFoundError:
        raise build_missing("onnxmltools") from None
    update_registered_converter(
        XGBClassifier,
        "XGBoostXGBClassifier",
        calculate_linear_classifier_output_shapes,
        mend(convert_xgboost),
        options=CLASSIFIER_OPTIONS,
    )
    update_registered_converter(
        XGBRegressor, "XGBoostXGBRegressor", calculate_linear_regressor_output_shapes, mend(convert_xgboost)
    )
