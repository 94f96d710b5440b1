from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flavour_rows import split_rows
from hypothesis import given
from hypothesis import strategies as st
from lightgbm import Booster, LGBMClassifier, LGBMRegressor
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from xgboost import XGBClassifier, XGBRegressor

from infernet.errors import InvalidInput
from infernet.workflows.flavours import Export, convert
from infernet.workflows.flavours.converters import floor_float32


def _build(kind: type, **settings: Any) -> Any:
    quiet = {"verbose": -1} if kind.__name__.startswith("LGBM") else {}
    return kind(n_estimators=20, n_jobs=1, **quiet, **settings)


@pytest.mark.parametrize(
    ("kind", "data", "native"),
    [
        (LGBMClassifier, "wine", "model.txt"),
        (LGBMClassifier, "cancer", "model.txt"),
        (LGBMRegressor, "diabetes", "model.txt"),
        (XGBClassifier, "wine", "model.json"),
        (XGBClassifier, "cancer", "model.json"),
        (XGBRegressor, "diabetes", "model.json"),
    ],
)
def test_boosted_trees_that_learned_from_float32_are_exported_faithfully(kind: type, data: str, native: str) -> None:
    train, held_out = split_rows(data)
    estimator = _build(kind).fit(train.features, train.target)
    converted = convert(estimator, held_out, export=Export(probabilities=True))
    assert converted.largest_difference < 1e-6
    assert [output.name for output in converted.outputs] == (
        ["value"] if data == "diabetes" else ["label", "probabilities"]
    )
    assert set(converted.native) == {native}


def test_the_native_file_is_the_model(tmp_path: Any) -> None:
    train, held_out = split_rows("wine")
    estimator = _build(LGBMClassifier).fit(train.features, train.target)
    native = convert(estimator, held_out).native["model.txt"]
    found = Booster(model_str=native.decode()).predict(held_out.features)
    np.testing.assert_array_equal(found, estimator.predict_proba(held_out.features))


def test_the_names_of_the_columns_stay_with_the_estimator() -> None:
    train, held_out = split_rows("cancer")
    estimator = _build(XGBClassifier).fit(train.features, train.target)
    convert(estimator, held_out)
    assert estimator.get_booster().feature_names == list(train.columns)


def test_a_pipeline_may_end_with_boosted_trees() -> None:
    train, held_out = split_rows("cancer")
    estimator = make_pipeline(MinMaxScaler(), _build(LGBMClassifier)).fit(train.features, train.target)
    assert convert(estimator, held_out, export=Export(tolerance=0.05)).outputs[0].name == "label"


@pytest.mark.parametrize(
    ("estimator", "data"),
    [
        (_build(LGBMClassifier), "wine"),
        (_build(LGBMClassifier), "cancer"),
        (HistGradientBoostingClassifier(max_iter=20, random_state=0), "wine"),
    ],
    ids=["LightGBM, wine", "LightGBM, cancer", "histogram trees, wine"],
)
def test_thresholds_between_two_float32_are_refused_and_float32_is_the_way_out(estimator: Any, data: str) -> None:
    train, held_out = split_rows(data, dtype="float64")
    estimator.fit(train.features, train.target)
    with pytest.raises(InvalidInput) as caught:
        convert(estimator, held_out)
    assert caught.value.code == "model.deviates"
    message = caught.value.message
    assert f" of {len(held_out)} rows, most in row " in message
    assert "probabilities[" in message
    assert f"a difference of {caught.value.fields['largest_difference']:.3g} where" in message
    assert "rows.features.astype('float32')" in message
    assert float(caught.value.fields["largest_difference"]) > 1e-4  # type: ignore[arg-type]

    train, held_out = split_rows(data)
    assert convert(estimator.fit(train.features, train.target), held_out).largest_difference < 1e-6


def test_seconds_since_1970_are_beyond_float32() -> None:
    """Two classes that take turns every 60 s: float32 steps by 128 s there."""
    train, held_out = split_rows("wine", dtype="float64")
    for rows in (train, held_out):
        rows.features["seconds"] = 1.7e9 + 60.0 * np.arange(len(rows))
        rows.target[:] = np.arange(len(rows)) // 2 % 2
    settings = {"min_child_samples": 1, "max_bin": 1000, "num_leaves": 200, "learning_rate": 0.5}
    estimator = _build(LGBMClassifier, **settings).fit(train.features[["seconds"]], train.target)
    held_out = type(held_out)(held_out.features[["seconds"]], held_out.target)
    with pytest.raises(InvalidInput, match="astype"):
        convert(estimator, held_out, export=Export(scale=0))


@given(st.lists(st.floats(-(2.0**100), 2.0**100), min_size=1), st.floats(-(2.0**100), 2.0**100, width=32))
def test_a_threshold_rounded_down_sends_every_float32_the_same_way(thresholds: list[float], feature: float) -> None:
    for threshold, rounded in zip(thresholds, floor_float32(thresholds), strict=True):
        assert np.float64(np.float32(rounded)) == rounded
        assert (feature <= threshold) == (feature <= rounded)
        assert (np.float64(np.float32(threshold)) <= threshold) == (np.float32(threshold) <= rounded)
