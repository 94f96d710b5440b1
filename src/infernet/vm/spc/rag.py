"""Answers from a collection's texts, at 0x0812: embed, search, ask a model. Recorded as one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from infernet.vm.spc.addresses import RAG
from infernet.vm.spc.call import Spc, SpcCall, SpcRevert
from infernet.vm.spc.dispatch import Methods
from infernet.vm.spc.engines import Engines, Turn
from infernet.vm.spc.nested import View
from infernet.vm.spc.prices import Limits, Prices

INSTRUCTION = "Answer the question from the numbered passages alone. Where they do not say, answer: I do not know."
_ITEM = "(uint256,uint256,bytes,bytes)"
_EVERYTHING = (0, 0)
_FORM_BYTES = 64
"""What a passage or the question takes in the prompt beside its text, at most."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A text of a collection."""

    id: int
    text: str


class Embedder(Protocol):
    """Turns texts into vectors."""

    def embed(self, call: SpcCall, model: bytes, text: str) -> bytes:
        """One int8 for each dimension. Raises `SpcRevert` and `SpcOutOfGas`."""
        ...


class Retriever(Protocol):
    """Finds the texts whose vectors are nearest."""

    def find(self, call: SpcCall, collection: bytes, vector: bytes, k: int) -> Sequence[Passage]:
        """The nearest first. Raises `SpcRevert` and `SpcOutOfGas`."""
        ...


class SpcEmbedder:
    """`Embedder` by the precompile of embeddings."""

    def __init__(self, embeddings: Spc) -> None:
        self._embed = View(embeddings, "embed(bytes32,string)", ["bytes32", "string"], ["bytes"])

    def embed(self, call: SpcCall, model: bytes, text: str) -> bytes:
        """See `Embedder.embed`."""
        (vector,) = self._embed.call(call, model, text)
        return bytes(vector)


class SpcRetriever:
    """`Retriever` by the vector database."""

    def __init__(self, vectors: Spc) -> None:
        inputs, outputs = ["bytes32", "bytes", "uint16", "(uint256,uint256)"], ["uint256[]", "int256[]"]
        self._search = View(vectors, "search(bytes32,bytes,uint16,(uint256,uint256))", inputs, outputs)
        self._get = View(vectors, "get(bytes32,uint256)", ["bytes32", "uint256"], [_ITEM])

    def find(self, call: SpcCall, collection: bytes, vector: bytes, k: int) -> Sequence[Passage]:
        """See `Retriever.find`."""
        ids, _ = self._search.call(call, collection, vector, k, _EVERYTHING)
        return [Passage(number, self._read(call, collection, number)) for number in ids]

    def _read(self, call: SpcCall, collection: bytes, number: int) -> str:
        ((_, _, _, metadata),) = self._get.call(call, collection, number)
        return bytes(metadata).decode("utf-8", "replace")


class Rag:
    """The precompile."""

    address = RAG
    name = "rag"
    recorded = True

    def __init__(
        self, embedder: Embedder, retriever: Retriever, engines: Engines, prices: Prices, limits: Limits
    ) -> None:
        self._embedder = embedder
        self._retriever = retriever
        self._engines = engines
        self._limits = limits
        declaration = "answer(bytes32,bytes32,string,uint16,string,uint32) view returns (string,uint256[])"
        self._methods = Methods(prices, {declaration: self._answer})

    def run(self, call: SpcCall) -> bytes:
        """See `Spc.run`."""
        return self._methods.run(call)

    def _answer(
        self, call: SpcCall, collection: bytes, model: bytes, question: str, k: int, llm: str, max_tokens: int
    ) -> tuple[str, list[int]]:
        if not 1 <= k <= self._limits.passages:
            raise SpcRevert(f"an answer is made from 1 to {self._limits.passages} texts, not {k}")
        vector = self._embedder.embed(call, model, question)
        found = self._retriever.find(call, collection, vector, k)
        if not found:
            raise SpcRevert("the collection is empty: there is nothing to answer from")
        used = choose_passages(found, question, self._limits.prompt_bytes)
        completion = self._engines.chat(call, llm, build_turns(used, question), max_tokens, seed=0)
        return completion.text, [passage.id for passage in used]


def choose_passages(found: Sequence[Passage], question: str, prompt_bytes: int) -> list[Passage]:
    """The nearest ones that fit into a prompt together."""
    left = prompt_bytes - len(INSTRUCTION) - len(question.encode()) - _FORM_BYTES
    used: list[Passage] = []
    for passage in found:
        left -= len(passage.text.encode()) + _FORM_BYTES
        if left < 0:
            break
        used.append(passage)
    return used


def build_turns(passages: Sequence[Passage], question: str) -> list[Turn]:
    """What the model is told."""
    texts = [f"[{number}] {passage.text}" for number, passage in enumerate(passages, 1)]
    return [Turn("system", INSTRUCTION), Turn("user", "\n\n".join([*texts, f"Question: {question}"]))]
