from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from eth_abi import decode, encode
from flavour_rows import split_rows, write_model
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from infernet.compute.onnx_runner import load_onnx
from infernet.errors import InvalidInput
from infernet.onnx_session import open_session
from infernet.protocol.fixed_point import to_stored
from infernet.protocol.manifest import Determinism, encode_manifest
from infernet.vm.spc.models.exactness import check_divisions, check_exact
from infernet.vm.spc.models.graph import Skeleton, check_graph, parse_graph
from infernet.workflows.flavours import Converted, Export, convert

EXACT = Export(exact=True)
ORDERLESS = {
    "ArgMax", "Add", "Cast", "Div", "Gather", "Greater", "Less", "MatMul", "Mul", "Reshape",
    "Where",
    "TreeEnsembleRegressor",
}  # fmt: skip
CLASSIFIERS = [
    LogisticRegression(max_iter=5000),
    make_pipeline(StandardScaler(), LogisticRegression()),
    make_pipeline(MinMaxScaler(), LinearDiscriminantAnalysis()),
    make_pipeline(StandardScaler(), LinearSVC(random_state=0)),
    DecisionTreeClassifier(random_state=0),
    RandomForestClassifier(31, random_state=0),
    GradientBoostingClassifier(n_estimators=10, random_state=0),
    LGBMClassifier(n_estimators=20, verbose=-1, n_jobs=1),
    XGBClassifier(n_estimators=20, n_jobs=1),
]


def _name(estimator: Any) -> str:
    return type(estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator).__name__


def _read_constants(converted: Converted) -> dict[str, Any]:
    graph = onnx.load_from_string(converted.onnx).graph
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("data", ["wine", "cancer"])
@pytest.mark.parametrize("estimator", CLASSIFIERS, ids=_name)
def test_a_classifier_in_integers_gives_the_labels_of_the_original(estimator: Any, data: str) -> None:
    train, held_out = split_rows(data)
    estimator = clone(estimator).fit(train.features, train.target)
    converted = convert(estimator, held_out, export=EXACT)
    assert converted.determinism is Determinism.EXACT
    (label,) = converted.outputs
    assert (label.name, label.dtype, label.shape) == ("label", "int64", (None,))
    assert label.quantisation is not None
    assert label.quantisation.changed_labels == 0
    graph = onnx.load_from_string(converted.onnx).graph
    assert {node.op_type for node in graph.node} <= ORDERLESS
    assert converted.onnx == convert(estimator, held_out, export=EXACT).onnx


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(StandardScaler(), Ridge()),
        RandomForestRegressor(20, random_state=0),
        LGBMRegressor(n_estimators=20, verbose=-1, n_jobs=1),
    ],
    ids=_name,
)
def test_a_value_in_integers_has_the_scale_that_was_declared(estimator: Any, tmp_path: Path) -> None:
    train, held_out = split_rows("diabetes")
    estimator.fit(train.features, train.target)
    converted = convert(estimator, held_out, export=Export(exact=True, output_scale=3))
    (value,) = converted.outputs
    assert (value.dtype, value.shape, value.scale) == ("int64", (None, 1), 3)
    manifest = write_model(converted, tmp_path)
    run = load_onnx(encode_manifest(manifest).decode(), str(tmp_path))
    sent = [round(number * 10**6) for number in held_out.matrix().ravel().tolist()]
    (found,) = decode(["int256[]"], run(encode(["int256[]"], [sent])))
    travelled = (np.array(sent).reshape(-1, 10) / 10**6).astype(np.float32)
    expected = estimator.predict(pd.DataFrame(travelled, columns=held_out.columns))
    assert np.abs(np.array(found) / 1000 - expected).max() < 0.003


def test_a_linear_model_is_what_integers_of_any_size_say_it_is() -> None:
    train, held_out = split_rows("diabetes")
    estimator = make_pipeline(StandardScaler(), LinearRegression()).fit(train.features, train.target)
    converted = convert(estimator, held_out, export=EXACT)
    constants = _read_constants(converted)
    weights, (bias,) = [int(one) for one in constants["weights"][:, 0]], constants["bias"].tolist()
    (found,) = open_session(converted.onnx).run(["value"], {"features": to_stored(held_out.matrix(), 6)})
    up, down = int(constants["up"]), int(constants["down"])
    for row, value in zip(held_out.matrix().astype(np.float64).tolist(), found[:, 0].tolist(), strict=True):
        score = sum(round(number * 10**6) * weight for number, weight in zip(row, weights, strict=True)) + bias
        whole, rest = divmod(abs(score) * up, down)
        assert value == (1 if score > 0 else -1) * (whole + (2 * rest >= down - down % 2))


