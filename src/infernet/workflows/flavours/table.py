"""Which flavour takes which model."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from infernet.errors import InvalidInput
from infernet.workflows.flavours.export import Draft, Export

if TYPE_CHECKING:
    from infernet.workflows.data import Rows

_FLAVOURS = {
    "lightgbm": "lightgbm",
    "xgboost": "xgboost",
    "sklearn": "sklearn",
    "sentence_transformers": "embedding",
    "torch": "torch",
    "onnx": "onnx",
}


def make_draft(estimator: Any, sample: Rows, export: Export) -> Draft:
    """The graph as the estimator's flavour makes it, floats as they are."""
    flavour = importlib.import_module(f"{__package__}.{_FLAVOURS[find_package(estimator)]}")
    draft: Draft = flavour.draft(estimator, sample, export)
    return draft


def find_package(estimator: Any) -> str:
    """The package whose kind of model this is.

    Raises:
        InvalidInput: `model.unsupported`.
    """
    for kind in type(estimator).__mro__:
        package = kind.__module__.partition(".")[0]
        if package in _FLAVOURS:
            return package
    raise InvalidInput(
        "model.unsupported",
        f"train() gave back a {type(estimator).__name__}: a workflow exports models of scikit-learn, LightGBM, "
        "XGBoost, torch, sentence-transformers and ONNX",
    )
