"""What nodes do for a published model is paid for, whatever they have in memory and whatever comes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from spc_harness import Harness
from spc_models import Inference, Operator, T, build_graph, build_linear, describe, spec
from test_spc_embeddings import TOKENIZER, Texts

from infernet.protocol.model_codec import encode_features
from infernet.testing.spc_call import MemoryBlobs
from infernet.vm.spc.call import SpcOutOfGas, SpcRevert
from infernet.vm.spc.models.graph import Skeleton
from infernet.vm.spc.models.loaded import LoadedModels
from infernet.vm.spc.prices import Limits, Prices
from infernet.vm.spc.tensor import TensorInference

PRICES = Prices()
XI, YI = spec("x", "int32", None, 4), spec("y", "int32", None, 4)


def build_chain(nodes: int, rows: Any = "n") -> bytes:
    names = ["x", *(f"v{place}" for place in range(1, nodes)), "y"]
    operators = [("Identity", [names[place]], [names[place + 1]]) for place in range(nodes)]
    return build_graph(operators, {"x": (T.INT32, [rows, 4])}, {"y": T.INT32})


def publish_chain(inference: Inference, nodes: int, rows: int | None = None) -> bytes:
    content = build_chain(nodes, rows or "n")
    x, y = (spec(name, "int32", rows, 4) for name in "xy")
    return inference.publish(describe(content, (x,), (y,)), content)


def spend(harness: Harness, *arguments: Any) -> tuple[int, str]:
    """Gas, and why it was refused."""
    try:
        harness.call(*arguments)
    except SpcRevert as error:
        return harness.gas_used, error.reason
    return harness.gas_used, ""


@pytest.fixture
def inferred(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The extents at which shapes were inferred."""
    extents: list[int] = []
    infer = Skeleton.infer

    def count(self: Skeleton, extent: int) -> Any:
        extents.append(extent)
        return infer(self, extent)

    monkeypatch.setattr(Skeleton, "infer", count)
    return extents


def test_shapes_are_inferred_again_for_open_graphs_alone(inferred: list[int]) -> None:
    inference = Inference()
    closed, opened = publish_chain(inference, 50, 2), publish_chain(inference, 50)
    inferred.clear()
    quotes = {inference.call("quote", closed, extent) for extent in (0, 1, 2, 7, 2**200)}
    assert len(quotes) == 1
    inference.call("quote", opened, 1)
    assert inferred == []
    inference.call("quote", opened, 7)
    assert inferred == [7]


def test_inferring_shapes_is_paid_for_each_operator_even_where_it_fails(inferred: list[int]) -> None:
    inference = Inference(Limits(macs=10_000_000))
    model = publish_chain(inference, 500)
    inferred.clear()
    for extent in (5, 300_000, 5):  # the second is beyond the limit
        gas, reason = spend(inference, "quote", model, extent)
        assert reason.startswith("graph.cost") == (extent == 300_000)
        assert gas >= 500 * (PRICES.shape_operator + PRICES.load_operator)
    needed = inference.gas_used
    inferred.clear()
    with pytest.raises(SpcOutOfGas):
        inference.call("quote", model, 9, gas=needed - 5_000)
    assert inferred == []


def test_an_extent_that_no_graph_can_have_is_refused_at_once(inferred: list[int]) -> None:
    inference = Inference()
    model = publish_chain(inference, 3)
    inferred.clear()
    for extent in (2**31, 2**63, 2**255):
        with pytest.raises(SpcRevert, match=r"graph\.cost"):
            inference.call("quote", model, extent)
    assert inferred == []


