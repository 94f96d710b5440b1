from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from flavour_rows import split_rows, write_model
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from infernet.errors import InvalidInput
from infernet.onnx_session import open_session
from infernet.protocol.manifest import Determinism, encode_manifest, parse_manifest
from infernet.protocol.model_codec import (
    check_rounding,
    decode_features,
    decode_outputs,
    encode_features,
    encode_outputs,
)
from infernet.workflows.flavours import Export, convert
from infernet.workflows.flavours.fixed_point import show_rounded


@pytest.mark.parametrize(("scale", "output_scale"), [(0, 2), (3, 0), (6, 6)])
def test_the_manifest_says_what_fixed_point_costs_on_the_held_out_rows(
    scale: int, output_scale: int, tmp_path: Path
) -> None:
    train, held_out = split_rows("diabetes", dtype="float64")
    for rows in (train, held_out):
        rows.features[:] = rows.features * 100
    estimator = LinearRegression().fit(train.features, train.target)
    converted = convert(estimator, held_out, export=Export(scale=scale, output_scale=output_scale))
    manifest = write_model(converted, tmp_path)
    features = decode_features(manifest, encode_features(manifest, {"features": held_out.matrix().astype(np.float32)}))
    (values,) = open_session(converted.onnx).run(None, features)
    answer = decode_outputs(manifest, encode_outputs(manifest, {"value": values}))["value"]
    largest = np.abs(answer - estimator.predict(held_out.features)[:, None]).max()
    quantisation = parse_manifest(encode_manifest(manifest)).outputs[0].quantisation
    assert quantisation is not None
    assert quantisation.rows == len(held_out)
    stated = float(quantisation.largest_difference or 0)
    assert largest <= stated * 1.01
    assert stated <= largest * 10


def test_labels_that_fixed_point_changes_are_counted() -> None:
    train, held_out = split_rows("wine")
    for rows in (train, held_out):
        rows.features.drop(columns="hue", inplace=True)  # which scale 0 would make 1 everywhere
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(train.features, train.target)
    (label,) = convert(estimator, held_out, export=Export(scale=0)).outputs
    changed = (estimator.predict(held_out.features.round()) != estimator.predict(held_out.features)).sum()
    assert label.quantisation is not None
    assert label.quantisation.changed_labels == changed > 0


def test_a_column_that_the_scale_makes_the_same_everywhere_is_refused() -> None:
    train, held_out = split_rows("wine")
    for rows in (train, held_out):
        rows.features["ash"] = rows.features["ash"] * np.float32(1e-8)
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(train.features, train.target)
    with pytest.raises(InvalidInput, match="the column ash is 0 in every row at scale 6") as caught:
        convert(estimator, held_out)
    assert caught.value.code == "features.scale"
    assert convert(estimator, held_out, export=Export(scale=12)).inputs[0].scale == 12


def test_rounded_values_keep_a_margin_that_was_checked(tmp_path: Path) -> None:
    train, held_out = split_rows("diabetes")
    estimator = LinearRegression().fit(train.features, train.target)
    converted = convert(estimator, held_out, export=Export(decimals=0, output_scale=2))
    assert converted.determinism is Determinism.ROUNDED
    (value,) = converted.outputs
    assert value.rounding is not None
    assert value.rounding.decimals == 0
    manifest = write_model(converted, tmp_path)
    (values,) = open_session(converted.onnx).run(None, {"features": held_out.matrix()})
    check_rounding(manifest, {"value": values})
    assert float(value.rounding.margin) > 0
    outputs = decode_outputs(manifest, encode_outputs(manifest, {"value": values}))["value"]
    assert (outputs == np.rint(values)).all()


def test_more_decimals_than_machines_agree_on_are_refused() -> None:
    train, held_out = split_rows("diabetes")
    estimator = LinearRegression().fit(train.features, train.target)
    with pytest.raises(InvalidInput, match=r"machines may differ by .*: keep fewer decimals") as caught:
        convert(estimator, held_out, export=Export(decimals=5))
    assert caught.value.code == "manifest.margin"


def test_a_label_is_rounded_where_the_best_two_scores_lie_apart() -> None:
    train, held_out = split_rows("wine")
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(train.features, train.target)
    converted = convert(estimator, held_out, export=Export(decimals=0))
    assert converted.determinism is Determinism.ROUNDED
    (label,) = converted.outputs
    best_two = np.sort(estimator.predict_proba(held_out.features), axis=1)[:, -2:]
    gap = (best_two[:, 1] - best_two[:, 0]).min()
    assert label.rounding is not None
    assert label.rounding.decimals == 0
    assert gap / 2 <= float(label.rounding.margin) <= gap


@pytest.mark.parametrize(
    ("estimator", "words"),
    [
        (RandomForestClassifier(2, random_state=0), "label comes within 0 "),
        (make_pipeline(StandardScaler(), SVC(decision_function_shape="ovo")), "tells no scores"),
    ],
    ids=["a tie", "no scores"],
)
def test_a_label_without_a_margin_is_refused(estimator: object, words: str) -> None:
    train, held_out = split_rows("wine")
    estimator.fit(train.features, train.target)  # type: ignore[attr-defined]
    with pytest.raises(InvalidInput, match=words):
        convert(estimator, held_out, export=Export(decimals=0))


@pytest.mark.parametrize(
    ("number", "up", "down"),
    [
        (0.0, "0", "0"),
        (0.00012345, "0.0002", "0.0001"),
        (9.5, "10", "9"),
        (1234.0, "2000", "1000"),
        (0.5, "0.5", "0.5"),
        (1e-9, "0.000000002", "0.000000001"),
    ],
)
def test_figures_in_the_manifest_have_one_digit(number: float, up: str, down: str) -> None:
    assert show_rounded(number, up=True) == up
    assert show_rounded(number, up=False) == down
