from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from spc_harness import STRANGER
from spc_models import Inference, T, build_graph, build_linear, describe, onnx, rounded, spec

from infernet.compute.model import ModelContainer
from infernet.models import ModelStore
from infernet.protocol.manifest import Determinism, compute_manifest_hash, encode_manifest
from infernet.protocol.model_codec import decode_outputs, encode_features
from infernet.vm.spc.call import SpcOutOfGas, SpcRevert
from infernet.vm.spc.models.loaded import LoadedModels
from infernet.vm.spc.models.publication import build_publication
from infernet.vm.spc.prices import Limits, Prices
from infernet.vm.spc.tensor import TensorInference
from infernet.workflows.digits import TrainedDigits, train_digits

WEIGHTS = np.arange(-6, 6, dtype=np.int8).reshape(4, 3)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> TrainedDigits:
    return train_digits(tmp_path_factory.mktemp("digits"))


def test_the_output_is_byte_for_byte_what_a_node_delivers(digits: TrainedDigits, tmp_path: Path) -> None:
    inference = Inference()
    for data in build_publication(digits.folder, 300):
        published = inference.send(data, ["bytes32"])
    model = compute_manifest_hash(digits.manifest)
    assert published == model
    stored = ModelStore(tmp_path).add(digits.folder)
    features = [encode_features(digits.manifest, {"pixels": digits.pixels[a:b]}) for a, b in ((0, 1), (1, 8), (8, 300))]

    async def deliver() -> list[bytes]:
        container = ModelContainer(stored.manifest, stored.folder)
        await container.start()
        try:
            return [await container.run(one) for one in features]
        finally:
            await container.stop()

    assert [inference.call("infer", model, one, is_static=True) for one in features] == asyncio.run(deliver())


def test_values_are_those_of_plain_arithmetic() -> None:
    inference, rows = Inference(), np.random.default_rng(1).integers(0, 256, (5, 4), dtype=np.uint8)
    weights = np.random.default_rng(2).integers(-64, 65, (4, 3), dtype=np.int8)
    model = inference.publish_linear(weights)
    manifest = describe(
        build_linear(weights), (spec("x", "uint8", None, 4),), (spec("y", "int32", None, 3, encoding="int256[]"),)
    )
    output = inference.call("infer", model, encode_features(manifest, {"x": rows}))
    assert decode_outputs(manifest, output)["y"].tolist() == (rows.astype(int) @ weights.astype(int)).tolist()


def test_a_large_file_is_put_together_from_blobs() -> None:
    inference = Inference(Limits(blob_bytes=1000))
    weights = np.random.default_rng(2).integers(-64, 65, (64, 50), dtype=np.int8)
    content = build_linear(weights)
    parts = [inference.call("putBlob", content[at : at + 1000]) for at in range(0, len(content), 1000)]
    manifest = describe(content, (spec("x", "uint8", None, 64),), (spec("y", "int32", None, 50, encoding="int256[]"),))
    with pytest.raises(SpcRevert, match=r"put the file model\.onnx first"):
        inference.call("publish", encode_manifest(manifest))
    assert inference.call("assemble", parts).hex() == manifest.files[0].sha256
    assert inference.call("fileSize", bytes.fromhex(manifest.files[0].sha256)) == (True, len(content))
    model = inference.call("publish", encode_manifest(manifest))
    rows = np.full((1, 64), 3, np.uint8)
    for _ in range(2):
        output = inference.call("infer", model, encode_features(manifest, {"x": rows}))
        assert decode_outputs(manifest, output)["y"].tolist() == (rows.astype(int) @ weights.astype(int)).tolist()
        inference.spc = TensorInference(Prices(), Limits())  # a node that has just started


