"""Test sets: CSV files whose every number is read alike on every machine."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from infernet.errors import JobRejected


@dataclass(frozen=True, slots=True, eq=False)
class TestSet:
    """Rows with the truth.

    Attributes:
        columns: names of the features.
        features: float64, shape [rows, columns].
        truth: as it is written, one for each row.
    """

    columns: tuple[str, ...]
    features: NDArray[np.float64]
    truth: tuple[str, ...]

    def select(self, columns: tuple[str, ...]) -> NDArray[np.float64] | None:
        """Those columns in that order, None where one is missing."""
        if not set(columns) <= set(self.columns):
            return None
        chosen: NDArray[np.float64] = self.features[:, [self.columns.index(name) for name in columns]]
        return chosen


def parse_test_set(content: bytes, column: str, max_rows: int) -> TestSet:
    """A test set: UTF-8, a line of names, then a row a line; all but `column` are finite decimal numbers.

    Raises:
        JobRejected: `test_set.malformed`.
    """
    try:
        lines = csv.reader(io.StringIO(content.decode()), strict=True)
        header = next(lines, [])
        rows = _read_rows(lines, len(header), max_rows)
    except (UnicodeDecodeError, csv.Error) as error:
        _refuse(str(error))
    if len(set(header)) < len(header) or column not in header or len(header) < 2:
        _refuse(f"its first line must name {column!r} and the features, each once")
    if not rows:
        _refuse("it has no rows")
    place = header.index(column)
    truth = tuple(row.pop(place).strip() for row in rows)
    names = tuple(name for name in header if name != column)
    return TestSet(names, np.array([_parse_numbers(row) for row in rows], np.float64), truth)


def _read_rows(lines: Any, width: int, max_rows: int) -> list[list[str]]:
    rows: list[list[str]] = []
    for row in lines:
        if len(row) != width:
            _refuse(f"line {lines.line_num} has {len(row)} values, the first has {width}")
        if len(rows) == max_rows:
            _refuse(f"it has more than {max_rows} rows")
        rows.append(row)
    return rows


def _parse_numbers(row: list[str]) -> list[float]:
    try:
        numbers = [float(text) for text in row]
    except ValueError as error:
        _refuse(str(error))
    if not all(map(math.isfinite, numbers)) or any("_" in text for text in row):
        _refuse(f"not all of {', '.join(row)[:200]} are finite numbers")
    return numbers


def _refuse(reason: str) -> NoReturn:
    raise JobRejected("test_set.malformed", f"the test set is none: {reason}")
