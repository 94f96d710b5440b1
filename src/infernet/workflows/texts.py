"""Trains two models on the real texts that ship with scikit-learn, its manual's first paragraphs: one that turns a text
into a vector, one that tells the chapter of a vector. Both are integer graphs, of the kind that `digits` explains.

The first is latent semantic analysis: the directions in which the texts differ most, over counts of hashed words and
their parts (`protocol.ngrams`), weighed by how rare each is.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infernet.models import MANIFEST_FILE, build_onnx_manifest
from infernet.protocol.manifest import Dataset, Determinism, Manifest, Provenance, TensorSpec, encode_manifest
from infernet.protocol.ngrams import TOKENIZER_FILE, Tokenizer, scale
from infernet.workflows.graphs import (
    LARGEST_WEIGHT,
    Step,
    build_graph,
    build_linear_classifier,
    build_missing,
    quantise,
)

EMBEDDER_NAME, CLASSIFIER_NAME = "demo/texts:1", "demo/chapters:1"
CHAPTERS = (
    "cluster",
    "datasets",
    "decomposition",
    "ensemble",
    "feature_extraction.text",
    "linear_model",
    "metrics",
    "model_selection",
    "neighbors",
    "preprocessing",
)
TOKENIZER = Tokenizer(kind="hashed-ngrams-1", buckets=2048, shortest=4, longest=6)
DIMENSION = 64
_SHORTEST_TEXT, _LONGEST_TEXT = 40, 400
_REGULARISATION = 0.001
_SECTION = re.compile(r"\n(?:Parameters|Returns|Yields|Attributes|References|\.\. version)")
_ROLE = re.compile(r":[a-z:]+:`~?([^`]*)`|``?([^`]*)``?")


@dataclass(frozen=True, slots=True, eq=False)
class TrainedTexts:
    """The models and the texts that they never saw.

    Attributes:
        chapters: the true chapters of `texts`, as indices of `CHAPTERS`.
        accuracy: of the chapters that the models tell, on those texts.
    """

    embedder: Manifest
    classifier: Manifest
    folder: Path
    texts: tuple[str, ...]
    chapters: tuple[int, ...]
    accuracy: float

    @property
    def embedder_folder(self) -> Path:
        return self.folder / "embedder"

    @property
    def classifier_folder(self) -> Path:
        return self.folder / "classifier"


def train_texts(folder: Path, *, seed: int = 7, held_out_share: float = 0.25) -> TrainedTexts:
    """Train, export and describe both models, each in a folder of its own below this one.

    Raises:
        NodeMisconfigured: `demo.not_installed`.
    """
    texts, chapters = _read_manual()
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()
    train, held_out = _split(chapters, seed, held_out_share)
    counts = np.concatenate([TOKENIZER.count(text.encode()) for text in texts]).astype(np.int64)
    projection = _fit_projection(counts[train])
    vectors = np.array([np.frombuffer(scale(row @ projection), np.int8) for row in counts])
    weights, bias = _fit_classifier(vectors[train], chapters[train])
    found = (vectors[held_out].astype(np.int64) @ weights + bias).argmax(axis=1)
    accuracy = float((found == chapters[held_out]).mean())
    provenance = Provenance(
        dataset=Dataset(name="First paragraphs of scikit-learn's manual", sha256=digest),
        metrics={"held_out_rows": str(len(held_out)), "held_out_accuracy": f"{accuracy:.4f}"},
        licence="Apache-2.0; the texts are BSD-3-Clause",
    )
    return TrainedTexts(
        embedder=_write_embedder(folder / "embedder", projection, provenance),
        classifier=_write_classifier(folder / "classifier", weights, bias, provenance),
        folder=folder,
        texts=tuple(texts[row] for row in held_out),
        chapters=tuple(int(chapters[row]) for row in held_out),
        accuracy=accuracy,
    )


def _read_manual() -> tuple[list[str], NDArray[np.int64]]:
    """Each text once, in the order of chapters and names."""
    found = {text: chapter for chapter, name in enumerate(CHAPTERS) for text in _read_chapter(name)}
    return list(found), np.array(list(found.values()))


def _read_chapter(name: str) -> Iterator[str]:
    try:
        module = importlib.import_module(f"sklearn.{name}")
    except ModuleNotFoundError:
        raise build_missing("scikit-learn") from None
    for member in sorted(module.__all__):
        described = _SECTION.split(inspect.getdoc(vars(module).get(member)) or "")[0]
        plain = _ROLE.sub(lambda role: (role[1] or role[2] or "").rpartition(".")[2], described)
        text = " ".join(plain.split())[:_LONGEST_TEXT]
        if len(text) >= _SHORTEST_TEXT:
            yield text


def _split(chapters: NDArray[np.int64], seed: int, share: float) -> tuple[NDArray[Any], NDArray[Any]]:
    from sklearn.model_selection import train_test_split  # noqa: PLC0415  (heavy, and an extra)

    rows = np.arange(len(chapters))
    train, held_out = train_test_split(rows, test_size=share, random_state=seed, stratify=chapters)
    return train, held_out


def _fit_projection(counts: NDArray[np.int64]) -> NDArray[np.int8]:
    """Shape [buckets, DIMENSION]."""
    rarity = np.log((1 + len(counts)) / (1 + (counts > 0).sum(axis=0))) + 1
    weighed = np.log1p(counts) * rarity
    weighed /= np.linalg.norm(weighed, axis=1, keepdims=True)
    _, _, directions = np.linalg.svd(weighed, full_matrices=False)
    projection = directions[:DIMENSION].T * rarity[:, None]
    columns = [quantise(column, float(np.abs(column).max())) for column in projection.T]
    return np.stack(columns, axis=1)


def _fit_classifier(
    vectors: NDArray[np.int8], chapters: NDArray[np.int64]
) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """Weights [DIMENSION, chapters] and bias [chapters]."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    fitted = LogisticRegression(C=_REGULARISATION, max_iter=3000).fit(vectors.astype(np.float64), chapters)
    largest = float(np.abs(fitted.coef_).max())
    bias = np.rint(fitted.intercept_ * (LARGEST_WEIGHT / largest)).astype(np.int32)
    return quantise(fitted.coef_.T, largest), bias


