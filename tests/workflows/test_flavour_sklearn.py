from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from eth_abi import decode, encode
from flavour_rows import split_rows, write_model
from lightgbm import LGBMClassifier
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC

from infernet.compute.onnx_runner import load_onnx
from infernet.errors import InvalidInput
from infernet.protocol.manifest import Determinism, encode_manifest
from infernet.workflows.flavours import Export, convert

CLASSIFIERS = [
    make_pipeline(StandardScaler(), LogisticRegression()),
    RandomForestClassifier(20, random_state=0),
    GradientBoostingClassifier(n_estimators=10, random_state=0),
    HistGradientBoostingClassifier(max_iter=10, random_state=0),
    KNeighborsClassifier(),
    GaussianNB(),
    make_pipeline(StandardScaler(), MLPClassifier((16,), max_iter=200, random_state=0)),
    make_pipeline(StandardScaler(), SVC()),
    make_pipeline(StandardScaler(), LinearSVC(random_state=0)),
]


def _name(estimator: Any) -> str:
    return type(estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator).__name__


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("estimator", CLASSIFIERS, ids=_name)
def test_a_classifier_answers_with_its_label(estimator: Any) -> None:
    train, held_out = split_rows("wine")
    estimator.fit(train.features, train.target)
    first, second = (convert(estimator, held_out) for _ in range(2))
    assert first.onnx == second.onnx
    assert first.largest_difference < 1e-5
    assert first.determinism is Determinism.NONE
    (label,) = first.outputs
    assert (label.name, label.dtype, label.shape, label.encoding, label.scale) == (
        "label",
        "int64",
        (None,),
        "int256[]",
        0,
    )
    assert label.quantisation is not None
    assert (label.quantisation.rows, label.quantisation.changed_labels) == (len(held_out), 0)
    (features,) = first.inputs
    assert (features.dtype, features.shape, features.scale) == ("float32", (None, 13), 6)
    assert features.columns == held_out.columns
    assert set(first.native) == {"estimator.skops"}


def test_probabilities_come_when_asked_for() -> None:
    train, held_out = split_rows("cancer")
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(train.features, train.target)
    label, probabilities = convert(estimator, held_out, export=Export(probabilities=True, output_scale=4)).outputs
    assert label.name == "label"
    assert (probabilities.shape, probabilities.scale, probabilities.columns) == ((None, 2), 4, ("0", "1"))
    assert probabilities.quantisation is not None
    assert float(probabilities.quantisation.largest_difference or 0) == pytest.approx(5e-5, rel=0.3)


@pytest.mark.parametrize("estimator", [Ridge(), RandomForestRegressor(10, random_state=0)], ids=_name)
def test_a_regressor_answers_with_its_value(estimator: Any) -> None:
    train, held_out = split_rows("diabetes")
    (value,) = convert(estimator.fit(train.features, train.target), held_out).outputs
    assert (value.name, value.dtype, value.shape, value.scale) == ("value", "float32", (None, 1), 6)


def test_several_values_stay_in_their_order(tmp_path: Path) -> None:
    train, held_out = split_rows("diabetes")
    targets = np.stack([train.target, -2 * train.target], axis=1)
    converted = convert(LinearRegression().fit(train.features, targets), held_out)
    assert converted.outputs[0].shape == (None, 2)


@pytest.mark.parametrize(
    ("estimator", "name"),
    [
        (make_pipeline(StandardScaler(), PCA(3)), "vector"),
        (KMeans(3, n_init=2, random_state=0), "label"),
        (IsolationForest(n_estimators=10, random_state=0), "label"),
    ],
    ids=["PCA", "KMeans", "IsolationForest"],
)
def test_what_learns_without_a_target_answers_as_well(estimator: Any, name: str) -> None:
    train, held_out = split_rows("wine")
    (output,) = convert(estimator.fit(train.features), held_out).outputs
    assert output.name == name


def test_preprocessing_by_column_names_goes_into_the_one_graph() -> None:
    train, held_out = split_rows("wine")
    for rows in (train, held_out):
        rows.features["region"] = (np.arange(len(rows)) % 3).astype("float32")
    columns = make_column_transformer(
        (StandardScaler(), ["proline", "od280/od315_of_diluted_wines"]),
        (OneHotEncoder(handle_unknown="ignore"), ["region"]),
        remainder="passthrough",
    )
    estimator = make_pipeline(columns, LogisticRegression(max_iter=5000)).fit(train.features, train.target)
    converted = convert(estimator, held_out)
    (features,) = converted.inputs
    assert features.columns == held_out.columns
    assert features.shape == (None, 14)


