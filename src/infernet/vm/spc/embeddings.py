"""Embeddings by bit-exact models: a published model that counts of words go into, and its answer scaled to one length.

Such a model has one input, uint8 [1, buckets], one output of integers, [1, dimension], and the file `tokenizer.json`
beside its graph.
"""

from __future__ import annotations

from dataclasses import dataclass

from infernet.errors import InvalidInput
from infernet.protocol.manifest import Determinism, Manifest
from infernet.protocol.ngrams import TOKENIZER_FILE, Tokenizer, parse_tokenizer, scale
from infernet.vm.spc import addresses
from infernet.vm.spc.call import SpcCall, SpcRevert
from infernet.vm.spc.dispatch import Methods
from infernet.vm.spc.models.loaded import LoadedModel, LoadedModels
from infernet.vm.spc.models.runtime import load_runtime
from infernet.vm.spc.models.shelf import Shelf
from infernet.vm.spc.prices import Limits, Prices
from infernet.vm.spc.state import SpcState

_BUCKET_MACS = 16


@dataclass(frozen=True, slots=True)
class _TextModel:
    model: LoadedModel
    tokenizer: Tokenizer
    dimension: int
    gas: int
    """For one text, beside its bytes."""

    @property
    def input(self) -> str:
        return self.model.manifest.inputs[0].name


class Embeddings:
    """Texts as vectors.

    Raises:
        NodeMisconfigured: `onnx.not_installed`.
    """

    address = addresses.EMBEDDINGS
    name = "embeddings"
    recorded = False

    def __init__(self, prices: Prices, limits: Limits, loaded: LoadedModels | None = None) -> None:
        load_runtime()
        self._prices = prices
        self._limits = limits
        self._loaded = LoadedModels() if loaded is None else loaded
        self._methods = Methods(
            prices,
            {
                "embed(bytes32,string) view returns (bytes)": self._embed,
                "dimensionOf(bytes32) view returns (uint16)": self._dimension_of,
            },
        )

    def run(self, call: SpcCall) -> bytes:
        """See `Spc.run`."""
        return self._methods.run(call)

    def _dimension_of(self, call: SpcCall, manifest_hash: bytes) -> int:
        return self._open(call, manifest_hash).dimension

    def _embed(self, call: SpcCall, manifest_hash: bytes, text: str) -> bytes:
        content = text.encode()
        if len(content) > self._limits.text_bytes:
            raise SpcRevert(f"a text has at most {self._limits.text_bytes} bytes, not {len(content)}")
        call.charge(self._prices.inference + self._prices.text_byte * len(content))
        opened = self._open(call, manifest_hash)
        call.charge(opened.gas)
        outputs = opened.model.run({opened.input: opened.tokenizer.count(content)})
        return scale(next(iter(outputs.values()))[0])

    def _open(self, call: SpcCall, manifest_hash: bytes) -> _TextModel:
        state = SpcState(call, self._prices, addresses.TENSOR_INFERENCE)
        shelf = Shelf(state, self._prices, self._limits, self._loaded)
        terms = shelf.read_terms(manifest_hash)
        model = shelf.get(manifest_hash, terms)
        tokenizer = self._read_tokenizer(shelf, state, model.manifest)
        dimension = _read_dimension(model.manifest, tokenizer, self._limits)
        gas = shelf.price(terms.macs + _BUCKET_MACS * tokenizer.buckets)
        return _TextModel(model, tokenizer, dimension, gas)

    def _read_tokenizer(self, shelf: Shelf, state: SpcState, manifest: Manifest) -> Tokenizer:
        """Read and parsed each time, at its price."""
        files = [file for file in manifest.files if file.path == TOKENIZER_FILE]
        if not files:
            raise SpcRevert(f"model.not_for_texts: {manifest.name} has no {TOKENIZER_FILE}")
        size, most = files[0].size_bytes, self._limits.tokenizer_bytes
        if size > most:
            raise SpcRevert(f"model.not_for_texts: its {TOKENIZER_FILE} has {size} bytes, at most {most} are read")
        state.charge(self._prices.load_byte * size)
        try:
            return parse_tokenizer(shelf.files.get(bytes.fromhex(files[0].sha256)))
        except InvalidInput as error:
            raise SpcRevert(f"model.not_for_texts: {error.message}") from error


def _read_dimension(manifest: Manifest, tokenizer: Tokenizer, limits: Limits) -> int:
    fits = (
        manifest.determinism is Determinism.EXACT
        and [(spec.dtype, spec.shape) for spec in manifest.inputs] == [("uint8", (1, tokenizer.buckets))]
        and len(manifest.outputs) == 1
        and manifest.outputs[0].dtype in {"int8", "int16", "int32"}
        and len(manifest.outputs[0].shape) == 2
    )
    dimension = manifest.outputs[0].shape[1] if fits else None
    if dimension is None or dimension > limits.dimension:
        raise SpcRevert(
            f"model.not_for_texts: {manifest.name} is not an exact model from uint8 [1, {tokenizer.buckets}] to "
            f"integers [1, dimension], the dimension at most {limits.dimension}"
        )
    return dimension