def test_what_was_not_put_on_this_chain_is_not_there() -> None:
    inference, content = Inference(), build_linear(WEIGHTS)
    sha256 = inference.state.blobs.put(content)  # a node may have it, from a reverted frame or another chain
    assert inference.call("fileSize", sha256) == (False, 0)
    with pytest.raises(SpcRevert, match="is no blob of this chain"):
        inference.call("assemble", [sha256])
    manifest = describe(content, (spec("x", "uint8", None, 4),), (spec("y", "int32", None, 3),))
    with pytest.raises(SpcRevert, match=r"model\.file_missing"):
        inference.call("publish", encode_manifest(manifest))
    model = compute_manifest_hash(manifest)
    assert not inference.call("isPublished", model)
    for function, arguments in (("infer", (model, b"")), ("manifestOf", (model,)), ("quote", (model, 1))):
        with pytest.raises(SpcRevert, match=f"0x{model.hex()} was not published"):
            inference.call(function, *arguments)


def test_publishing_again_changes_nothing() -> None:
    inference = Inference()
    model = inference.publish_linear(WEIGHTS)
    storage = dict(inference.state.storage)
    assert inference.publish_linear(WEIGHTS) == model
    assert inference.state.storage == storage
    assert inference.call("isPublished", model, caller=STRANGER)


def test_the_manifest_can_be_read_in_its_canonical_form() -> None:
    inference, content = Inference(), build_linear(WEIGHTS)
    manifest = describe(content, (spec("x", "uint8", None, 4),), (spec("y", "int32", None, 3),))
    inference.call("putBlob", content)
    spaced = manifest.model_dump_json(indent=2).encode()
    model = inference.call("publish", spaced)
    assert inference.call("manifestOf", model) == encode_manifest(manifest)
    assert model == compute_manifest_hash(manifest)


def test_a_rounded_model_answers_by_its_rule() -> None:
    content = build_graph(
        [("MatMul", ["x", "w"], ["m"]), ("Sigmoid", ["m"], ["y"])],
        {"x": (T.FLOAT, ["n", 2])},
        {"y": T.FLOAT},
        {"w": np.array([[0.5], [-0.25]], np.float32)},
    )
    x = spec("x", "float32", None, 2, encoding="int256[]", scale=3)
    y = spec("y", "float32", None, 1, encoding="int256[]", scale=6, rounding=rounded(3))
    manifest = describe(content, (x,), (y,), Determinism.ROUNDED)
    inference = Inference()
    model = inference.publish(manifest, content)
    output = inference.call("infer", model, encode_features(manifest, {"x": [[1.5, 2.0], [0.0, 0.0]]}))
    stored = np.rint(1000 / (1 + np.exp([-0.25, 0.0]))) * 1000
    assert output[64:] == b"".join(int(value).to_bytes(32, "big") for value in stored)
    with pytest.raises(SpcRevert, match="takes models that are 'exact' alone"):
        Inference(Limits(rounded_models=False)).publish(manifest, content)


def refuse(content: bytes, inputs: tuple[Any, ...], outputs: tuple[Any, ...], **more: Any) -> str:
    inference = Inference()
    before = set(inference.state.storage)
    with pytest.raises(SpcRevert) as caught:
        inference.publish(describe(content, inputs, outputs, **more), content)
    assert len(set(inference.state.storage) - before) == 1  # the file, and no model
    return caught.value.reason


X8, Y32 = spec("x", "uint8", None, 4), spec("y", "int32", None, 3)
INT = {"x": (T.INT32, ["n", 4])}
XI, YI = spec("x", "int32", None, 4), spec("y", "int32", None, 4)
FLOAT = {"x": (T.FLOAT, ["n", 4])}
XF = spec("x", "float32", None, 4, encoding="int256[]", scale=3)
YF = spec("y", "float32", None, 4, encoding="int256[]", scale=6, rounding=rounded(3))