def _write_embedder(folder: Path, projection: NDArray[np.int8], provenance: Provenance) -> Manifest:
    folder.mkdir(parents=True, exist_ok=True)
    path, tokenizer = folder / "model.onnx", folder / TOKENIZER_FILE
    step: Step = ("MatMulInteger", ["counts", "weights"], ["vector"], {})
    shapes = [1, len(projection)], [1, DIMENSION]
    inputs, outputs = {"counts": ("uint8", shapes[0])}, {"vector": ("int32", shapes[1])}
    path.write_bytes(build_graph("texts", [step], inputs, outputs, {"weights": projection}))
    tokenizer.write_text(TOKENIZER.model_dump_json(), encoding="utf-8")
    manifest = build_onnx_manifest(
        path,
        EMBEDDER_NAME,
        extra_files=(tokenizer,),
        determinism=Determinism.EXACT,
        inputs=(TensorSpec(name="counts", dtype="uint8", shape=(1, len(projection)), encoding="tensor"),),
        outputs=(TensorSpec(name="vector", dtype="int32", shape=(1, DIMENSION), encoding="int256[]"),),
        description=f"Turns a text into a vector of {DIMENSION} integers: latent semantic analysis with 7-bit weights",
        provenance=provenance,
    )
    (folder / MANIFEST_FILE).write_bytes(encode_manifest(manifest))
    return manifest


def _write_classifier(
    folder: Path, weights: NDArray[np.int8], bias: NDArray[np.int32], provenance: Provenance
) -> Manifest:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    graph = build_linear_classifier("chapters", weights, bias, feature="vector", label="chapter", dtype="int8")
    path.write_bytes(graph)
    manifest = build_onnx_manifest(
        path,
        CLASSIFIER_NAME,
        determinism=Determinism.EXACT,
        inputs=(TensorSpec(name="vector", dtype="int8", shape=(None, DIMENSION), encoding="tensor"),),
        outputs=(TensorSpec(name="chapter", dtype="int64", shape=(None,), encoding="int256[]"),),
        description="Tells which chapter of scikit-learn's manual the vector of a text belongs to",
        provenance=provenance,
    )
    (folder / MANIFEST_FILE).write_bytes(encode_manifest(manifest))
    return manifest
