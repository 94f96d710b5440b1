"""The manifest of a trained model: the same for the same workflow, data, seed and packages, wherever it is trained."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import ValidationError

from infernet.protocol.manifest import (
    Dataset,
    Flavour,
    Manifest,
    ManifestFile,
    Provenance,
    TensorSpec,
    compute_manifest_hash,
    translate_validation,
)

if TYPE_CHECKING:
    from infernet.workflows.data import Rows, Table
    from infernet.workflows.flavours import Converted
    from infernet.workflows.workflow import TrainingWorkflow

MODEL_FILE = "model.onnx"
_VERSION_DIGITS = 12


def build_manifest(
    workflow: TrainingWorkflow,
    converted: Converted,
    rows: Rows,
    table: Table,
    *,
    data_hash: str,
    metrics: Mapping[str, str],
    source: str,
) -> Manifest:
    """It holds no time, no run and no number of a registry; its version is the hash of all the rest.

    Raises:
        InvalidInput: `manifest.invalid`.
    """
    content = converted.onnx
    file = ManifestFile(path=MODEL_FILE, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
    name = f"{workflow.namespace}/{workflow.name}"
    try:
        manifest = Manifest(
            name=f"{name}:0",
            flavour=Flavour.ONNX,
            files=(file,),
            inputs=tuple(_name_columns(spec, rows) for spec in converted.inputs),
            outputs=tuple(_name_classes(spec, rows) for spec in converted.outputs),
            determinism=converted.determinism,
            description=workflow.description,
            provenance=Provenance(
                dataset=Dataset(name=table.source, sha256=data_hash),
                metrics=dict(metrics),
                licence=table.licence,
                source=source[:500],
            ),
        )
    except ValidationError as error:
        raise translate_validation(error) from None
    version = compute_manifest_hash(manifest).hex()[:_VERSION_DIGITS]
    return manifest.model_copy(update={"name": f"{name}:{version}"})


def compute_schema_hash(rows: Rows) -> str:
    """Of what a model takes and gives: the features in their order, and the classes."""
    schema = {
        "columns": [[name, str(rows.features[name].dtype)] for name in rows.features.columns],
        "target": rows.target.name,
        "classes": rows.classes or rows.is_classes,
    }
    return hashlib.sha256(json.dumps(schema).encode()).hexdigest()


def describe_change(manifest: Manifest, rows: Rows) -> str:
    """How the rows' columns differ from those of a model, in words."""
    was, now = manifest.inputs[0].columns or (), rows.columns
    gone = [name for name in was if name not in now]
    new = [name for name in now if name not in was]
    parts = [f"without {', '.join(gone[:5])}"] if gone else []
    parts += [f"with {', '.join(new[:5])}"] if new else []
    if not parts and was != now:
        parts = ["in another order"]
    return "; ".join(parts) or "of another kind, or with other classes"


def _name_columns(spec: TensorSpec, rows: Rows) -> TensorSpec:
    fits = spec.shape and spec.shape[-1] in (len(rows.columns), None)
    return spec.model_copy(update={"columns": rows.columns}) if spec.columns is None and fits else spec


def _name_classes(spec: TensorSpec, rows: Rows) -> TensorSpec:
    if rows.classes is None or spec.is_float or spec.classes is not None:
        return spec
    return spec.model_copy(update={"classes": rows.classes})
