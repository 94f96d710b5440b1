"""An inference workflow inside a node's worker: its steps see what people see, its answers travel as the model's do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flavour_rows import split_rows, write_model
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from infernet.compute.onnx_runner import load_onnx
from infernet.errors import JobRejected
from infernet.protocol.manifest import Manifest, encode_manifest
from infernet.protocol.model_codec import encode_features
from infernet.workflows.data import Rows
from infernet.workflows.flavours import Export, convert
from infernet.workflows.inference_requests import load_inference_run
from infernet.workflows.loaded_model import build_features

NAMES = np.array(["red", "rose", "white"])
PLAIN = """from infernet.workflows import InferenceWorkflow
class W(InferenceWorkflow):
    name, model = "w", "tests/model:1"
"""
KEPT = PLAIN + "    def __call__(self, rows):\n        answer = super().__call__(rows)\n"


def describe(estimator: Any, rows: Rows, folder: Path, *, exact: bool) -> Manifest:
    return write_model(convert(estimator, rows, export=Export(exact=exact)), folder)


def run_both(manifest: Manifest, folder: Path, rows: pd.DataFrame, workflow: str) -> tuple[bytes, bytes]:
    """The same features through the workflow, and through the model alone."""
    (folder / "w.py").write_text(workflow)
    text = encode_manifest(manifest).decode()
    features = encode_features(manifest, build_features(manifest, rows))
    return load_inference_run(text, str(folder), str(folder / "w.py"))(features), load_onnx(text, str(folder))(features)


@pytest.fixture(scope="module")
def diabetes() -> tuple[LinearRegression, Rows]:
    learned, held_out = split_rows("diabetes")
    return LinearRegression().fit(learned.features, learned.target), held_out


@pytest.fixture(scope="module")
def wine() -> tuple[Any, Rows]:
    learned, held_out = split_rows("wine", target=lambda data: NAMES[data.target])
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(learned.features, learned.target), held_out


@pytest.mark.parametrize("exact", [True, False])
def test_steps_that_do_nothing_change_nothing_of_numbers(
    diabetes: tuple[LinearRegression, Rows], tmp_path: Path, exact: bool
) -> None:
    estimator, rows = diabetes
    manifest = describe(estimator, rows, tmp_path, exact=exact)
    ours, plain = run_both(manifest, tmp_path, rows.features[:20], PLAIN)
    assert ours == plain


@pytest.mark.parametrize("exact", [True, False])
def test_nor_of_named_classes(wine: tuple[Any, Rows], tmp_path: Path, exact: bool) -> None:
    estimator, rows = wine
    manifest = describe(estimator, rows, tmp_path, exact=exact)
    ours, plain = run_both(manifest, tmp_path, rows.features[:20], PLAIN)
    assert ours == plain


def test_a_step_sees_rows_and_answers_in_their_own_units(
    diabetes: tuple[LinearRegression, Rows], tmp_path: Path
) -> None:
    estimator, rows = diabetes
    manifest = describe(estimator, rows, tmp_path, exact=True)
    doubling = KEPT + "        assert abs(rows['age']).max() < 0.2\n        return {'value': answer['value'] * 2}\n"
    ours, plain = run_both(manifest, tmp_path, rows.features[:1], doubling)
    assert int.from_bytes(ours[-32:], "big") == 2 * int.from_bytes(plain[-32:], "big")


def test_a_class_that_the_model_has_not_is_refused(wine: tuple[Any, Rows], tmp_path: Path) -> None:
    estimator, rows = wine
    manifest = describe(estimator, rows, tmp_path, exact=True)
    with pytest.raises(JobRejected, match="'green' is none of red, rose, white"):
        run_both(manifest, tmp_path, rows.features[:1], KEPT + "        return {'label': ['green']}\n")
