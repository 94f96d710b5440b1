"""Rows of a CSV file as columns of numbers, without pandas, whose import takes longer than most answers."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from infernet.errors import InvalidInput


def read_columns(path: Path, wanted: Sequence[str] | None = None) -> dict[str, NDArray[np.float64]]:
    """The columns of a file whose first line names them; those that are wanted, else all.

    Raises:
        InvalidInput: `data.unreadable`; `features.columns`: a wanted one is missing.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            names = next(csv.reader(file), [])
    except (OSError, ValueError, csv.Error) as error:
        raise InvalidInput("data.unreadable", f"{path} cannot be read: {error}") from None
    places = [_find(path, name, names) for name in (names if wanted is None else wanted)]
    try:
        values = np.loadtxt(path, delimiter=",", skiprows=1, usecols=places, ndmin=2, quotechar='"', encoding="utf-8")
    except (ValueError, OSError) as error:
        reason = str(error).splitlines()[0].partition(";")[0]
        raise InvalidInput("data.unreadable", f"{path} holds something that is no number: {reason}") from None
    if not values.size:
        raise InvalidInput("data.unreadable", f"{path} has no rows below its first line, which names the columns")
    return {names[place]: values[:, index] for index, place in enumerate(places)}


def _find(path: Path, name: str, names: Sequence[str]) -> int:
    if name not in names:
        raise InvalidInput("features.columns", f"{path} has no column {name!r}, only {', '.join(names) or 'nothing'}")
    return names.index(name)
