"""Embeddings by float models, at 0x0811. Recorded: machines differ in the last bits, so the block says what they were.

Models are known by the hash of their name; what is asked of any other goes to the bit-exact models behind this.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from infernet.protocol.hashing import keccak
from infernet.vm.spc.addresses import EMBEDDINGS
from infernet.vm.spc.call import Spc, SpcCall, SpcRevert
from infernet.vm.spc.dispatch import Methods
from infernet.vm.spc.engines import EngineFailed
from infernet.vm.spc.openai import OpenAiEndpoint
from infernet.vm.spc.outside import Question
from infernet.vm.spc.prices import Limits, Prices

_SELECTOR = keccak(b"embed(bytes32,string)")[:4]


class TextEmbedder(Protocol):
    """A float model."""

    def embed(self, text: str) -> Sequence[float]:
        """Raises `EngineFailed`."""
        ...


class OpenAiEmbedder:
    """`TextEmbedder` on an endpoint of the OpenAI shape."""

    def __init__(self, endpoint: OpenAiEndpoint, model: str) -> None:
        self._endpoint = endpoint
        self._model = model

    def embed(self, text: str) -> Sequence[float]:
        """Raises `EngineFailed`."""
        answer = self._endpoint.post("embeddings", {"model": self._model, "input": text, "encoding_format": "float"})
        try:
            return [float(value) for value in answer["data"][0]["embedding"]]
        except (KeyError, IndexError, TypeError, ValueError):
            raise EngineFailed("the engine's answer has another shape than OpenAI's") from None


class RecordedEmbeddings:
    """The precompile.

    Args:
        exact: the bit-exact models, None where the layer has none.
        embedders: the float models by name; contracts name them by keccak256 of it.
    """

    address = EMBEDDINGS
    name = "embeddings"
    recorded = True

    def __init__(
        self, exact: Spc | None, embedders: Mapping[str, TextEmbedder], prices: Prices, limits: Limits
    ) -> None:
        self._exact = exact
        self._embedders = {bytes(keccak(name.encode())): embedder for name, embedder in embedders.items()}
        self._prices = prices
        self._limits = limits
        self._methods = Methods(prices, {"embed(bytes32,string) view returns (bytes)": self._embed})

    def run(self, call: SpcCall) -> bytes:
        """See `Spc.run`."""
        is_ours = call.data[:4] == _SELECTOR and call.data[4:36] in self._embedders
        if self._exact is None or is_ours:
            return self._methods.run(call)
        return self._exact.run(call)

    def _embed(self, call: SpcCall, model: bytes, text: str) -> bytes:
        embedder = self._embedders.get(model)
        if embedder is None:
            raise SpcRevert(f"there is no model 0x{model.hex()}")
        size = len(text.encode())
        if not 1 <= size <= self._limits.text_bytes:
            raise SpcRevert(f"a text has 1 to {self._limits.text_bytes} bytes, not {size}")
        call.charge(self._prices.llm_request + self._prices.text_byte * size)

        def ask() -> bytes:
            return quantise(embedder.embed(text), self._limits.dimension)

        try:
            return call.ask(Question(f"embeddings 0x{model.hex()}", text.encode(), ask))
        except EngineFailed as error:
            raise SpcRevert(str(error)) from error


def quantise(vector: Sequence[float], largest_dimension: int) -> bytes:
    """The vector's direction as int8: scaled to length 127, rounded to the nearest.

    Raises:
        EngineFailed: it has no direction.
    """
    if not 1 <= len(vector) <= largest_dimension:
        raise EngineFailed(f"the engine's vector has {len(vector)} dimensions")
    array = np.asarray(vector, np.float64)
    length = math.hypot(*vector)
    if not math.isfinite(length) or length == 0:
        raise EngineFailed("the engine's vector has no direction")
    return bytes(np.rint(array / length * 127).astype(np.int8).tobytes())
