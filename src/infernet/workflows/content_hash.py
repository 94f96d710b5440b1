"""Hashes of a table's content: the same on every machine, whatever made the table.

A column is its name, what kind of values it holds, and their bytes: numbers little-endian, -0 as 0, every NaN alike;
times as nanoseconds since 1970 in UTC; texts with their length before them.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infernet.errors import InvalidInput

if TYPE_CHECKING:
    import pandas as pd

_ODD = np.uint64(0x9E3779B97F4A7C15)


def compute_table_hash(frame: pd.DataFrame) -> str:
    """Of columns, kinds of values, values, and the order of both."""
    digest = hashlib.sha256()
    for name in frame.columns:
        kind, values = _read_column(frame[name])
        digest.update(json.dumps([str(name), kind, len(values)]).encode() + b"\n")
        digest.update(_encode_texts(values) if kind == "text" else values.tobytes())
    return digest.hexdigest()


def compute_row_hashes(frame: pd.DataFrame) -> NDArray[np.uint64]:
    """One number for each row, shape [rows]. Neither the order of rows and columns nor the width of numbers matters."""
    mixed = np.zeros(len(frame), np.uint64)
    for name in sorted(frame.columns, key=str):
        salt = _hash_text(str(name))
        mixed = _mix(mixed ^ _mix(_read_words(frame[name]) ^ salt))
    return mixed


def compute_set_hash(frame: pd.DataFrame) -> str:
    """Of the rows as a set that may hold one several times: the order of rows and columns does not matter."""
    ordered = frame[sorted(frame.columns, key=str)]
    return compute_table_hash(ordered.iloc[np.argsort(compute_row_hashes(ordered), kind="stable")])


def _read_column(column: pd.Series[Any]) -> tuple[str, NDArray[Any]]:
    import pandas as pd  # noqa: PLC0415  (heavy, and an extra)

    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.dtype.categories.dtype)
    kind = column.dtype.kind
    if kind == "M":
        utc = pd.to_datetime(column, utc=True)
        return "time", utc.astype("datetime64[ns, UTC]").astype("int64").to_numpy().astype("<i8")
    if kind == "f":
        values = column.to_numpy(dtype=f"float{column.dtype.itemsize * 8}", na_value=np.nan) + 0.0
        values = np.where(np.isnan(values), np.nan, values)
        return str(values.dtype), values.astype(values.dtype.newbyteorder("<"))
    if kind in "iub":
        values = column.to_numpy()
        return str(values.dtype), values.astype(values.dtype.newbyteorder("<"))
    return "text", column.fillna("").to_numpy(dtype=object)


def _read_words(column: pd.Series[Any]) -> NDArray[np.uint64]:
    kind, values = _read_column(column)
    if kind == "text":
        import pandas as pd  # noqa: PLC0415

        places, unique = pd.factorize(values)
        words: NDArray[np.uint64] = np.array([_hash_text(_check_text(text)) for text in unique], np.uint64)[places]
        return words
    if kind == "time":
        times: NDArray[np.uint64] = values.view(np.uint64)
        return times
    numbers: NDArray[np.uint64] = values.astype("<f8").view(np.uint64)
    return numbers


def _encode_texts(values: NDArray[Any]) -> bytes:
    encoded = (_check_text(text).encode() for text in values)
    return b"".join(len(text).to_bytes(8, "little") + text for text in encoded)


def _check_text(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidInput(
            "data.unsupported", f"a column holds a {type(value).__name__}: only numbers, texts and times"
        )
    return value


def _hash_text(text: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little"))


def _mix(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finalizer of SplitMix64 (Steele, Lea, Flood 2014): every bit of the input reaches every bit of the output."""
    words = words + _ODD
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
