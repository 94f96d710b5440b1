"""Is the graph the model it was made from? Compared on real rows, before anything is registered."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from infernet.errors import InvalidInput
from infernet.workflows.flavours.export import LABEL, PROBABILITIES, Arrays


def check_conversion(original: Arrays, found: Arrays, tolerance: float, advice: str) -> float:
    """The largest difference between the original and its graph, as a part of the output's largest value.

    A label may differ where the original itself holds both classes for equally probable, within the tolerance.

    Raises:
        InvalidInput: `model.deviates`, with the largest difference, its row and its output.
    """
    largest = max(
        (
            _check_numbers(name, np.asarray(values, np.float64), found[name], tolerance, advice)
            for name, values in original.items()
            if name != LABEL
        ),
        default=0.0,
    )
    if LABEL in original:
        _check_labels(original, found[LABEL], tolerance, advice)
    return largest


def _check_numbers(name: str, original: NDArray[Any], found: NDArray[Any], tolerance: float, advice: str) -> float:
    if original.shape != found.shape:
        raise InvalidInput(
            "model.deviates",
            f"{name} has the shape {list(found.shape)} in the exported graph, {list(original.shape)} in the model",
        )
    for values, side in ((original, "the model"), (found, "the exported graph")):
        if not np.isfinite(values).all():
            raise InvalidInput("model.not_finite", f"{name} of {side} holds a value that is not a finite number")
    if not original.size:
        return 0.0
    unit = float(np.abs(original).max()) or 1.0
    differences = np.abs(original - found)
    if differences.max() <= tolerance * unit:
        return float(differences.max() / unit)
    place = np.unravel_index(int(differences.argmax()), differences.shape)
    rows = int((differences > tolerance * unit).reshape(len(original), -1).any(axis=1).sum())
    entry = f"{name}[{', '.join(str(int(index)) for index in place[1:])}]" if len(place) > 1 else name
    raise InvalidInput(
        "model.deviates",
        f"the exported graph deviates in {rows} of {len(original)} rows, most in row {int(place[0])}: {entry} is "
        f"{original[place]:.7g} by the model and {found[place]:.7g} by the graph, a difference of "
        f"{differences[place]:.3g} where {tolerance * unit:.3g} is allowed; {advice}",
        largest_difference=float(differences[place]),
    )


def _check_labels(original: Arrays, found: NDArray[Any], tolerance: float, advice: str) -> None:
    labels, probabilities = original[LABEL], original.get(PROBABILITIES)
    rows = np.flatnonzero(labels != found)
    if probabilities is not None and len(rows):
        best_two = np.sort(probabilities[rows], axis=1)[:, -2:]
        rows = rows[best_two[:, 1] - best_two[:, 0] > tolerance]
    if len(rows):
        row = int(rows[0])
        raise InvalidInput(
            "model.deviates",
            f"the exported graph deviates in {len(rows)} of {len(labels)} rows, first in row {row}: the label is "
            f"{labels[row]} by the model and {found[row]} by the graph; {advice}",
        )
