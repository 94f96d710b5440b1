from __future__ import annotations

import math
import re
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from spc_harness import Harness
from spc_models import Inference, T, build_graph, describe, spec

from infernet.protocol.manifest import Manifest
from infernet.protocol.ngrams import scale
from infernet.vm.spc.addresses import TENSOR_INFERENCE
from infernet.vm.spc.call import SpcOutOfGas, SpcRevert
from infernet.vm.spc.embeddings import Embeddings
from infernet.vm.spc.prices import Limits, Prices

INTERFACE = """
embed(bytes32,string) -> (bytes)
dimensionOf(bytes32) -> (uint16)
"""
BUCKETS, DIMENSION = 512, 24
TOKENIZER = b'{"kind":"hashed-ngrams-1","buckets":512,"shortest":3,"longest":5}'
WEIGHTS = np.random.default_rng(4).integers(-64, 65, (BUCKETS, DIMENSION), dtype=np.int8)


def build(tokenizer: bytes | None = TOKENIZER, **changes: Any) -> tuple[Manifest, list[bytes]]:
    content = build_graph(
        [("MatMulInteger", ["counts", "w"], ["vector"])],
        {"counts": (T.UINT8, [changes.get("rows", 1), BUCKETS])},
        {"vector": T.INT32},
        {"w": WEIGHTS},
    )
    rows = changes.get("rows", 1)
    inputs = (spec("counts", "uint8", None if isinstance(rows, str) else rows, BUCKETS),)
    outputs = (spec("vector", "int32", None if isinstance(rows, str) else rows, DIMENSION),)
    more = {} if tokenizer is None else {"tokenizer.json": tokenizer}
    return describe(content, inputs, outputs, more=more), [content, *more.values()]


class Texts(Harness):
    """The embeddings, beside the precompile that keeps their models."""

    def __init__(self) -> None:
        super().__init__(Embeddings(Prices(), Limits()), INTERFACE)
        self.models = Inference()
        self.state.others[TENSOR_INFERENCE] = self.models.state.storage
        self.state.blobs = self.models.state.blobs

    def publish(self, *arguments: Any, **changes: Any) -> bytes:
        manifest, contents = build(*arguments, **changes)
        return self.models.publish(manifest, *contents)


def embed_by_definition(text: str) -> bytes:
    """In plain Python, from the description of the tokenizer and of the scaling."""
    lowered = "".join(c.lower() if "A" <= c <= "Z" else c for c in text).encode()
    counts = [0] * BUCKETS
    for word in re.findall(rb"[0-9a-z\x80-\xff]+", lowered):
        marked = b"<" + word[:64] + b">"
        parts = {(at, n) for n in (3, 4, 5) for at in range(len(marked) - n + 1) if n < len(marked)}
        for part in [marked, *(marked[at : at + n] for at, n in parts)]:
            counts[zlib.crc32(part) % BUCKETS] += 1
    row = [min(count, 255) for count in counts]
    vector = [sum(c * int(w) for c, w in zip(row, column, strict=True)) for column in WEIGHTS.T]
    length = math.isqrt(sum(x * x for x in vector) * 2**20)
    return np.array([(254 * 1024 * x + length) // (2 * length) if length else 0 for x in vector], np.int8).tobytes()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ...",
        "a",
        "Hello, World",
        "HELLO world",
        "naïve café 東京",
        "word " * 400,
        "x" * 300,
        "Ünïcödé",
        "\x00\x7f",
    ],
)
def test_a_vector_is_what_the_definition_says(text: str) -> None:
    texts = Texts()
    assert texts.call("embed", texts.publish(), text, is_static=True) == embed_by_definition(text)


def test_case_and_punctuation_do_not_matter_but_words_do() -> None:
    texts = Texts()
    model = texts.publish()
    assert texts.call("dimensionOf", model) == DIMENSION
    first, second, third = (texts.call("embed", model, t) for t in ("The red fox.", "the RED  fox", "A blue whale"))
    assert first == second
    inner = [int(np.frombuffer(first, np.int8).astype(int) @ np.frombuffer(v, np.int8)) for v in (first, third)]
    assert 15_500 < inner[0] < 16_700
    assert inner[1] < inner[0]


@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=40))
def test_a_scaled_vector_has_the_length_of_every_other(values: list[int]) -> None:
    scaled = np.frombuffer(scale(np.array(values, np.int64)), np.int8).astype(int)
    if not any(values):
        assert not scaled.any()
        return
    exact = [127 * value / math.hypot(*values) for value in values]
    assert np.abs(scaled - exact).max() < 0.51


def test_a_text_of_zero_weights_has_the_zero_vector() -> None:
    texts = Texts()
    assert texts.call("embed", texts.publish(), "") == bytes(DIMENSION)


@pytest.mark.parametrize(
    ("tokenizer", "changes", "reason"),
    [
        (None, {}, "has no tokenizer.json"),
        (b"{}", {}, "not one of hashed n-grams"),
        (TOKENIZER.replace(b"512", b"511"), {}, "is not an exact model from uint8"),
        (TOKENIZER.replace(b"ngrams-1", b"ngrams-2"), {}, "not one of hashed n-grams"),
        (TOKENIZER, {"rows": 2}, "is not an exact model from uint8"),
    ],
)
def test_a_model_that_is_not_for_texts_is_refused(tokenizer: bytes | None, changes: Any, reason: str) -> None:
    texts = Texts()
    model = texts.publish(tokenizer, **changes)
    for arguments in (("embed", model, "a text"), ("dimensionOf", model)):
        with pytest.raises(SpcRevert, match=f"model.not_for_texts: .*{reason}"):
            texts.call(*arguments)


def test_a_model_that_is_not_there_and_a_text_that_is_too_long_are_refused() -> None:
    texts = Texts()
    with pytest.raises(SpcRevert, match="was not published"):
        texts.call("embed", b"\x05" * 32, "a text")
    with pytest.raises(SpcRevert, match="at most 16384 bytes"):
        texts.call("embed", texts.publish(), "x" * 16_385)


def test_a_text_is_paid_for_by_its_bytes_before_it_is_read() -> None:
    texts = Texts()
    model = texts.publish()
    texts.call("embed", model, "a" * 32)
    short = texts.gas_used
    texts.call("embed", model, "a" * 1024)
    assert texts.gas_used - short == 992 * Prices().text_byte + 31 * Prices().calldata_word
    with pytest.raises(SpcOutOfGas):
        texts.call("embed", model, "a" * 1024, gas=texts.gas_used - 1)
    texts.spc = Embeddings(Prices(), Limits())
    texts.call("embed", model, "a" * 32, gas=short)
    assert texts.gas_used == short