def test_weights_that_saturate_on_some_cpus_are_refused() -> None:
    wide = np.array(WEIGHTS)
    wide[1, 1] = 65
    assert "graph.inexact: int8 weights are at most 64" in refuse(build_linear(wide), (X8,), (Y32,))
    wide[1, 1] = -65
    assert "graph.inexact" in refuse(build_linear(wide), (X8,), (Y32,))
    wide[1, 1] = -64
    Inference().publish_linear(wide)
    Inference().publish_linear(np.full((4, 3), 255, np.uint8))


def test_weights_that_are_an_input_must_be_unsigned() -> None:
    for kind, dtype in ((T.INT8, "int8"), (T.UINT8, "uint8")):
        content = build_graph(
            [("MatMulInteger", ["x", "w"], ["y"])],
            {"x": (T.UINT8, [2, 4]), "w": (kind, [4, 3])},
            {"y": T.INT32},
        )
        inputs, outputs = (spec("x", "uint8", 2, 4), spec("w", dtype, 4, 3)), (spec("y", "int32", 2, 3),)
        if dtype == "int8":
            assert "constants, or uint8" in refuse(content, inputs, outputs)
        else:
            Inference().publish(describe(content, inputs, outputs), content)


def test_floating_point_inside_an_exact_model_is_refused() -> None:
    through_float = [
        ("Cast", ["x"], ["f"], {"to": T.FLOAT}),
        ("Cast", ["f"], ["y"], {"to": T.INT32}),
    ]
    assert "is not an integer" in refuse(build_graph(through_float, INT, {"y": T.INT32}), (XI,), (YI,))
    exponential = [("Exp", ["x"], ["e"]), ("Cast", ["e"], ["y"], {"to": T.INT32})]
    content = build_graph(exponential, FLOAT, {"y": T.INT32})
    assert "Exp is not exact" in refuse(content, (XF,), (YI,))


@pytest.mark.parametrize("operator", ["Max", "Min", "Clip"])
def test_what_some_cpus_choose_wrongly_is_refused(operator: str) -> None:
    for kind, dtype in ((T.INT64, "int64"), (T.INT32, "int32")):
        constants = {"d": np.array(5, dtype)}
        content = build_graph([(operator, ["x", "d"], ["y"])], {"x": (kind, [1, 4])}, {"y": kind}, constants)
        inputs, outputs = (spec("x", dtype, 1, 4),), (spec("y", dtype, 1, 4),)
        if dtype == "int64":
            assert f"{operator} of int64 differs between CPUs" in refuse(content, inputs, outputs)
        else:
            Inference().publish(describe(content, inputs, outputs), content)


@pytest.mark.parametrize("operator", ["Div", "Mod"])
@pytest.mark.parametrize("divisor", [0, -1, [3, 2, 1, 0]])
def test_a_division_that_could_end_the_process_is_refused(operator: str, divisor: Any) -> None:
    content = build_graph([(operator, ["x", "d"], ["y"])], INT, {"y": T.INT32}, {"d": np.array(divisor, np.int32)})
    assert "graph.division" in refuse(content, (XI,), (YI,))
    content = build_graph([(operator, ["x", "x"], ["y"])], INT, {"y": T.INT32})
    assert "graph.division" in refuse(content, (XI,), (YI,))


