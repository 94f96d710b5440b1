"""Hashes of data, and which rows are held out."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infernet.errors import InvalidInput
from infernet.workflows.content_hash import compute_row_hashes, compute_set_hash, compute_table_hash
from infernet.workflows.data import Rows, Table, build_rows
from infernet.workflows.metrics import METRICS
from infernet.workflows.split import build_split, hold_out_later, hold_out_share

FRAME = pd.DataFrame(
    {
        "size": [1.5, -0.0, 3.25],
        "count": [1, 2, 2**40],
        "word": ["a", "", "ü"],
        "good": [True, False, True],
        "day": pd.to_datetime(["2024-01-01", "2024-06-01", "2025-01-01"]),
    }
)
numbers = st.lists(st.floats(-1e6, 1e6, width=32), min_size=5, max_size=60, unique=True)


def test_a_table_hash_is_the_one_that_its_rule_says() -> None:
    """Written out by hand: whoever computes it elsewhere gets the same."""
    parts = [
        b'["size", "float64", 3]\n' + np.array([1.5, 0.0, 3.25], "<f8").tobytes(),
        b'["count", "int64", 3]\n' + np.array([1, 2, 2**40], "<i8").tobytes(),
        b'["word", "text", 3]\n' + b"".join(len(t).to_bytes(8, "little") + t for t in (b"a", b"", "ü".encode())),
        b'["good", "bool", 3]\n' + b"\1\0\1",
        b'["day", "time", 3]\n' + (np.array([1704067200, 1717200000, 1735689600], "<i8") * 10**9).tobytes(),
    ]
    assert compute_table_hash(FRAME) == hashlib.sha256(b"".join(parts)).hexdigest()


@pytest.mark.parametrize(
    "same",
    [
        FRAME.assign(size=[1.5, 0.0, 3.25]),
        FRAME.assign(word=FRAME["word"].astype("category")),
        FRAME.assign(day=FRAME["day"].dt.as_unit("s")),
        FRAME.assign(size=FRAME["size"].astype(">f8")),
        FRAME.set_index(pd.Index([7, 8, 9])),
    ],
)
def test_how_a_table_is_kept_changes_no_hash(same: pd.DataFrame) -> None:
    assert compute_table_hash(same) == compute_table_hash(FRAME)


@pytest.mark.parametrize(
    "other",
    [
        FRAME.assign(size=[1.5, 0.0, 3.5]),
        FRAME.assign(word=["a", "ü", ""]),
        FRAME.rename(columns={"size": "weight"}),
        FRAME.astype({"size": "float32"}),
        FRAME.iloc[::-1],
        FRAME[["count", "size", "word", "good", "day"]],
    ],
)
def test_what_is_in_a_table_changes_its_hash(other: pd.DataFrame) -> None:
    assert compute_table_hash(other) != compute_table_hash(FRAME)


@given(numbers, st.randoms())
def test_rows_stay_on_their_side_when_others_come_and_in_whatever_order(
    values: list[float], chance: random.Random
) -> None:
    frame = pd.DataFrame({"a": values, "b": range(len(values))})
    sides = dict(zip(values, hold_out_share(frame, 0.3), strict=True))
    mixed = frame.sample(frac=1, random_state=chance.randrange(1000))[["b", "a"]]
    more = pd.concat([mixed, pd.DataFrame({"a": [1e7, 2e7], "b": [-1, -2]})], ignore_index=True).astype({"b": "int32"})
    for value, held_out in zip(more["a"], hold_out_share(more, 0.3), strict=True):
        assert sides.get(value, held_out) == held_out


@given(numbers)
def test_the_hash_of_a_set_of_rows_knows_no_order(values: list[float]) -> None:
    frame = pd.DataFrame({"a": values, "b": 1})
    assert compute_set_hash(frame) == compute_set_hash(frame.iloc[::-1][["b", "a"]])
    assert compute_set_hash(frame) != compute_set_hash(frame.iloc[1:])
    assert compute_set_hash(frame) != compute_set_hash(pd.concat([frame, frame.head(1)]))


def test_the_share_that_is_held_out_is_the_one_that_was_asked_for() -> None:
    frame = pd.DataFrame({"a": np.arange(20_000), "b": np.arange(20_000) % 3})
    assert abs(hold_out_share(frame, 0.2).mean() - 0.2) < 0.01
    assert len(set(compute_row_hashes(frame))) == 20_000


def test_rows_of_one_group_stay_together() -> None:
    frame = pd.DataFrame({"patient": np.repeat(np.arange(200), 5), "a": np.arange(1000)})
    mask = hold_out_share(frame[["patient"]], 0.3)
    assert (pd.Series(mask).groupby(frame["patient"]).nunique() == 1).all()
    assert 0.2 < mask.mean() < 0.4


def test_what_came_later_is_held_out() -> None:
    assert list(hold_out_later(FRAME["day"], "2024-06-01")) == [False, True, True]


def test_a_side_with_one_class_is_refused() -> None:
    rows = Rows(pd.DataFrame({"a": range(10)}), pd.Series([0] * 5 + [1] * 5, name="b"))
    with pytest.raises(InvalidInput, match="of 10 rows 2 are held out"):
        build_split(rows, np.arange(10) < 2)


def test_integers_that_float32_rounds_are_refused() -> None:
    table = Table(pd.DataFrame({"id": [2**24 + 1, 2, 3], "y": [0, 1, 0]}))
    with pytest.raises(InvalidInput, match=r"id holds the integer 16777217, .* beyond 16,777,216") as refused:
        build_rows(table, "y")
    assert refused.value.code == "data.too_large"
    assert build_rows(table, "y", dtype=None).features["id"][0] == 2**24 + 1


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39])
def test_values_that_are_no_finite_numbers_are_refused(value: float) -> None:
    with pytest.raises(InvalidInput, match=r"infinite|too large"):
        build_rows(Table(pd.DataFrame({"a": [value, 1.0], "y": [0, 1]})), "y")


def test_a_csv_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    for content in (None, b"", b'a,b\n1,2,3\n"', b"\xff\xfe\x00"):
        path = tmp_path / "rows.csv"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InvalidInput) as refused:
            Table.read_csv(path)
        assert refused.value.code == "data.unreadable"
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.for_classes])
def test_figures_of_classes_are_those_of_scikit_learn(name: str) -> None:
    from sklearn import metrics

    chance = np.random.default_rng(3)
    truth, predicted = chance.integers(0, 4, 200), chance.integers(0, 4, 200)
    theirs = {
        "accuracy": metrics.accuracy_score,
        "balanced_accuracy": metrics.balanced_accuracy_score,
        "f1": lambda t, p: metrics.f1_score(t, p, average="macro"),
    }
    assert METRICS[name].compute(truth, predicted) == pytest.approx(theirs[name](truth, predicted))


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if not metric.for_classes])
def test_figures_of_amounts_are_those_of_scikit_learn(name: str) -> None:
    from sklearn import metrics

    chance = np.random.default_rng(3)
    truth, predicted = chance.normal(size=200), chance.normal(size=200)
    theirs = {"r2": metrics.r2_score, "rmse": metrics.root_mean_squared_error, "mae": metrics.mean_absolute_error}
    assert METRICS[name].compute(truth, predicted) == pytest.approx(theirs[name](truth, predicted))
