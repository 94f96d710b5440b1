"""LightGBM's estimators, alone or at the end of a scikit-learn pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infernet.workflows.flavours import sklearn
from infernet.workflows.flavours.converters import CLASSIFIER_OPTIONS, mend
from infernet.workflows.flavours.export import Draft, Export, build_missing

if TYPE_CHECKING:
    from infernet.workflows.data import Rows


def draft(estimator: Any, rows: Rows, export: Export) -> Draft:
    """Convert a fitted `LGBMClassifier` or `LGBMRegressor`; its native form is LightGBM's own text."""
    return sklearn.draft(estimator, rows, export, native={"model.txt": estimator.booster_.model_to_string().encode()})


def register() -> None:
    """Make the estimators known to skl2onnx."""
    from lightgbm import LGBMClassifier, LGBMRegressor  # noqa: PLC0415
    from skl2onnx import update_registered_converter  # noqa: PLC0415
    from skl2onnx.common.shape_calculator import (  # noqa: PLC0415
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )

    try:
        from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm  # noqa: PLC0415
    except ModuleNotFoundError:
        raise build_missing("onnxmltools") from None
    update_registered_converter(
        LGBMClassifier,
        "LightGbmLGBMClassifier",
        calculate_linear_classifier_output_shapes,
        mend(convert_lightgbm),
        options=CLASSIFIER_OPTIONS,
    )
    update_registered_converter(
        LGBMRegressor,
        "LightGbmLGBMRegressor",
        calculate_linear_regressor_output_shapes,
        mend(convert_lightgbm),
        options={"split": None},
    )
