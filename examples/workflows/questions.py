"""Which part of SciPy does what somebody asks for? Learned from the first sentences of its own manual, in embeddings.

    pip install 'infernet[workflows]' wordllama
    infernet train examples/workflows/questions.py

The embeddings are WordLlama's, whose package brings them: a vector for each token, and the mean of them for a text.
The mean and the model are exact, so that nodes answer alike to the last bit. Where a node serves both, a contract asks
in plain words: the chain `embed,questions` turns abi.encode(text) into a vector, and the vector into the part's number.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from importlib.metadata import distribution
from typing import Any

import pandas as pd
from safetensors.numpy import load_file
from sklearn.svm import LinearSVC
from tokenizers import Tokenizer

from infernet.serve import container
from infernet.workflows import Export, Rows, Table, TrainingWorkflow

PARTS = ("fft", "integrate", "interpolate", "linalg", "ndimage", "optimize", "signal", "sparse", "special", "stats")
WORDLLAMA = distribution("wordllama")
TOKENIZER = Tokenizer.from_file(str(WORDLLAMA.locate_file("wordllama/tokenizers/l2_supercat_tokenizer_config.json")))
VECTORS = load_file(str(WORDLLAMA.locate_file("wordllama/weights/l2_supercat_256.safetensors")))["embedding.weight"]


def embed(text: str) -> Any:
    """Shape [256]. The vectors are of 16 bits: their sum in 64 bits is the same in any order."""
    return VECTORS[TOKENIZER.encode(text, add_special_tokens=False).ids].mean(axis=0, dtype="float64")


@container("embed", inputs=("string",), outputs=("int256[]",))
def embed_text(text: str) -> list[int]:
    if not text:
        raise ValueError("the text is empty")
    return [round(number * 10**6) for number in embed(text).tolist()]


def list_sentences() -> Iterator[tuple[str, str]]:
    for part in PARTS:
        module = importlib.import_module(f"scipy.{part}")
        for name in sorted(module.__all__):
            described = inspect.getdoc(getattr(module, name)) or ""
            texts = (text for text in described.split("\n\n") if text and not re.match(r"\w+\(", text))
            yield " ".join(next(texts, name).split()), part


class Questions(TrainingWorkflow):
    name, target, metric = "questions", "part", "accuracy"
    description = "Tells by its embedding which part of SciPy does what a text asks for"
    export = Export(exact=True)

    def load(self) -> Table:
        found = pd.DataFrame(list_sentences(), columns=["text", "part"]).drop_duplicates("text", ignore_index=True)
        vectors = pd.DataFrame([embed(text) for text in found["text"]]).add_prefix("v")
        return Table(vectors.assign(part=found["part"]), "First sentences of SciPy's manual", licence="BSD-3-Clause")

    def train(self, rows: Rows, C: float = 0.3, seed: int = 0) -> LinearSVC:
        return LinearSVC(C=C, random_state=seed).fit(rows.features, rows.target)