@pytest.mark.parametrize(
    "guard",
    [
        [("Max", ["x", "one"], ["d"])],
        [("Clip", ["x", "one"], ["d"])],
        [("Clip", ["x", "one", "nine"], ["d"])],
        [("Identity", ["x"], ["unused"]), ("Identity", ["x"], ["d"])],
        [("Min", ["x", "one"], ["d"])],
        [("Clip", ["x", "", "nine"], ["d"])],
        [("Clip", ["x", "one", "zero"], ["d"])],
    ],
)
def test_a_divisor_is_safe_where_it_is_held_above_zero(guard: list[Any]) -> None:
    constants = {name: np.array(value, np.int32) for name, value in (("one", 1), ("nine", 9), ("zero", 0))}
    content = build_graph([*guard, ("Div", ["x", "d"], ["y"])], INT, {"y": T.INT32}, constants)
    is_safe = "one" in guard[0][1] and guard[0][0] != "Min" and "zero" not in guard[0][1]
    if not is_safe:
        assert "graph.division" in refuse(content, (XI,), (YI,))
        return
    inference, manifest = Inference(), describe(content, (XI,), (YI,))
    model = inference.publish(manifest, content)
    features = encode_features(manifest, {"x": np.array([[7, 0, -3, 100]], np.int32)})
    found = decode_outputs(manifest, inference.call("infer", model, features))["y"].tolist()
    assert found == [[1, 0, -3, 100 // min(100, 9 if "nine" in guard[0][1] else 100)]]


def loop() -> bytes:
    body = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["c"], ["again"]), onnx.helper.make_node("Identity", ["v"], ["w"])],
        "body",
        [
            onnx.helper.make_tensor_value_info("i", T.INT64, []),
            onnx.helper.make_tensor_value_info("c", T.BOOL, []),
            onnx.helper.make_tensor_value_info("v", T.INT32, ["n", 4]),
        ],
        [
            onnx.helper.make_tensor_value_info("again", T.BOOL, []),
            onnx.helper.make_tensor_value_info("w", T.INT32, ["n", 4]),
        ],
    )
    return build_graph([("Loop", ["", "c", "x"], ["y"], {"body": body})], INT, {"y": T.INT32}, {"c": np.array(True)})


def external() -> bytes:
    model = onnx.load_model_from_string(build_linear(WEIGHTS))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = T.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../secret"
    return bytes(model.SerializeToString())


def unknown_domain() -> bytes:
    model = onnx.load_model_from_string(build_linear(WEIGHTS))
    model.opset_import.append(onnx.helper.make_opsetid("com.example", 1))
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "graph.unreadable"),
        (b"not a model", "graph.unreadable"),
        (build_linear(WEIGHTS)[:-9], "graph.unreadable"),
        (loop(), "graph.unsafe"),
        (external(), "graph.un"),
        (unknown_domain(), "graph.operator"),
        (build_graph([("RandomUniformLike", ["x"], ["y"], {"dtype": T.FLOAT})], INT, {"y": T.FLOAT}), "graph.operator"),
        (build_graph([("NonZero", ["x"], ["y"])], INT, {"y": T.INT64}), "graph.operator"),
        (build_graph([("Expand", ["x", "s"], ["y"])], INT | {"s": (T.INT64, [2])}, {"y": T.INT32}), "graph.shape"),
        (build_graph([("Add", ["x", "z"], ["y"])], INT | {"z": (T.INT32, ["m", 4])}, {"y": T.INT32}), "graph.shape"),
        (build_graph([("Tile", ["x", "r"], ["y"])], INT, {"y": T.INT32}, {"r": np.array([2**20, 99])}), "graph.cost"),
        (build_graph([("Identity", ["x"], ["y"])], INT, {"y": T.INT32}, opset=5), "graph.operator"),
    ],
    ids=str.split("empty junk cut loop external domain random nonzero expand two-open tile old"),
)  # fmt: skip
def test_a_graph_that_could_harm_a_node_is_refused(content: bytes, reason: str) -> None:
    assert refuse(content, (XI,), (YI,)).startswith(reason)


def test_a_manifest_that_does_not_fit_its_graph_is_refused() -> None:
    content = build_linear(WEIGHTS)
    assert "model.schema_mismatch" in refuse(content, (spec("x", "int8", None, 4),), (Y32,))
    assert "model.schema_mismatch" in refuse(content, (spec("z", "uint8", None, 4),), (Y32,))
    assert "more dimensions" in refuse(content, (spec("x", "uint8"),), (Y32,))
    assert "not_deterministic" in refuse(content, (X8,), (Y32,), determinism=Determinism.NONE)
    with pytest.raises(SpcRevert, match=r"manifest\.invalid"):
        Inference().call("publish", b"{}")
    with pytest.raises(SpcRevert, match="at most 65536 bytes"):
        Inference().call("publish", bytes(65537))


