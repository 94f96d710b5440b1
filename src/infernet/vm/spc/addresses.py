"""Where each stateful precompile stands, on every layer that enables it."""

from __future__ import annotations

from infernet.protocol.hashing import to_address
from infernet.types import Address


def _build(number: int) -> Address:
    return to_address(number.to_bytes(20, "big"))


TENSOR_INFERENCE = _build(0x0800)
HTTP = _build(0x0801)
LLM = _build(0x0802)
VECTOR_DATABASE = _build(0x0810)
EMBEDDINGS = _build(0x0811)
RAG = _build(0x0812)
TRAINING = _build(0x0813)
PROOF_VERIFIER = _build(0x0820)
SCHEDULER = _build(0x0830)
