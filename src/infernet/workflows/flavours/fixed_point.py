"""A model's interface in fixed point, and what it costs: measured on the rows of the check, kept in the manifest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infernet.errors import InvalidInput
from infernet.onnx_session import read_element_type
from infernet.protocol.fixed_point import compute_rounding_margin, from_stored, to_stored
from infernet.protocol.manifest import Quantisation, Rounding, TensorSpec
from infernet.workflows.flavours.export import LABEL, PROBABILITIES, SCORES, Arrays, Draft, Export

_LEAST_MARGIN = 2.0**-20
"""Of a float32 output's largest value: 8 times the unit in its last place."""
_SAFETY = 4


def quantise(features: NDArray[Any], scale: int, columns: Sequence[str] | None = None) -> NDArray[Any]:
    """Features as a model reads them from a contract, which sends integers.

    Raises:
        InvalidInput: `features.scale`: of a column whose values differ only one is left.
    """
    if features.dtype.kind != "f":
        return features
    coarse = from_stored(to_stored(features, scale), scale).astype(features.dtype)
    if features.ndim == 2 and len(features):
        lost = np.flatnonzero((np.ptp(features, axis=0) > 0) & (np.ptp(coarse, axis=0) == 0))
        if len(lost):
            name = columns[lost[0]] if columns else str(lost[0])
            raise InvalidInput(
                "features.scale",
                f"the column {name} is {coarse[0, lost[0]]:g} in every row at scale {scale}, its values lie closer "
                "together: declare more decimal places, Export(scale=…), or multiply it in load()",
            )
    return coarse


def describe_inputs(draft: Draft, session: Any, columns: tuple[str, ...], scale: int) -> tuple[TensorSpec, ...]:
    """What the features hold: `int256[]` in row-major order, a `Tensor` where that would leave the shape open."""
    return tuple(_describe_input(draft, node, columns, scale) for node in session.get_inputs())


def _describe_input(draft: Draft, node: Any, columns: tuple[str, ...], scale: int) -> TensorSpec:
    shape = tuple(size if isinstance(size, int) else None for size in node.shape)
    dtype, is_plain = read_element_type(node), shape.count(None) < 2
    return TensorSpec(
        name=node.name,
        dtype=dtype,
        shape=shape,
        encoding="int256[]" if is_plain else "tensor",
        scale=scale if is_plain and (dtype.startswith("float") or node.name in draft.stored) else 0,
        columns=columns if len(shape) == 2 and shape[1] == len(columns) else None,
    )


def describe_outputs(
    draft: Draft, original: Arrays, travelled: Arrays, found: Arrays, export: Export
) -> tuple[TensorSpec, ...]:
    """What an output holds, with its rounding and what fixed point costs.

    Args:
        original: the original's answers for the features as they are.
        travelled: all its outputs for the features as they travel.
        found: what the graph answers for these.

    Raises:
        InvalidInput: `manifest.margin`: a rounding that the rows do not allow.
    """
    return tuple(
        _describe(name, draft, original, found, export, _build_rounding(name, travelled, found, export))
        for name in draft.answers
    )


def read_stored(draft: Draft, found: Arrays, scale: int) -> Arrays:
    """Outputs as numbers, those that the graph gives in fixed point as well."""
    return {name: from_stored(values, scale) if name in draft.stored else values for name, values in found.items()}


def _describe(
    name: str, draft: Draft, original: Arrays, found: Arrays, export: Export, rounding: Rounding | None
) -> TensorSpec:
    values = found[name]
    is_float = values.dtype.kind == "f"
    scale = export.output_scale if is_float or name in draft.stored else 0
    return TensorSpec(
        name=name,
        dtype=values.dtype.name,
        shape=(None, *values.shape[1:]),
        encoding="int256[]",
        scale=scale,
        rounding=rounding,
        columns=draft.names if name == PROBABILITIES else None,
        classes=draft.classes if name == LABEL else None,
        quantisation=_measure(name, original[name], values, scale, rounding),
    )


def _measure(
    name: str, original: NDArray[Any], found: NDArray[Any], scale: int, rounding: Rounding | None
) -> Quantisation:
    if name == LABEL:
        return Quantisation(rows=len(found), changed_labels=int((original != found).sum()))
    stored = to_stored(found, scale, rounding.decimals if rounding else None) if found.dtype.kind == "f" else found
    largest = float(np.abs(from_stored(stored, scale) - original).max())
    return Quantisation(rows=len(found), largest_difference=show_rounded(largest, up=True))


def _build_rounding(name: str, original: Arrays, found: Arrays, export: Export) -> Rounding | None:
    if export.decimals is None:
        return None
    if name == LABEL:
        decimals, judged = 0, _find_scores(found)
        margin = _compute_gap(found[judged])
    else:
        decimals, judged = min(export.decimals, export.output_scale), name
        margin = compute_rounding_margin(found[name], decimals)
    needed = _compute_needed(original[judged], found[judged])
    if not margin > needed:
        raise InvalidInput(
            "manifest.margin",
            f"{name} comes within {margin:.2g} of where rounding turns, and machines may differ by {needed:.2g}: keep "
            "fewer decimals, leave rounding out (determinism 'none'), or take a model of integers, Export(exact=True)",
        )
    return Rounding(decimals=decimals, margin=show_rounded(margin, up=False))


def _find_scores(found: Arrays) -> str:
    for name in (PROBABILITIES, SCORES):
        if name in found and found[name].ndim == 2 and found[name].shape[1] > 1:
            return name
    raise InvalidInput(
        "manifest.margin", "the model tells no scores beside its label: whether machines agree on it cannot be checked"
    )


def _compute_gap(scores: NDArray[Any]) -> float:
    best_two = np.sort(scores.astype(np.float64), axis=1)[:, -2:]
    return float((best_two[:, 1] - best_two[:, 0]).min())


def _compute_needed(original: NDArray[Any], found: NDArray[Any]) -> float:
    """What machines may differ by: a multiple of what float32 already costs against the original's float64."""
    seen = float(np.abs(np.asarray(original, np.float64) - found).max())
    return max(_SAFETY * seen, _LEAST_MARGIN * float(np.abs(found).max()))


def show_rounded(number: float, *, up: bool) -> str:
    """One significant digit, so that the last bits in which machines differ do not reach the manifest's hash."""
    if number == 0 or not math.isfinite(number):
        return "0"
    exact = Decimal(number)
    digit = Decimal((0, (1,), exact.adjusted()))
    text = format(exact.quantize(digit, ROUND_UP if up else ROUND_DOWN), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
