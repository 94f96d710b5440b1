from __future__ import annotations

import threading

import numpy as np
import pytest

from infernet.errors import InvalidInput
from infernet.onnx_session import open_session
from infernet.workflows.batches import run_batches
from infernet.workflows.graphs import build_graph


@pytest.fixture(scope="module")
def double():
    steps = [("Add", ["x", "x"], ["sum"], {}), ("ReduceSum", ["x", "axes"], ["total"], {"keepdims": 0})]
    outputs = {"sum": ("float", ["n", 3]), "total": ("float", ["n"])}
    constants = {"axes": np.array([1], np.int64)}
    return open_session(build_graph("any", steps, {"x": ("float", ["n", 3])}, outputs, constants))


@pytest.mark.parametrize("rows", [1, 6, 7, 8, 14, 100, 600])
@pytest.mark.parametrize("batch_rows", [7, 300])
def test_every_row_gets_its_answer_in_order(double, rows: int, batch_rows: int) -> None:
    features = np.arange(rows * 3, dtype="float32").reshape(rows, 3)
    found = run_batches(double, {"x": features}, batch_rows=batch_rows, threads=3)
    np.testing.assert_array_equal(found["sum"], features * 2)
    np.testing.assert_array_equal(found["total"], features.sum(axis=1))


def test_only_the_outputs_that_are_asked_for_come(double) -> None:
    assert list(run_batches(double, {"x": np.zeros((9, 3), "float32")}, ["total"], batch_rows=2)) == ["total"]


def test_progress_adds_up_to_the_rows_on_the_callers_thread(double) -> None:
    done: list[int] = []
    threads = set()

    def note(rows: int) -> None:
        done.append(rows)
        threads.add(threading.current_thread())

    run_batches(double, {"x": np.zeros((100, 3), "float32")}, batch_rows=30, on_progress=note)
    assert done == [30, 30, 30, 10]
    assert threads == {threading.current_thread()}
    run_batches(double, {"x": np.zeros((9, 3), "float32")}, batch_rows=30, on_progress=note)
    assert done[4:] == [9]


@pytest.mark.parametrize(
    ("features", "words"),
    [
        ({}, "inputs of no rows"),
        ({"x": np.zeros((0, 3), "float32")}, "inputs of 0 rows"),
        ({"x": np.zeros((2, 3), "float32"), "z": np.zeros((3, 3), "float32")}, "inputs of 2 and 3 rows"),
        ({"x": np.zeros((2, 4), "float32")}, "the graph refuses the features"),
        ({"x": np.zeros((2, 3), "float64")}, "the graph refuses the features"),
        ({"y": np.zeros((2, 3), "float32")}, "the graph refuses the features"),
    ],
)
def test_features_that_do_not_fit_are_refused(double, features, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        run_batches(double, features)
    assert caught.value.code == "features.mismatch"
    assert "\n" not in caught.value.message


def test_a_graph_that_mixes_rows_has_no_batches() -> None:
    axes = np.array([0], np.int64)
    steps = [("ReduceSum", ["x", "axes"], ["y"], {"keepdims": 1})]
    session = open_session(
        build_graph("any", steps, {"x": ("float", ["n", 3])}, {"y": ("float", [1, 3])}, {"axes": axes})
    )
    with pytest.raises(InvalidInput, match="no batches of it") as caught:
        run_batches(session, {"x": np.ones((5, 3), "float32")})
    assert caught.value.code == "model.unsupported"


def test_rows_that_do_not_lie_side_by_side_are_read_right(double) -> None:
    features = np.arange(60, dtype="float32").reshape(3, 20).T
    found = run_batches(double, {"x": features}, batch_rows=7)
    np.testing.assert_array_equal(found["sum"], features * 2)


def test_an_output_whose_width_depends_on_the_rows_has_no_batches() -> None:
    steps = [("NonZero", ["x"], ["places"], {}), ("Transpose", ["places"], ["y"], {})]
    session = open_session(build_graph("any", steps, {"x": ("float", ["n"])}, {"y": ("int64", ["m", 1])}, {}))
    features = np.ones(12, "float32")
    features[9] = 0
    with pytest.raises(InvalidInput, match="different shapes") as caught:
        run_batches(session, {"x": features}, batch_rows=4)
    assert caught.value.code == "model.unsupported"
