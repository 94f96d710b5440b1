"""Real rows for the tests of flavours: those that learn and those that are held out, from data sets of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

from infernet.models import MANIFEST_FILE, build_onnx_manifest
from infernet.protocol.manifest import Manifest, encode_manifest
from infernet.workflows.data import Rows
from infernet.workflows.flavours import Converted

LOADERS = {"wine": load_wine, "cancer": load_breast_cancer, "diabetes": load_diabetes}


def split_rows(name: str, *, dtype: str = "float32", target: Any = None) -> tuple[Rows, Rows]:
    """Every third row is held out."""
    data = LOADERS[name](as_frame=True)
    features = data.data.astype(dtype)
    wanted = data.target if target is None else pd.Series(target(data))
    held_out = np.arange(len(features)) % 3 == 0
    rows = Rows(features, wanted)
    return rows.take(~held_out), rows.take(held_out)


def write_model(converted: Converted, folder: Any) -> Manifest:
    """The model's folder, as a node finds it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(converted.onnx)
    manifest = build_onnx_manifest(
        folder / "model.onnx",
        "tests/model:1",
        determinism=converted.determinism,
        inputs=converted.inputs,
        outputs=converted.outputs,
    )
    (folder / MANIFEST_FILE).write_bytes(encode_manifest(manifest))
    return manifest