def test_classes_that_are_words_become_numbers_that_the_manifest_explains(tmp_path: Path) -> None:
    words = np.array(["red", "rose", "white"])
    train, held_out = split_rows("wine", target=lambda data: words[data.target])
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(train.features, train.target)
    converted = convert(estimator, held_out)
    manifest = write_model(converted, tmp_path)
    assert manifest.outputs[0].classes == ("red", "rose", "white")
    run = load_onnx(encode_manifest(manifest).decode(), str(tmp_path))
    row = [round(value * 10**6) for value in held_out.matrix()[0].tolist()]
    ((label,),) = decode(["int256[]"], run(encode(["int256[]"], [row])))
    assert words[label] == held_out.target[0]


def test_a_contract_sends_integers_and_gets_integers(tmp_path: Path) -> None:
    train, held_out = split_rows("wine")
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(train.features, train.target)
    manifest = write_model(convert(estimator, held_out, export=Export(scale=2, probabilities=True)), tmp_path)
    run = load_onnx(encode_manifest(manifest).decode(), str(tmp_path))
    sent = [round(value * 100) for value in held_out.matrix().ravel().tolist()]
    labels, probabilities = decode(["int256[]", "int256[]"], run(encode(["int256[]"], [sent])))
    coarse = np.array(sent).reshape(-1, 13) / 100
    assert list(labels) == estimator.predict(pd.DataFrame(coarse, columns=held_out.columns)).tolist()
    assert np.abs(np.array(probabilities).reshape(-1, 3).sum(axis=1) - 10**6).max() <= 3


def test_trees_behind_a_scaler_are_refused_where_float32_puts_rows_on_the_other_side() -> None:
    train, held_out = split_rows("wine")
    scaled = make_pipeline(StandardScaler(), RandomForestClassifier(30, random_state=0))
    scaled.fit(train.features, train.target)
    with pytest.raises(InvalidInput, match="no scaler before them") as caught:
        convert(scaled, held_out)
    assert caught.value.code == "model.deviates"
    plain = RandomForestClassifier(30, random_state=0).fit(train.features, train.target)
    assert convert(plain, held_out).largest_difference < 1e-5


@pytest.mark.parametrize(
    ("estimator", "code", "words"),
    [
        (
            make_pipeline(FunctionTransformer(np.log1p), LogisticRegression(max_iter=5000)),
            "model.unsupported",
            "FunctionT",
        ),
        ({"weights": [1, 2]}, "model.unsupported", "train() gave back a dict"),
        (None, "model.unsupported", "train() gave back a NoneType"),
        (LogisticRegression(), "model.not_fitted", "has not learned"),
    ],
)
def test_what_cannot_be_exported_says_why(estimator: Any, code: str, words: str) -> None:
    train, held_out = split_rows("wine")
    if code == "model.unsupported" and hasattr(estimator, "fit"):
        estimator.fit(train.features, train.target)
    with pytest.raises(InvalidInput) as caught:
        convert(estimator, held_out)
    assert caught.value.code == code
    assert words in caught.value.message
    assert "\n" not in caught.value.message


def test_the_bytes_say_nothing_but_the_model() -> None:
    train, held_out = split_rows("wine")
    estimator = KNeighborsClassifier().fit(train.features, train.target)
    model = onnx.load_from_string(convert(estimator, held_out).onnx)
    onnx.checker.check_model(model)
    assert (model.producer_name, model.producer_version, model.doc_string, model.domain) == ("infernet", "", "", "")
    assert not model.metadata_props
    assert all(not node.name and not node.doc_string for node in model.graph.node)


@pytest.mark.parametrize(("probabilities", "times"), [(False, 1), (True, 2)])
def test_scores_that_no_contract_gets_are_asked_for_once(
    probabilities: bool, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, held_out = split_rows("wine")
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(train.features, train.target)
    asked: list[int] = []
    ask = LogisticRegression.predict_proba
    monkeypatch.setattr(LogisticRegression, "predict_proba", lambda model, x: asked.append(len(x)) or ask(model, x))
    convert(estimator, held_out, export=Export(probabilities=probabilities))
    assert asked.count(len(held_out)) == times


@pytest.mark.slow
def test_another_process_makes_the_same_bytes() -> None:
    code = "from test_flavour_sklearn import build_digest\nprint(build_digest())\n"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": f"{Path(__file__).parent}:{Path(__file__).parents[1]}", "PYTHONHASHSEED": "1"},
    )
    assert done.stdout.split() == [build_digest()]


def build_digest() -> str:
    train, held_out = split_rows("wine")
    digest = hashlib.sha256()
    for estimator in (KNeighborsClassifier(), LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1)):
        converted = convert(estimator.fit(train.features, train.target), held_out)
        digest.update(converted.onnx + repr((converted.inputs, converted.outputs)).encode())
    return digest.hexdigest()