OTHERS = encode_features(describe(b"", (spec("x", "uint8", None, 5),), (Y32,)), {"x": np.zeros((1, 5), np.uint8)})


@pytest.mark.parametrize("features", [b"", b"junk", bytes(320), OTHERS])
def test_features_that_do_not_fit_revert_with_what_is_wanted(features: bytes) -> None:
    inference = Inference()
    model = inference.publish_linear(WEIGHTS)
    with pytest.raises(SpcRevert, match=r"features\.mismatch: test/model:1 takes x uint8 \[null, 4\]"):
        inference.call("infer", model, features)


def test_a_graph_that_fails_on_its_features_reverts() -> None:
    content = build_graph(
        [("Gather", ["table", "x"], ["y"])],
        {"x": (T.INT64, [1])},
        {"y": T.INT32},
        {"table": np.arange(5, dtype=np.int32)},
    )
    manifest = describe(content, (spec("x", "int64", 1),), (spec("y", "int32", 1),))
    inference = Inference()
    model = inference.publish(manifest, content)
    good = inference.call("infer", model, encode_features(manifest, {"x": np.array([4])}))
    assert decode_outputs(manifest, good)["y"].tolist() == [4]
    with pytest.raises(SpcRevert, match=r"model\.failed"):
        inference.call("infer", model, encode_features(manifest, {"x": np.array([5])}))