def test_a_use_pays_for_loading_however_often_it_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[int] = []

    def build(graph: Any) -> Skeleton:
        loads.append(1)
        return Skeleton(graph)

    monkeypatch.setattr("infernet.vm.spc.models.shelf.Skeleton", build)
    inference = Inference()
    models = [publish_chain(inference, nodes) for nodes in (20, 21, 22)]
    features = encode_features(describe(b"", (XI,), (YI,)), {"x": np.zeros((1, 4), np.int32)})
    used: dict[int, list[int]] = {}
    for kept in (512, 2, 1):
        inference.spc = TensorInference(PRICES, Limits(), LoadedModels(max_models=kept))
        loads.clear()
        used[kept] = []
        for _ in range(3):
            for model in models:
                inference.call("infer", model, features)
                used[kept].append(inference.gas_used)
        assert len(loads) == (3 if kept == 512 else 9)
    assert used[512] == used[2] == used[1]
    assert min(used[1]) >= PRICES.load + 20 * PRICES.load_operator


def test_the_inputs_and_outputs_of_one_operator_count_too() -> None:
    parts = [f"s{place}" for place in range(500)]
    many = [("Concat", ["x"] * 500, ["c"], {"axis": 0}), ("Split", ["c"], parts, {"axis": 0})]
    one = [("Identity", ["x"], ["s0"])]
    quotes = []
    for nodes in (many, one):
        content = build_graph([*nodes, ("Identity", ["s0"], ["y"])], {"x": (T.INT32, ["n", 4])}, {"y": T.INT32})
        inference = Inference()
        quotes.append(inference.call("quote", inference.publish(describe(content, (XI,), (YI,)), content), 1))
    assert quotes[0] - quotes[1] >= (500 + 500 // 8) * PRICES.load_operator


def test_publication_is_paid_for_by_operators_before_they_are_looked_at(inferred: list[int]) -> None:
    inference, costs = Inference(), {}
    for nodes in (10, 1_010):
        publish_chain(inference, nodes)
        costs[nodes] = inference.gas_used
    assert costs[1_010] - costs[10] >= 1_000 * (PRICES.load_operator + 2 * PRICES.shape_operator)
    inferred.clear()
    content = build_chain(1_011)
    manifest = describe(content, (XI,), (YI,))
    inference.call("putBlob", content)
    with pytest.raises(SpcOutOfGas):
        inference.call("publish", manifest.model_dump_json().encode(), gas=PRICES.publish + 1_000_000)
    assert inferred == []


def refuse(content: bytes, x: Any, y: Any) -> str:
    with pytest.raises(SpcRevert) as caught:
        Inference().publish(describe(content, (x,), (y,)), content)
    return caught.value.reason


def test_values_of_ever_more_dimensions_are_refused_before_their_shapes_are_inferred(inferred: list[int]) -> None:
    names = ["x", *(f"v{place}" for place in range(1, 28)), "y"]
    x, y = spec("x", "int64", 1, 1), spec("y", "int64", 1, 1)
    doubling = [("Gather", [names[at], names[at]], [names[at + 1]]) for at in range(28)]
    assert "at most 16 dimensions" in refuse(build_graph(doubling, {"x": (T.INT64, [1, 1])}, {"y": T.INT64}), x, y)
    growing = [("Unsqueeze", [names[at], "axes"], [names[at + 1]]) for at in range(28)]
    axes = {"axes": np.array([0, 1])}
    assert "at most 16 dimensions" in refuse(build_graph(growing, {"x": (T.INT64, [1, 1])}, {"y": T.INT64}, axes), x, y)
    shape = {"shape": np.ones(17, np.int64)}
    for operator in ("Reshape", "Expand"):
        content = build_graph([(operator, ["x", "shape"], ["y"])], {"x": (T.INT64, [1, 1])}, {"y": T.INT64}, shape)
        assert "at most 16 dimensions" in refuse(content, x, y)
    wide = build_graph([("Identity", ["x"], ["y"])], {"x": (T.INT64, [1] * 17)}, {"y": T.INT64})
    assert "at most 16 dimensions" in refuse(wide, spec("x", "int64", *[1] * 17), spec("y", "int64", *[1] * 17))
    assert inferred == []


def test_a_graph_of_many_outputs_is_refused() -> None:
    outputs = [f"y{place}" for place in range(65)]
    content = build_graph(
        [("Identity", ["x"], [name]) for name in outputs], {"x": (T.INT32, [1, 1])}, dict.fromkeys(outputs, T.INT32)
    )
    assert "graph.unsafe: a graph has at most 64 outputs" in refuse(
        content, spec("x", "int32", 1, 1), spec("y0", "int32", 1, 1)
    )


def test_what_is_computed_while_a_graph_is_loaded_is_paid_for_with_it() -> None:
    """Constants that are multiplied by one another, beside what the input goes into."""
    used = {}
    for name, source in (("folded", "w"), ("not folded", "x")):
        inference = Inference()
        nodes: list[Operator] = [
            ("MatMulInteger", [source, "w"], ["m"]),
            ("ReduceSum", ["m", "axes"], ["s"]),
            ("Cast", ["x"], ["i"], {"to": T.INT32}),
            ("Add", ["s", "i"], ["y"]),
        ]
        constants = {"w": np.full((256, 256), 3, np.uint8), "axes": np.array([0, 1])}
        content = build_graph(nodes, {"x": (T.UINT8, [256, 256])}, {"y": T.INT32}, constants)
        x, y = spec("x", "uint8", 256, 256), spec("y", "int32", 256, 256)
        model = inference.publish(describe(content, (x,), (y,)), content)
        used[name] = inference.call("quote", model, 1)
    assert used["folded"] - used["not folded"] >= PRICES.kilomac * 256**3 // 1024


class CountingBlobs(MemoryBlobs):
    """Also counts how many bytes of them were read."""

    def __init__(self, kept: MemoryBlobs) -> None:
        super().__init__()
        self.by_hash = kept.by_hash
        self.read_bytes = 0

    def get(self, sha256: bytes) -> bytes:
        found = super().get(sha256)
        self.read_bytes += len(found)
        return found


@pytest.mark.parametrize("tokenizer", [b"[" + b"0," * 200_000 + b"0]", b"[" + b"0," * 2_000 + b"0]", TOKENIZER])
def test_a_tokenizer_is_read_at_its_price_or_not_at_all(tokenizer: bytes) -> None:
    texts = Texts()
    model = texts.publish(tokenizer)
    blobs = CountingBlobs(texts.state.blobs)
    texts.state.blobs = blobs
    spend(texts, "dimensionOf", model)  # the model is in memory now
    for arguments in (("dimensionOf", model), ("embed", model, "a text")):
        blobs.read_bytes = 0
        gas, reason = spend(texts, *arguments)
        assert blobs.read_bytes <= Limits().tokenizer_bytes
        assert gas >= PRICES.load + blobs.read_bytes * PRICES.load_byte
        assert ("model.not_for_texts" in reason) == (tokenizer is not TOKENIZER)
        assert spend(texts, *arguments) == (gas, reason)


def test_a_tokenizer_of_many_parts_is_paid_for_by_its_parts() -> None:
    texts = Texts()
    whole = texts.publish()
    texts.call("embed", whole, "")
    used = texts.gas_used
    texts = Texts()
    parts = [texts.models.call("putBlob", TOKENIZER[at : at + 1]) for at in range(len(TOKENIZER))]
    texts.models.call("assemble", parts)
    texts.call("embed", texts.publish(), "")  # its file stands there in parts already
    assert texts.gas_used - used >= (len(TOKENIZER) - 1) * PRICES.blob_read


def test_a_model_of_many_parts_is_paid_for_by_its_parts() -> None:
    content, used = build_linear(np.ones((4, 3), np.int8)), []
    manifest = describe(content, (spec("x", "uint8", None, 4),), (spec("y", "int32", None, 3),))
    for size in (len(content), 1):
        inference = Inference()
        parts = [inference.call("putBlob", content[at : at + size]) for at in range(0, len(content), size)]
        if size == 1:
            inference.call("assemble", parts)
        used.append(inference.call("quote", inference.publish(manifest, content), 1))
    assert used[1] - used[0] >= (len(content) - 1) * PRICES.blob_read
