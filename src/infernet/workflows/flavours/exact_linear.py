"""A linear model as one integer product: features · weights + bias, all in decimal fixed point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infernet.errors import InvalidInput
from infernet.workflows.flavours.exact_scores import SCORES, Scores
from infernet.workflows.flavours.export import FEATURES, Export
from infernet.workflows.graphs import Step

if TYPE_CHECKING:
    from infernet.workflows.data import Rows

_REACH = 1000
"""A feature counts as at most so many times the largest value that the rows hold of it: no sum then overflows."""
_LARGEST_SUM = 2**62
_MOST_PLACES = 9
_FEWEST_PLACES = 4


def build(estimator: Any, rows: Rows, export: Export) -> Scores | None:
    """The scores of a linear model, alone or behind affine transformers; None for any other.

    Raises:
        InvalidInput: `export.too_large`: the numbers do not fit into 64 bits.
    """
    found = _read_affine(estimator, rows.matrix().shape[1])
    if found is None:
        return None
    weights, bias = found
    unit = 10**export.scale
    largest = np.maximum(np.abs(rows.matrix().astype(np.float64)).max(axis=0), 1.0)
    limits = np.rint(largest * _REACH * unit).astype(np.int64)
    places = _choose_places(weights, bias, limits, unit, export)
    integers = np.rint(weights * 10.0**places).astype(np.int64)
    steps: list[Step] = [
        (
            "Greater",
            [FEATURES, "highest"],
            ["is_above"],
            {},
        ),  # Min, Max and Clip of int64 go wrong in ONNX Runtime 1.31
        ("Where", ["is_above", "highest", FEATURES], ["below"], {}),
        ("Less", ["below", "lowest"], ["is_below"], {}),
        ("Where", ["is_below", "lowest", "below"], ["bounded"], {}),
        ("MatMul", ["bounded", "weights"], ["products"], {}),
        ("Add", ["products", "bias"], [SCORES], {}),
    ]
    constants: dict[str, NDArray[Any]] = {
        "highest": limits,
        "lowest": -limits,
        "weights": integers,
        "bias": np.rint(bias * 10.0**places * unit).astype(np.int64),
    }
    return Scores(steps, constants, weights.shape[1], unit * 10**places, "int64")


def _choose_places(weights: NDArray[Any], bias: NDArray[Any], limits: NDArray[Any], unit: int, export: Export) -> int:
    """As many decimal places of the weights as sums in 64 bits, raised to the output's scale, leave room for."""
    largest = float((np.abs(weights).T @ limits + np.abs(bias) * unit).max())
    for places in range(_MOST_PLACES, _FEWEST_PLACES - 1, -1):
        raised = max(1, 10 ** (export.output_scale - export.scale - places))
        if largest * 10.0**places * raised < _LARGEST_SUM:
            return places
    raise InvalidInput(
        "export.too_large",
        f"in 64 bits the weights keep fewer than {_FEWEST_PLACES} decimal places beside features of scale "
        f"{export.scale}: declare a smaller Export(scale=…), or make the features smaller in load()",
    )


def _read_affine(estimator: Any, columns: int) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Weights [columns, scores] and bias [scores]."""
    steps = [part for _, part in getattr(estimator, "steps", [("", estimator)]) if part not in {None, "passthrough"}]
    weights, bias = np.eye(columns), np.zeros(columns)
    for step in steps[:-1]:
        if not _is_affine(step):
            return None
        origin = _transform(step, bias[None, :])
        weights = _transform(step, weights + bias) - origin
        bias = origin[0]
    last = steps[-1]
    if not _is_linear(last):
        return None
    factors = np.atleast_2d(np.asarray(last.coef_, np.float64)).T
    return weights @ factors, bias @ factors + np.broadcast_to(last.intercept_, factors.shape[1])


def _transform(step: Any, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    import warnings  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # columns have no names here
        transformed: NDArray[np.float64] = np.asarray(step.transform(rows), np.float64)
    return transformed


def _is_affine(step: Any) -> bool:
    from sklearn.decomposition import PCA  # noqa: PLC0415
    from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler  # noqa: PLC0415

    kinds = (StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler, PCA)
    return isinstance(step, kinds) and not getattr(step, "clip", False)


def _is_linear(step: Any) -> bool:
    from sklearn.linear_model._base import LinearClassifierMixin, LinearModel  # noqa: PLC0415

    return isinstance(step, (LinearClassifierMixin, LinearModel)) and hasattr(step, "coef_")