def test_gas_counts_the_work_of_the_rows_given() -> None:
    inference = Inference()
    model = inference.publish_linear(np.ones((256, 256), np.int8))
    macs = [256 * 256 * rows + 16 * 256 * rows + 8192 for rows in (1, 10, 1000)]
    quotes = [inference.call("quote", model, rows) for rows in (1, 10, 1000)]
    work = [(20 * m + 1023) // 1024 for m in macs]
    assert quotes[2] - quotes[1] == work[2] - work[1]
    assert quotes[1] - quotes[0] >= work[1] - work[0] + Prices().shape_operator  # rows take their shapes to be inferred
    assert quotes[0] >= work[0] + Prices().inference + Prices().load


def test_a_cost_that_jumps_between_extents_is_known_at_each() -> None:
    """A slice that is empty at most extents, and then holds a hundred rows that are made very long."""
    nodes = [
        ("Slice", ["x", "far", "end", "rows"], ["late"]),
        ("Slice", ["late", "back", "fifty", "rows"], ["bump"]),
        ("Tile", ["bump", "often"], ["long"]),
        ("ReduceSum", ["long", "rows"], ["y"], {"keepdims": 1}),
    ]
    constants = {"far": [1025], "end": [2**31], "rows": [0], "back": [-100], "fifty": [50], "often": [1, 5000]}
    content = build_graph(
        nodes, {"x": (T.INT32, ["n", 4])}, {"y": T.INT32}, {k: np.array(v, np.int64) for k, v in constants.items()}
    )
    manifest = describe(content, (XI,), (spec("y", "int32", 1, 20000),))
    inference = Inference()
    model = inference.publish(manifest, content)
    quotes = {n: inference.call("quote", model, n) for n in (1024, 1075, 2048)}
    assert quotes[1075] - quotes[1024] > 500_000
    assert abs(quotes[2048] - quotes[1024]) < 20_000


def test_more_work_than_the_limit_is_refused_before_it_is_done() -> None:
    inference = Inference(Limits(macs=100_000))
    model = inference.publish_linear(np.ones((64, 64), np.int8))
    manifest = describe(b"", (spec("x", "uint8", None, 64),), (Y32,))
    inference.call("infer", model, encode_features(manifest, {"x": np.zeros((10, 64), np.uint8)}))
    with pytest.raises(SpcRevert, match=r"graph\.cost: it takes \d+ multiply-accumulates, 100000 are allowed"):
        inference.call("infer", model, encode_features(manifest, {"x": np.zeros((30, 64), np.uint8)}))


def test_work_is_paid_for_before_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    inference = Inference()
    model = inference.publish_linear(np.ones((64, 64), np.int8))
    features = encode_features(
        describe(b"", (spec("x", "uint8", None, 64),), (Y32,)), {"x": np.zeros((99, 64), np.uint8)}
    )
    inference.call("infer", model, features)
    needed = inference.gas_used
    ran = []
    monkeypatch.setattr("infernet.vm.spc.models.loaded.LoadedModel.run", lambda *_: ran.append(1))
    with pytest.raises(SpcOutOfGas):
        inference.call("infer", model, features, gas=2 * Prices().call + Prices().inference + 10_000)
    assert not ran
    monkeypatch.undo()
    inference.spc = TensorInference(Prices(), Limits())
    inference.call("infer", model, features, gas=needed)
    assert inference.gas_used == needed  # the same for a node that had nothing in memory


def test_a_static_call_runs_models_and_publishes_none() -> None:
    inference, content = Inference(), build_linear(WEIGHTS)
    for function, argument in (("putBlob", content), ("publish", b"{}"), ("assemble", [bytes(32)])):
        with pytest.raises(SpcRevert, match="static"):
            inference.call(function, argument, is_static=True)


def test_models_in_memory_are_bounded() -> None:
    loaded = LoadedModels(max_models=2)
    inference = Inference()
    inference.spc = TensorInference(Prices(), Limits(), loaded)
    features = encode_features(describe(b"", (spec("x", "uint8", None, 1),), (Y32,)), {"x": np.ones((1, 1), np.uint8)})
    models = [inference.publish_linear(np.full((1, 1), number, np.int8)) for number in range(5)]
    for _ in range(2):
        outputs = [inference.call("infer", model, features) for model in models]
        assert [int.from_bytes(output[-32:], "big") for output in outputs] == list(range(5))
        assert len(loaded) == 2


def test_trees_and_linear_models_of_scikit_learn_run() -> None:
    linear = onnx.helper.make_node(
        "LinearRegressor", ["x"], ["y"], domain="ai.onnx.ml", coefficients=[0.5, 1.0, 0.0, 2.0], intercepts=[1.0]
    )
    tree = onnx.helper.make_node(
        "TreeEnsembleRegressor",
        ["x"],
        ["y"],
        domain="ai.onnx.ml",
        n_targets=1,
        nodes_treeids=[0, 0, 0],
        nodes_nodeids=[0, 1, 2],
        nodes_featureids=[1, 0, 0],
        nodes_values=[0.5, 0.0, 0.0],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"],
        nodes_truenodeids=[1, 0, 0],
        nodes_falsenodeids=[2, 0, 0],
        target_ids=[0, 0],
        target_treeids=[0, 0],
        target_nodeids=[1, 2],
        target_weights=[3.0, 4.0],
    )
    rows = np.array([[2, 0, 9, 1], [0, 1, 0, 0]], np.float32)
    for node, expected in ((linear, [4.0, 2.0]), (tree, [3.0, 4.0])):
        graph = onnx.helper.make_graph(
            [node],
            "g",
            [onnx.helper.make_tensor_value_info("x", T.FLOAT, [None, 4])],
            [onnx.helper.make_tensor_value_info("y", T.FLOAT, [None, 1])],
        )
        opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("ai.onnx.ml", 3)]
        content = bytes(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
        y = spec("y", "float32", None, 1, encoding="int256[]", scale=3, rounding=rounded(3))
        manifest = describe(content, (XF,), (y,), Determinism.ROUNDED)
        inference = Inference()
        model = inference.publish(manifest, content)
        output = inference.call("infer", model, encode_features(manifest, {"x": rows}))
        assert [int.from_bytes(output[at : at + 32], "big") for at in (64, 96)] == [int(1000 * e) for e in expected]
