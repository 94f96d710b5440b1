"""Graphs that somebody tampered with: each is refused with a reason, or runs."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from spc_models import Inference, T, build_graph, build_linear, describe, onnx, rounded, spec

from infernet.protocol.manifest import Determinism, Manifest
from infernet.protocol.model_codec import encode_features
from infernet.vm.spc.call import SpcRevert
from infernet.vm.spc.models.operators import OPERATORS as ACCEPTED

CODES = {
    *("graph.cost", "graph.division", "graph.inexact", "graph.operator", "graph.shape", "graph.unreadable"),
    *("graph.unsafe", "model.failed", "model.schema_mismatch", "model.unreadable"),
    *("features.mismatch", "output.mismatch", None),
}
NUMBERS = (0, 1, 2, 3, 4, 6, 7, -1, 5, 10, 16, 64, 2**31, 2**40, 2**62, -(2**62))
NAMES = ("x", "w", "y", "d", "one", "s", "t", "r", "m", "")
OPERATORS = (*ACCEPTED, "Loop", "If", "Scan", "RandomNormal")
INT = {"x": (T.INT32, ["n", 4])}
CLIPPED = build_graph(
    [("Clip", ["x", "one", "nine"], ["d"]), ("Div", ["x", "d"], ["y"])],
    INT,
    {"y": T.INT32},
    {"one": np.array(1, np.int32), "nine": np.array(9, np.int32)},
)
SLICED = build_graph(
    [("Slice", ["x", "a", "b"], ["s"]), ("Tile", ["s", "r"], ["t"]), ("TopK", ["t", "k"], ["y", "places"])],
    INT,
    {"y": T.INT32, "places": T.INT64},
    {"a": np.array([0]), "b": np.array([1]), "r": np.array([1, 3]), "k": np.array([2])},
)
SOFTMAX = build_graph(
    [("MatMul", ["x", "w"], ["m"]), ("Softmax", ["m"], ["y"])],
    {"x": (T.FLOAT, ["n", 4])},
    {"y": T.FLOAT},
    {"w": np.eye(4, dtype=np.float32)},
)
FLOAT_IN = spec("x", "float32", None, 4, encoding="int256[]", scale=3)
FLOAT_OUT = spec("y", "float32", None, 4, encoding="int256[]", scale=6, rounding=rounded(3))
MODELS: list[tuple[bytes, Any, Any, Determinism]] = [
    (
        build_linear(np.eye(4, dtype=np.int8)),
        spec("x", "uint8", None, 4),
        spec("y", "int32", None, 4),
        Determinism.EXACT,
    ),
    (CLIPPED, spec("x", "int32", None, 4), spec("y", "int32", None, 4), Determinism.EXACT),
    (SLICED, spec("x", "int32", None, 4), spec("y", "int32", None, 2), Determinism.EXACT),
    (SOFTMAX, FLOAT_IN, FLOAT_OUT, Determinism.ROUNDED),
]


def list_fields(message: Any) -> list[tuple[Any, Any, int | None]]:
    """Each field that is set, of a protobuf message and of those in it; with an index where it is repeated."""
    found: list[tuple[Any, Any, int | None]] = []
    for field, value in message.ListFields():
        is_repeated = not isinstance(value, (str, bytes, int, float)) and not hasattr(value, "ListFields")
        values = list(value) if is_repeated else [value]
        for place, one in enumerate(values):
            if hasattr(one, "ListFields"):
                found += list_fields(one)
            else:
                found.append((message, field, place if is_repeated else None))
    return found


def tamper(content: bytes, source: random.Random) -> bytes:
    """The same model with up to three fields changed."""
    model = onnx.load_model_from_string(content)
    for _ in range(source.randint(1, 3)):
        message, field, place = source.choice(list_fields(model))
        old = getattr(message, field.name) if place is None else getattr(message, field.name)[place]
        new: Any
        match old:
            case str():
                new = source.choice(OPERATORS if field.name == "op_type" else NAMES)
            case bytes():
                new = source.choice([source.randbytes(source.choice((0, 1, 4, 8, 12))), source.choice(NAMES).encode()])
            case float():
                new = source.choice((0.0, 1e30, -1.0, float("nan")))
            case _:
                new = source.choice(NUMBERS)
        try:
            if place is None:
                setattr(message, field.name, new)
            else:
                getattr(message, field.name)[place] = new
        except (TypeError, ValueError):
            continue  # of another size than the field
    return bytes(model.SerializeToString())


def try_out(manifest: Manifest, content: bytes) -> str | None:
    """Publish and run a model; the code of its refusal, None where there is none."""
    inference, x = Inference(), manifest.inputs[0]
    row = np.full((2, 4), 3) if x.is_float else np.full((2, 4), 3, x.dtype)
    try:
        model = inference.publish(manifest, content)
        inference.call("infer", model, encode_features(manifest, {"x": row}))
    except SpcRevert as error:
        return error.reason.split(":")[0]
    return None


@pytest.mark.parametrize("seed", range(6))
def test_a_tampered_graph_is_refused_or_runs(seed: int) -> None:
    source = random.Random(seed)
    for _ in range(60):
        content, x, y, determinism = source.choice(MODELS)
        strange = tamper(content, source)
        assert try_out(describe(strange, (x,), (y,), determinism), strange) in CODES


@pytest.mark.parametrize("seed", range(4))
def test_bytes_that_were_damaged_are_refused_or_run(seed: int) -> None:
    source = random.Random(seed)
    for _ in range(60):
        content, x, y, determinism = source.choice(MODELS)
        strange = bytearray(content)
        for _ in range(source.randint(1, 3)):
            strange[source.randrange(len(strange))] = source.randrange(256)
        assert try_out(describe(bytes(strange), (x,), (y,), determinism), bytes(strange)) in CODES