def test_features_beyond_reason_are_held_rather_than_wrapped() -> None:
    train, held_out = split_rows("diabetes")
    estimator = make_pipeline(StandardScaler(), LinearRegression()).fit(train.features, train.target)
    session = open_session(convert(estimator, held_out, export=EXACT).onnx)
    signs = np.sign(estimator[-1].coef_ / estimator[0].scale_)
    huge, larger = (
        session.run(None, {"features": (signs * size)[None, :].astype(np.int64)})[0].item() for size in (1e15, 9e18)
    )
    assert huge == larger > 0


def test_leaves_are_integers_whose_sums_float32_holds() -> None:
    train, held_out = split_rows("cancer")
    estimator = RandomForestClassifier(50, random_state=0).fit(train.features, train.target)
    graph = onnx.load_from_string(convert(estimator, held_out, export=EXACT).onnx).graph
    (trees,) = (node for node in graph.node if node.op_type == "TreeEnsembleRegressor")
    given = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in trees.attribute}
    weights = np.array(given["target_weights"])
    assert (weights == np.rint(weights)).all()
    largest: dict[tuple[int, int], float] = {}
    for weight, tree, target in zip(np.abs(weights), given["target_treeids"], given["target_ids"], strict=True):
        largest[tree, target] = max(largest.get((tree, target), 0.0), weight)
    for target in set(given["target_ids"]):
        assert 2**22 < sum(weight for (_, one), weight in largest.items() if one == target) <= 2**24


def test_classes_need_not_be_counted_from_zero() -> None:
    train, held_out = split_rows("wine", target=lambda data: data.target * 10 - 7)
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(train.features, train.target)
    (found,) = open_session(convert(estimator, held_out, export=EXACT).onnx).run(
        None, {"features": to_stored(held_out.matrix(), 6)}
    )
    assert set(found.tolist()) == {-7, 3, 13}
    assert found.tolist() == estimator.predict(held_out.features).tolist()


def test_classes_that_are_words_are_explained() -> None:
    words = np.array(["benign", "malignant"])
    train, held_out = split_rows("cancer", target=lambda data: words[data.target])
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(train.features, train.target)
    converted = convert(estimator, held_out, export=EXACT)
    assert converted.outputs[0].classes == ("benign", "malignant")


@pytest.mark.parametrize(
    ("estimator", "export", "words"),
    [
        (KNeighborsClassifier(), EXACT, "KNeighborsClassifier has no exact form"),
        (make_pipeline(StandardScaler(), MLPClassifier((4,), max_iter=20)), EXACT, "has no exact form"),
        (make_pipeline(StandardScaler(), RandomForestClassifier(5)), EXACT, "has no exact form"),
        (LogisticRegression(max_iter=5000), Export(exact=True, probabilities=True), "leave probabilities"),
        (LogisticRegression(max_iter=5000), Export(exact=True, decimals=2), "decimals out"),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_what_has_no_exact_form_is_refused(estimator: Any, export: Export, words: str) -> None:
    train, held_out = split_rows("wine")
    with pytest.raises(InvalidInput, match=words) as caught:
        convert(estimator.fit(train.features, train.target), held_out, export=export)
    assert caught.value.code == "export.not_exact"


def test_numbers_that_do_not_fit_into_64_bits_are_refused() -> None:
    train, held_out = split_rows("wine")
    estimator = LogisticRegression(max_iter=5000).fit(train.features, train.target)
    with pytest.raises(InvalidInput, match="declare a smaller") as caught:
        convert(estimator, held_out, export=Export(exact=True, scale=12))
    assert caught.value.code == "export.too_large"


@pytest.mark.parametrize("data", ["wine", "cancer", "diabetes"])
def test_a_linear_model_is_exact_by_the_rules_of_the_execution_layer(data: str) -> None:
    train, held_out = split_rows(data)
    last = LinearRegression() if data == "diabetes" else LogisticRegression()
    estimator = make_pipeline(StandardScaler(), last).fit(train.features, train.target)
    graph = parse_graph(convert(estimator, held_out, export=EXACT).onnx)
    check_graph(graph)
    types = Skeleton(graph).read_types()
    check_divisions(graph, types)
    check_exact(graph, types)
