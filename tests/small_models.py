"""A small model that runs, in a folder as a workflow leaves it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from infernet.models import MANIFEST_FILE, build_onnx_manifest
from infernet.protocol.manifest import Determinism, Manifest, TensorSpec, encode_manifest
from infernet.workflows.graphs import build_linear_classifier

FEATURES = TensorSpec(name="features", dtype="uint8", shape=(None, 3), encoding="int256[]")
LABEL = TensorSpec(name="label", dtype="int64", shape=(None,), encoding="int256[]")


def write_model(folder: Path, name: str = "demo/largest:1", *, favourite: int = 0) -> Manifest:
    """Says which of three numbers is the largest; `favourite` has an advantage of 10."""
    folder.mkdir(parents=True)
    bias = np.where(np.arange(3) == favourite, 10, 0).astype(np.int32)
    weights = np.eye(3, dtype=np.int8)
    path = folder / "model.onnx"
    path.write_bytes(
        build_linear_classifier("largest", weights, bias, feature="features", label="label", dtype="uint8")
    )
    manifest = build_onnx_manifest(
        path, name, determinism=Determinism.EXACT, inputs=(FEATURES,), outputs=(LABEL,), description="The largest"
    )
    (folder / MANIFEST_FILE).write_bytes(encode_manifest(manifest))
    return manifest
