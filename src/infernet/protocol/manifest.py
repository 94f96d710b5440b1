"""The manifest: what a model is, how ABI bytes map to its tensors, and what its outputs are good for.

A manifest's hash is its identity on chain, so its canonical form holds no floating-point number: metrics, margins and
amounts are decimal strings, and a field that is not set is absent. The canonical form of a given manifest is then the
same in every language and stays the same when later versions add fields.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Any, BinaryIO, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from infernet.errors import InvalidInput, NodeMisconfigured
from infernet.types import Hash32

NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]*/[a-z0-9][a-z0-9._-]*:[A-Za-z0-9][A-Za-z0-9._-]*$"

ModelName = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=200)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
DecimalString = Annotated[str, StringConstraints(pattern=r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$", max_length=80)]
UnsignedString = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]*)$", max_length=39)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\r\n]+$")]
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._/@:-]*$", max_length=100)]
Dtype = Literal[
    "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"
]  # fmt: skip
IntegerDtype = Literal["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
Extent = Annotated[
    Annotated[int, Field(ge=1, le=2**32 - 1)] | None,
    BeforeValidator(lambda extent: None if extent == -1 else extent),
]
"""One dimension; null (or -1 when read) is any number of at least 1, as the batch dimension is."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Flavour(StrEnum):
    """Which kind of engine loads the files."""

    ONNX = "onnx"
    SKLEARN = "sklearn"
    PYTORCH = "pytorch"
    PYFUNC = "pyfunc"
    LLM = "llm"


class Determinism(StrEnum):
    """What two honest nodes may expect of each other's outputs."""

    EXACT = "exact"
    """Integer arithmetic throughout: equal bit for bit on every machine."""
    ROUNDED = "rounded"
    """Equal after the outputs' rounding rules, whose margins were checked when the model was published."""
    NONE = "none"
    """Nothing: an assurance level that compares outputs refuses the model."""


class ManifestFile(_Frozen):
    """A file of the model, relative to its folder."""

    path: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    sha256: Sha256
    size_bytes: Annotated[int, Field(ge=0, le=2**53)]

    @model_validator(mode="after")
    def _stays_inside(self) -> Self:
        path = PurePosixPath(self.path)
        plain = str(path) == self.path and not any(c in self.path for c in "\\:\0")
        if path.is_absolute() or ".." in path.parts or not plain or self.path in {".", "manifest.json"}:
            raise ValueError(f"{self.path!r} is not a plain path inside the model's folder")
        return self


class Rounding(_Frozen):
    """The rule that makes outputs of different machines equal."""

    decimals: Annotated[int, Field(ge=0, le=30)]
    """Places kept, ties to even. For a label: 0."""
    margin: DecimalString
    """How far every output on the evaluation data stayed from where rounding turns; for a label, the smallest
    distance between the two best scores. In the output's (the score's) own unit."""


class Quantisation(_Frozen):
    """What an output loses because numbers travel with a fixed number of decimal places, on held-out rows.

    Measured between the graph's output for the features as they are and what a contract reads for the features as they
    travel.
    """

    rows: Annotated[int, Field(ge=1, le=2**53)]
    largest_difference: DecimalString | None = None
    """Of a number, in its own unit."""
    changed_labels: Annotated[int, Field(ge=0, le=2**53)] | None = None
    """Of a label: rows that get another one."""


class TensorSpec(_Frozen):
    """One input or output: what the graph sees, and how it travels.

    A float tensor that travels as integers (`int256[]`, or a `Tensor` with `wire_dtype`) is multiplied by 10^scale.
    An integer tensor travels as the integers it is; its scale then only says what they mean.
    """

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    dtype: Dtype
    shape: Annotated[tuple[Extent, ...], Field(max_length=32)]
    encoding: Literal["tensor", "int256[]"]
    scale: Annotated[int, Field(ge=0, le=30)] = 0
    wire_dtype: IntegerDtype | None = None
    """Dtype of the `Tensor` in ABI bytes where it is not the graph's own."""
    rounding: Rounding | None = None
    columns: Annotated[tuple[Line, ...], Field(min_length=1, max_length=10_000)] | None = None
    """What each entry of the last dimension is: a feature, a class."""
    classes: Annotated[tuple[Line, ...], Field(min_length=1, max_length=10_000)] | None = None
    """What a label stands for: 0 for the first. Absent where labels are the classes themselves."""
    quantisation: Quantisation | None = None

    @property
    def is_float(self) -> bool:
        return self.dtype.startswith("float")

    @property
    def travels_as_float(self) -> bool:
        return self.is_float and self.encoding == "tensor" and self.wire_dtype is None

    @property
    def tensor_dtype(self) -> str:
        return self.wire_dtype or self.dtype

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.encoding == "int256[]" and self.wire_dtype is not None:
            raise ValueError(f"{self.name}: wire_dtype belongs to the encoding 'tensor'")
        if self.encoding == "int256[]" and self.shape.count(None) > 1:
            raise ValueError(f"{self.name}: int256[] carries no shape, at most one dimension may be open")
        if self.scale and (self.travels_as_float or self.dtype == "bool"):
            raise ValueError(f"{self.name}: a {self.dtype} tensor has no scale, set a wire_dtype or use int256[]")
        if self.rounding and self.travels_as_float:
            raise ValueError(f"{self.name}: a rounded output travels as integers, set a wire_dtype or use int256[]")
        if self.rounding and self.rounding.decimals > self.scale:
            raise ValueError(f"{self.name}: rounding keeps {self.rounding.decimals} places, the scale {self.scale}")
        if self.columns and (not self.shape or self.shape[-1] not in {len(self.columns), None}):
            raise ValueError(f"{self.name}: {len(self.columns)} columns do not name the last dimension")
        if self.classes and self.is_float:
            raise ValueError(f"{self.name}: classes belong to integer labels")
        return self


