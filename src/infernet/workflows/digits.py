"""Trains a classifier of handwritten digits on the real scans that ship with scikit-learn, and makes it a model folder.

Why its determinism is `exact`: the graph is integer throughout, a uint8 × int8 matrix product into int32, a bias, and
the first largest score. The weights have 7 bits (-63 … 63), so the pairwise int16 sums of CPUs without VNNI (at most
2 · 255 · 63 = 32,130) cannot saturate, whatever the pixels are.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infernet.compute.onnx_runner import load_onnx
from infernet.errors import NodeMisconfigured
from infernet.models import MANIFEST_FILE, build_onnx_manifest
from infernet.protocol.manifest import Dataset, Determinism, Manifest, Provenance, TensorSpec, encode_manifest
from infernet.protocol.model_codec import decode_outputs, encode_features
from infernet.workflows.graphs import LARGEST_WEIGHT, build_linear_classifier, build_missing, quantise

MODEL_NAME = "demo/digits:1"
PIXELS = TensorSpec(name="pixels", dtype="uint8", shape=(None, 64), encoding="tensor")
LABEL = TensorSpec(name="label", dtype="int64", shape=(None,), encoding="int256[]")
_REGULARISATION = 0.03


@dataclass(frozen=True, slots=True, eq=False)
class TrainedDigits:
    """The model and the rows that it never saw."""

    manifest: Manifest
    folder: Path
    pixels: NDArray[np.uint8]
    """Held-out rows, shape [n, 64], 0 … 16."""
    labels: NDArray[np.int64]
    """Their true digits, shape [n]."""
    accuracy: float
    """Of the model's labels on the held-out rows."""


def train_digits(folder: Path, *, name: str = MODEL_NAME, seed: int = 7, held_out_share: float = 0.25) -> TrainedDigits:
    """Train, export, check and describe the model; the folder then holds model.onnx and manifest.json.

    Raises:
        NodeMisconfigured: `demo.not_installed`; `training.mismatch` when the exported graph does not repeat the model.
    """
    train_pixels, pixels, train_labels, labels, dataset_sha256 = _read_digits(seed, held_out_share)
    classifier = _fit(train_pixels, train_labels)
    weights, bias = _quantise(classifier)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    path.write_bytes(build_linear_classifier("digits", weights, bias, feature="pixels", label="label", dtype="uint8"))

    scores = pixels.astype(np.int64) @ weights + bias
    original = scores.argmax(axis=1)
    best_two = np.sort(scores, axis=1)[:, -2:]
    accuracy = float((original == labels).mean())
    metrics = {
        "held_out_rows": str(len(labels)),
        "held_out_accuracy": f"{accuracy:.4f}",
        "agreement_with_float_model": f"{float((classifier.predict(pixels) == original).mean()):.4f}",
        "smallest_score_gap": str(int((best_two[:, 1] - best_two[:, 0]).min())),
    }
    manifest = _describe(path, name, dataset_sha256, metrics)
    (folder / MANIFEST_FILE).write_bytes(encode_manifest(manifest))
    _check_export(manifest, folder, pixels, original)
    return TrainedDigits(manifest, folder, pixels, labels, accuracy)


def _read_digits(seed: int, held_out_share: float) -> tuple[Any, Any, Any, Any, str]:
    try:
        from sklearn.datasets import load_digits  # noqa: PLC0415  (heavy, and an extra)
        from sklearn.model_selection import train_test_split  # noqa: PLC0415
    except ModuleNotFoundError:
        raise build_missing("scikit-learn") from None
    data = load_digits()
    pixels, labels = data.data.astype(np.uint8), data.target.astype(np.int64)
    digest = hashlib.sha256(pixels.tobytes() + labels.astype(np.uint8).tobytes()).hexdigest()
    parts = train_test_split(pixels, labels, test_size=held_out_share, random_state=seed, stratify=labels)
    return *parts, digest


def _fit(pixels: NDArray[np.uint8], labels: NDArray[np.int64]) -> Any:
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    return LogisticRegression(C=_REGULARISATION, max_iter=3000).fit(pixels.astype(np.float64), labels)


def _quantise(classifier: Any) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """Weights [64, 10] and bias [10] on one common scale, which leaves the order of the scores alone."""
    largest = float(np.abs(classifier.coef_).max())
    bias = np.rint(classifier.intercept_ * (LARGEST_WEIGHT / largest)).astype(np.int32)
    return quantise(classifier.coef_.T, largest), bias


def _describe(path: Path, name: str, dataset_sha256: str, metrics: dict[str, str]) -> Manifest:
    provenance = Provenance(
        dataset=Dataset(name="UCI Optical Recognition of Handwritten Digits (scikit-learn)", sha256=dataset_sha256),
        metrics=metrics,
        licence="Apache-2.0; the data is CC-BY-4.0",
    )
    return build_onnx_manifest(
        path,
        name,
        determinism=Determinism.EXACT,
        inputs=(PIXELS,),
        outputs=(LABEL,),
        description="Tells which digit an 8 x 8 scan shows: a linear classifier with 7-bit integer weights",
        provenance=provenance,
    )


def _check_export(manifest: Manifest, folder: Path, pixels: NDArray[np.uint8], expected: NDArray[Any]) -> None:
    """Run the exported model on every held-out row, through the encodings that a contract uses."""
    run = load_onnx(encode_manifest(manifest).decode(), str(folder))
    found = decode_outputs(manifest, run(encode_features(manifest, {"pixels": pixels})))["label"]
    if not np.array_equal(found, expected):
        rows = int((found != expected).sum())
        raise NodeMisconfigured(
            "training.mismatch",
            f"the exported graph answers {rows} of {len(expected)} held-out rows unlike the model it was made from: "
            "install the versions of onnx and onnxruntime that 'infernet[demo]' asks for",
        )
