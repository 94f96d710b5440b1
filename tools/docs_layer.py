"""The execution layer's tables: its precompiles, what they charge, what one call may ask for, and a layer's file."""

from __future__ import annotations

import ast
import inspect
import typing
from collections.abc import Mapping
from dataclasses import asdict

from docs_table import build_code, build_table

from infernet.layer_settings import TEMPLATE, Precompile
from infernet.vm.spc import addresses, prices
from infernet.vm.spc.embeddings import Embeddings
from infernet.vm.spc.http import Http
from infernet.vm.spc.llm import Llm
from infernet.vm.spc.prices import Limits, Prices
from infernet.vm.spc.proofs import ProofVerifier
from infernet.vm.spc.rag import Rag
from infernet.vm.spc.recorded_embeddings import RecordedEmbeddings
from infernet.vm.spc.tensor import TensorInference
from infernet.vm.spc.vectors.database import VectorDatabase

CLASSES = {
    "inference": TensorInference,
    "http": Http,
    "llm": Llm,
    "vectors": VectorDatabase,
    "embeddings": Embeddings,
    "embeddings-recorded": RecordedEmbeddings,
    "rag": Rag,
    "proofs": ProofVerifier,
}
CONTRACTS = {"training": addresses.TRAINING, "scheduler": addresses.SCHEDULER}
PAGES = {
    "inference": ("ITensorInference", "Inference"),
    "http": ("IHttp",),
    "llm": ("ILlm",),
    "vectors": ("IVectorDatabase", "Vectors"),
    "embeddings": ("Embeddings",),
    "embeddings-recorded": ("Embeddings",),
    "rag": ("IRag",),
    "training": ("Training", "TrainingConsumer"),
    "proofs": ("IProofVerifier", "Proofs"),
    "scheduler": ("Scheduler", "Scheduled"),
}
WORDS = {
    "inference": "Keeps published models and runs them.",
    "http": "Asks web servers that the operator lists.",
    "llm": "Asks language models that the operator names.",
    "vectors": "Keeps collections of vectors, filters and searches them.",
    "embeddings": "Turns texts into vectors, by published models.",
    "embeddings-recorded": "The same, and by float models that the operator names. In the place of `embeddings`.",
    "rag": "Embeds a question, searches a collection, has a language model answer from what was found.",
    "training": "Trains models between blocks and calls back.",
    "proofs": "Checks EZKL's zero-knowledge proofs.",
    "scheduler": "Makes calls in later blocks.",
}
_MODEL = ("inference", "load", "load_operator", "load_kilobyte", "load_byte", "kilomac")
CHARGES = {
    "inference": (*_MODEL, "shape_operator", "feature_word", "publish"),
    "http": ("http_request", "http_byte"),
    "llm": ("llm_request", "llm_prompt_byte", "llm_token"),
    "vectors": ("search", "search_rows", "kilomac", "training_row", "index_row", "training_kilomac"),
    "embeddings": (*_MODEL, "text_byte"),
    "embeddings-recorded": ("llm_request", *_MODEL, "text_byte"),
    "rag": (*_MODEL, "text_byte", "search", "search_rows", "llm_request", "llm_prompt_byte", "llm_token"),
    "proofs": ("proof", "proof_byte", "proof_instance", "circuit_column", "circuit_kilorow", "publish"),
}
"""Beside what every call pays: for itself, its bytes, its storage and its blobs."""
MEANINGS = {
    "storage_read": "A word of the precompile's storage.",
    "storage_new": "A word that was zero and no longer is.",
    "blob_read": "Reading what is kept by its hash.",
    "blob_write": "Keeping something by its hash.",
    "inference": "One inference.",
    "llm_prompt_byte": "For each byte of the prompt.",
    "proof_byte": "For each byte of a proof.",
    "proof_instance": "For each public input or output of a proof.",
    "blob_bytes": "Of what one `putBlob` keeps.",
    "manifest_bytes": "Of a model's manifest.",
    "rounded_models": "Whether floating-point models are taken that declare how their outputs are rounded.",
    "dimension": "Of a collection's vectors.",
    "metadata_bytes": "Of one vector's metadata.",
    "neighbours": "That one search gives.",
    "lists": "Of an index.",
    "text_bytes": "Of a text that is embedded.",
    "proof_bytes": "Of a proof.",
    "proof_instances": "Public inputs and outputs of a proof.",
    "prompt_bytes": "Of what a language model is asked.",
}
"""Of what explains itself in the source, but not in a table."""


def render_precompiles() -> str:
    """A row for each that a layer's file may name."""
    rows = []
    for name in typing.get_args(Precompile):
        if name not in WORDS:
            raise SystemExit(f"docs: the precompile {name!r} has no words in tools/docs_layer.py")
        pages = ", ".join(f"[{page}](reference/{page}.md)" for page in PAGES[name])
        charges = ", ".join(map(build_code, _check_prices(CHARGES.get(name, ())))) or "as any contract"
        rows.append([build_code(name), build_code(_find_address(name)), pages, _find_kind(name), WORDS[name], charges])
    header = ["in the file", "address", "interface", "answers are", "what it does", "price"]
    return build_table(header, rows)


def render_prices() -> str:
    """A row for each price."""
    return _render_values("price", "gas", asdict(Prices()), _read_docstrings()["Prices"])


def render_limits() -> str:
    """A row for each limit."""
    return _render_values("limit", "value", asdict(Limits()), _read_docstrings()["Limits"])


def render_layer_file() -> str:
    """The file that `infernet chain init` writes."""
    return f"```toml layer\n{TEMPLATE.format(chain_id=31337).strip()}\n```"


def _find_address(name: str) -> str:
    """Without most of its zeros."""
    address = CONTRACTS[name] if name in CONTRACTS else CLASSES[name].address
    return f"0x{int(address, 16):04x}"


def _find_kind(name: str) -> str:
    if name in CONTRACTS:
        return "a contract's"
    return "recorded" if CLASSES[name].recorded else "computed again"


def _check_prices(names: tuple[str, ...]) -> tuple[str, ...]:
    unknown = set(names) - set(asdict(Prices()))
    if unknown:
        raise SystemExit(f"docs: there is no price {min(unknown)!r}")
    return names


def _render_values(title: str, unit: str, values: Mapping[str, int], written: Mapping[str, str]) -> str:
    rows = []
    for name, value in values.items():
        meaning = MEANINGS.get(name) or written.get(name)
        if meaning is None:
            raise SystemExit(f"docs: nothing says what {name!r} means")
        shown = str(value).lower() if isinstance(value, bool) else f"{value:,}"
        rows.append([build_code(name), shown, meaning])
    return build_table([title, unit, "meaning"], rows)


def _read_docstrings() -> dict[str, dict[str, str]]:
    """Class → field → the text below it."""
    tree = ast.parse(inspect.getsource(prices))
    return {node.name: _read_fields(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _read_fields(node: ast.ClassDef) -> dict[str, str]:
    found = {}
    for field, text in zip(node.body, node.body[1:], strict=False):
        is_text = isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and is_text:
            found[field.target.id] = " ".join(str(text.value.value).split())
    return found