class Hardware(_Frozen):
    """What the model needs. Absent: anything will do."""

    cpu_cores: Annotated[int, Field(ge=1, le=4096)] | None = None
    memory_bytes: Annotated[int, Field(ge=1, le=2**53)] | None = None
    gpus: Annotated[int, Field(ge=1, le=1024)] | None = None
    gpu_memory_bytes: Annotated[int, Field(ge=1, le=2**53)] | None = None


class Price(_Frozen):
    """What the publisher asks for one answer."""

    token: Annotated[str, StringConstraints(pattern=r"^(ETH|0x[0-9a-fA-F]{40})$")]
    amount: UnsignedString
    """In the token's smallest unit (wei for ETH)."""


class Dataset(_Frozen):
    """The data the model was trained on."""

    name: Line
    sha256: Sha256 | None = None


class Provenance(_Frozen):
    """Where the model comes from."""

    mlflow_run: Line | None = None
    dataset: Dataset | None = None
    metrics: dict[Identifier, DecimalString] | None = None
    licence: Line | None = None
    source: Line | None = None


class Manifest(_Frozen):
    """A model version. Immutable: a change is a new version."""

    schema_version: Literal[1] = 1
    name: ModelName
    flavour: Flavour
    files: Annotated[tuple[ManifestFile, ...], Field(min_length=1, max_length=10_000)]
    inputs: Annotated[tuple[TensorSpec, ...], Field(max_length=64)]
    outputs: Annotated[tuple[TensorSpec, ...], Field(max_length=64)]
    determinism: Determinism
    description: Line | None = None
    hardware: Hardware | None = None
    price: Price | None = None
    provenance: Provenance | None = None

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        _check_distinct("file", [file.path for file in self.files])
        for side, specs in (("input", self.inputs), ("output", self.outputs)):
            _check_distinct(side, [spec.name for spec in specs])
            if self.flavour is Flavour.ONNX and not specs:
                raise ValueError(f"an onnx model has at least one {side}")
        if any(spec.rounding for spec in self.inputs):
            raise ValueError("rounding belongs to outputs")
        if any(spec.quantisation or spec.classes for spec in self.inputs):
            raise ValueError("quantisation and classes belong to outputs")
        self._check_determinism()
        return self

    def _check_determinism(self) -> None:
        loose = [spec.name for spec in self.outputs if spec.is_float and spec.rounding is None]
        if self.determinism is Determinism.EXACT and any(spec.is_float for spec in self.outputs):
            raise ValueError("determinism 'exact' is for integer outputs: round the floats or declare 'none'")
        if self.determinism is Determinism.ROUNDED and loose:
            raise ValueError(f"determinism 'rounded' needs a rounding rule for {', '.join(loose)}")
        if self.determinism is Determinism.ROUNDED and not any(spec.rounding for spec in self.outputs):
            raise ValueError("determinism 'rounded' needs a rounding rule with its margin on at least one output")


def parse_manifest(content: bytes) -> Manifest:
    """A manifest from JSON.

    Raises:
        InvalidInput: `manifest.invalid`, naming the first field that is wrong.
    """
    try:
        return Manifest.model_validate_json(content, strict=True)
    except ValidationError as error:
        raise translate_validation(error) from None


def translate_validation(error: ValidationError) -> InvalidInput:
    """One line of the first thing that pydantic found wrong."""
    first = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "the manifest"
    return InvalidInput("manifest.invalid", f"{place}: {first['msg'].removeprefix('Value error, ')}")


def encode_manifest(manifest: Manifest) -> bytes:
    """The canonical form: UTF-8 JSON, keys sorted, no spaces, unset fields absent, no floating-point number."""
    fields = manifest.model_dump(mode="json", exclude_none=True)
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def compute_manifest_hash(manifest: Manifest) -> Hash32:
    """The sha256 of the canonical form: a model version's identity."""
    return Hash32(hashlib.sha256(encode_manifest(manifest)).digest())


def build_manifest_schema() -> dict[str, Any]:
    """The JSON Schema that is published for tools in other languages."""
    schema = Manifest.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "urn:infernet:manifest:1", **schema}


def check_file(file: ManifestFile, content: BinaryIO, model: str) -> None:
    """Compare a file's content, read from a stream, with what the manifest of `model` says of it.

    Raises:
        NodeMisconfigured: `model.hash_mismatch`.
    """
    found = hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type]
    if found != file.sha256:
        raise NodeMisconfigured(
            "model.hash_mismatch",
            f"{file.path} of {model} is not the file its manifest names (sha256 {found[:12]}…, expected "
            f"{file.sha256[:12]}…): add the model again from its source",
            model=model,
            path=file.path,
        )


def _check_distinct(what: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two entries for the {what} {twice[0]!r}")
