"""What a model learns from: a table with its origin, and the rows that are cut from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infernet.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Data as it was loaded.

    Attributes:
        source: where it comes from, one line; it stands in the manifest.
        licence: under which others may use it.
    """

    frame: pd.DataFrame
    source: str = "unnamed data"
    licence: str | None = None

    @classmethod
    def read_csv(
        cls, path: str | Path, *, source: str | None = None, licence: str | None = None, **options: Any
    ) -> Table:
        """A table of a CSV file; further options are those of `pandas.read_csv`.

        Raises:
            InvalidInput: `data.unreadable`.
        """
        import pandas as pd  # noqa: PLC0415  (heavy, and an extra)

        try:
            return cls(pd.read_csv(path, **options), source or Path(path).name, licence)
        except (OSError, ValueError) as error:  # what pandas says of a malformed file is a ValueError
            reason = str(error).splitlines()[0]
            raise InvalidInput("data.unreadable", f"{path} cannot be read as CSV: {reason}") from None


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Features and what they should lead to, row by row.

    Attributes:
        features: one column each; float32 unless the workflow says otherwise.
        target: int64 for classes, float64 for a number.
        classes: what a target stands for, 0 for the first, where the table has texts.
    """

    features: pd.DataFrame
    target: pd.Series[Any]
    classes: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.features)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(str(name) for name in self.features.columns)

    @property
    def is_classes(self) -> bool:
        """Whether the target names classes rather than amounts."""
        return self.target.dtype.kind in "iub"

    def matrix(self) -> NDArray[Any]:
        """The features as one array, shape [rows, columns]."""
        array: NDArray[Any] = self.features.to_numpy()
        return array

    def take(self, mask: NDArray[np.bool_]) -> Rows:
        """The rows that the mask, shape [rows], keeps."""
        features, target = self.features[mask], self.target[mask]
        return Rows(features.reset_index(drop=True), target.reset_index(drop=True), self.classes)


def build_rows(table: Table, target: str, *, leave_out: tuple[str, ...] = (), dtype: str | None = "float32") -> Rows:
    """Features and target of a table, checked.

    Args:
        leave_out: columns that are no features.
        dtype: what features become; None leaves them as they are.

    Raises:
        InvalidInput: `data.empty`, `data.no_target`, `data.missing`, `data.not_numbers`, `data.too_large`,
            `data.one_class`.
    """
    frame = table.frame
    _check_columns(frame, target, leave_out)
    _check_missing(frame.drop(columns=[name for name in leave_out if name in frame]))
    features = frame.drop(columns=[target, *(name for name in leave_out if name in frame)]).reset_index(drop=True)
    _check_numbers(features)
    return Rows(_cast(features, dtype), *_build_target(frame[target]))


def _check_columns(frame: pd.DataFrame, target: str, leave_out: tuple[str, ...]) -> None:
    names = [str(name) for name in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidInput("data.column_twice", f"two columns are called {twice[0]!r}: rename one in load()")
    if target not in frame:
        raise InvalidInput("data.no_target", f"there is no column {target!r} to learn; there are {_list(names)}")
    if not set(names) - {target, *leave_out}:
        raise InvalidInput("data.no_features", f"the table has no column beside {target!r} to learn from")
    if frame.empty:
        raise InvalidInput("data.empty", "the table has no rows")


def _check_missing(frame: pd.DataFrame) -> None:
    counts = frame.isna().sum()
    found = [f"{name} ({count})" for name, count in counts[counts > 0].items()]
    if found:
        raise InvalidInput(
            "data.missing", f"values are missing in {_list(found)}: fill them in or drop those rows in load()"
        )


def _check_numbers(features: pd.DataFrame) -> None:
    words = [str(name) for name in features.columns if features[name].dtype.kind not in "iufb"]
    if words:
        raise InvalidInput(
            "data.not_numbers",
            f"no numbers in {_list(words)}: features on chain are numbers, turn them into some in load() or leave them "
            "out",
        )


def _cast(features: pd.DataFrame, dtype: str | None) -> pd.DataFrame:
    for name in features.columns:
        _check_range(str(name), features[name].to_numpy(), dtype)
    return features if dtype is None else features.astype(dtype)


def _check_range(name: str, values: NDArray[Any], dtype: str | None) -> None:
    import numpy as np  # noqa: PLC0415

    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise InvalidInput("data.infinite", f"{name} holds infinite values: replace them in load()")
    if dtype is None or not dtype.startswith("float"):
        return
    largest = float(np.abs(values.astype(np.float64)).max())
    if largest > float(np.finfo(dtype).max):
        raise InvalidInput("data.too_large", f"{name} holds {largest:g}, too large for {dtype}: scale it in load()")
    if values.dtype.kind in "iu" and largest > 2 ** (np.finfo(dtype).nmant + 1):
        raise InvalidInput(
            "data.too_large",
            f"{name} holds the integer {largest:.0f}, and {dtype} rounds those beyond "
            f"{2 ** (np.finfo(dtype).nmant + 1):,}: scale them in load(), or set feature_dtype of the workflow",
        )


def _build_target(target: pd.Series[Any]) -> tuple[pd.Series[Any], tuple[str, ...] | None]:
    import numpy as np  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415

    if target.nunique() < 2:
        raise InvalidInput(
            "data.one_class", f"{target.name} is {target.iloc[0]} in every row: there is nothing to learn"
        )
    if target.dtype.kind not in "iufb":
        names = sorted({str(value) for value in target})
        codes = pd.Categorical(target.astype(str), categories=names).codes
        return pd.Series(codes.astype(np.int64), name=target.name), tuple(names)
    if target.dtype.kind == "f" and not np.isfinite(target.to_numpy()).all():
        raise InvalidInput("data.infinite", f"{target.name} holds infinite values: replace them in load()")
    return target.astype("float64" if target.dtype.kind == "f" else "int64").reset_index(drop=True), None


def _list(names: list[str], longest: int = 6) -> str:
    more = f" and {len(names) - longest} more" if len(names) > longest else ""
    return ", ".join(names[:longest]) + more
