"""The tables of the manifest's fields, from its published JSON Schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from docs_table import build_code, build_table

SCHEMA = Path(__file__).resolve().parent.parent / "src" / "infernet" / "models" / "manifest.schema.json"
MANIFEST_WORDS = {
    "schema_version": "Of this format; always 1.",
    "name": "`namespace/name:version`, lower case; a version never changes.",
    "flavour": "Which kind of engine loads the files. Nodes serve `onnx` today.",
    "files": "The model's files: `path` inside its folder, `sha256`, `size_bytes`.",
    "inputs": "What the features hold, in order.",
    "outputs": "What the output holds, in order.",
    "determinism": "What two honest nodes may expect of each other's outputs.",
    "description": "One line for people.",
    "hardware": "What it needs: `cpu_cores`, `memory_bytes`, `gpus`, `gpu_memory_bytes`. Absent: anything will do.",
    "price": "What the publisher asks for one answer: `token` (`ETH` or an address), `amount` in its smallest unit.",
    "provenance": "`mlflow_run`, `dataset` (`name`, `sha256`), `metrics`, `licence`, `source`.",
}
TENSOR_WORDS = {
    "name": "As the graph calls it.",
    "dtype": "As the graph sees it.",
    "shape": "A number for each dimension, `null` where it is open.",
    "encoding": "How it travels: as a `Tensor` struct, or as a plain `int256[]`.",
    "scale": "Decimal places: a float that travels as integers is multiplied by 10^scale.",
    "wire_dtype": "Integer dtype of the `Tensor` in the ABI bytes, where it is not the graph's own.",
    "rounding": "Of an output: `decimals` that are kept, and the `margin` that was checked.",
    "columns": "What each entry of the last dimension is: a feature, a class.",
    "classes": "Of an output of labels: what each stands for, 0 for the first. Absent where labels are the classes.",
    "quantisation": "Of an output, on `rows` held-out rows: what fixed point costs, `largest_difference` of a number, "
    "`changed_labels` of a label.",
}


def render_manifest() -> str:
    """Fields of a manifest."""
    return _render(_read_schema(), MANIFEST_WORDS)


def render_tensor() -> str:
    """Fields of one input or output."""
    return _render(_read_schema()["$defs"]["TensorSpec"], TENSOR_WORDS)


def _read_schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return schema


def _render(schema: dict[str, Any], words: dict[str, str]) -> str:
    if set(schema["properties"]) != set(words):
        different = ", ".join(sorted(set(schema["properties"]) ^ set(words)))
        raise SystemExit(f"docs: the manifest's fields and their words in tools/docs_manifest.py differ: {different}")
    rows = ([build_code(n), _type(schema["properties"][n], n in schema["required"]), words[n]] for n in words)
    return build_table(["field", "type", "meaning"], rows)


def _type(field: dict[str, Any], is_required: bool) -> str:
    kinds = [kind for kind in field.get("anyOf", [field]) if kind.get("type") != "null"]
    kind = kinds[0]
    reference = kind.get("$ref", "").rpartition("/")[2]
    named = _read_schema()["$defs"].get(reference, kind)
    values = named.get("enum")
    text = " or ".join(f"`{value}`" for value in values) if values else named.get("type", "")
    if values and len(values) > 6:
        text = f"`{values[0]}` … `{values[-1]}`"
    return text if is_required else f"{text}, optional"
