"""The published models of a chain: a word of storage for each, the manifest as a blob, the files as `Files` keeps them.

model     its terms, under the manifest's hash
"""

from __future__ import annotations

from infernet.compute.onnx_runner import find_graph
from infernet.errors import InfernetError, InvalidInput
from infernet.protocol.manifest import (
    Determinism,
    Manifest,
    compute_manifest_hash,
    encode_manifest,
    parse_manifest,
)
from infernet.vm.spc.call import SpcRevert
from infernet.vm.spc.files import Files
from infernet.vm.spc.models.cost import GraphCost
from infernet.vm.spc.models.exactness import check_divisions, check_exact
from infernet.vm.spc.models.graph import (
    Skeleton,
    check_graph,
    count_constant_bytes,
    count_items,
    parse_graph,
)
from infernet.vm.spc.models.loaded import LoadedModel, LoadedModels, load_model
from infernet.vm.spc.models.terms import Terms, decode_terms
from infernet.vm.spc.prices import Limits, Prices
from infernet.vm.spc.state import ZERO_WORD, SpcState, compute_slot


class Shelf:
    """The models of one call's state."""

    def __init__(self, state: SpcState, prices: Prices, limits: Limits, loaded: LoadedModels) -> None:
        self._state = state
        self._prices = prices
        self._limits = limits
        self._loaded = loaded
        self.files = Files(state, prices, limits)

    def is_published(self, manifest_hash: bytes) -> bool:
        """Whether a model of that manifest is on this chain."""
        return self._state.read(_slot(manifest_hash)) != ZERO_WORD

    def read_manifest(self, manifest_hash: bytes) -> bytes:
        """The canonical form. Raises `SpcRevert` where no such model was published."""
        self.read_terms(manifest_hash)
        return self._state.get(manifest_hash)

    def read_terms(self, manifest_hash: bytes) -> Terms:
        """What it costs to use a model. Raises `SpcRevert` where no such model was published."""
        word = self._state.read(_slot(manifest_hash))
        if word == ZERO_WORD:
            raise SpcRevert(f"model.not_found: 0x{manifest_hash.hex()} was not published on this chain")
        return decode_terms(word)

    def get(self, manifest_hash: bytes, terms: Terms) -> LoadedModel:
        """A published model ready to run, at the price of loading it."""
        self._state.charge(terms.load)
        return self._loaded.get(manifest_hash, lambda: self._load(manifest_hash))

    def charge_work(self, model: LoadedModel, terms: Terms, extent: int) -> int:
        """The gas of a run at that extent, which is still to be charged; what it takes to know it is charged here.

        Raises:
            SpcRevert: it is beyond the limit, or the graph has no such extent.
        """
        if terms.is_known(extent):
            return self.price(terms.macs)
        self._state.charge(terms.shapes)
        return self.price(model.compute_macs(extent, self._limits.macs))

    def price(self, macs: int) -> int:
        """Gas for multiply-accumulates."""
        return (self._prices.kilomac * macs + 1023) // 1024

    def publish(self, content: bytes) -> bytes:
        """Check a model whose files are there, and remember it; the answer is its manifest's hash."""
        if len(content) > self._limits.manifest_bytes:
            raise SpcRevert(f"a manifest has at most {self._limits.manifest_bytes} bytes, not {len(content)}")
        self._state.charge(self._prices.publish)
        try:
            manifest = parse_manifest(content)
        except InvalidInput:
            raise SpcRevert("manifest.invalid: it is no manifest of this version") from None
        manifest_hash = compute_manifest_hash(manifest)
        if not self.is_published(manifest_hash):
            self._add(manifest, manifest_hash)
        return manifest_hash

    def _add(self, manifest: Manifest, manifest_hash: bytes) -> None:
        self._check_determinism(manifest)
        for file in manifest.files:
            if self.files.read_size(bytes.fromhex(file.sha256)) != file.size_bytes:
                raise SpcRevert(f"model.file_missing: put the file {file.path} first")
        try:
            graph_file = find_graph(manifest)
            self._state.charge(self._prices.load_byte * graph_file.size_bytes)
            content = self.files.get(bytes.fromhex(graph_file.sha256))
            terms = self._check_graph(manifest, content, self.files.count_blobs(bytes.fromhex(graph_file.sha256)))
        except InfernetError as error:
            raise SpcRevert(_describe(error)) from error
        self._state.put(encode_manifest(manifest))
        self._state.write(_slot(manifest_hash), terms.encode())

    def _check_determinism(self, manifest: Manifest) -> None:
        if manifest.determinism is Determinism.NONE:
            raise SpcRevert("model.not_deterministic: a model on chain is 'exact' or 'rounded'")
        if manifest.determinism is Determinism.ROUNDED and not self._limits.rounded_models:
            raise SpcRevert("model.not_deterministic: this layer takes models that are 'exact' alone")

    def _check_graph(self, manifest: Manifest, content: bytes, blobs: int) -> Terms:
        """Each step is charged before it is made."""
        graph, prices = parse_graph(content), self._prices
        items, constant_bytes = count_items(graph), count_constant_bytes(graph)
        graph_gas = prices.load_byte * (len(content) - constant_bytes)
        shapes = prices.shape_operator * items + graph_gas
        load = prices.load + prices.load_operator * items + graph_gas
        load += prices.load_kilobyte * constant_bytes // 1024 + prices.blob_read * blobs
        load += prices.load_byte * len(encode_manifest(manifest))
        self._state.charge(load + 2 * shapes)
        check_graph(graph)
        skeleton = Skeleton(graph)
        work = GraphCost(skeleton).at(1, self._limits.macs)
        self._state.charge(self.price(work.folded))
        types = skeleton.read_types()
        check_divisions(graph, types)
        if manifest.determinism is Determinism.EXACT:
            check_exact(graph, types)
        load_model(manifest, content, skeleton)
        return Terms(load + self.price(work.folded), shapes if skeleton.open_axes else 0, work.whole)

    def _load(self, manifest_hash: bytes) -> LoadedModel:
        state = self._state.unpriced()
        manifest = parse_manifest(state.get(manifest_hash))
        content = Files(state, self._prices, self._limits).get(bytes.fromhex(find_graph(manifest).sha256))
        return load_model(manifest, content, Skeleton(parse_graph(content)))


def _slot(manifest_hash: bytes) -> bytes:
    return compute_slot("model", manifest_hash)


def _describe(error: InfernetError) -> str:
    """In words that are the same on every node: the runtime's own are left out."""
    message = "ONNX Runtime does not load it" if error.code == "model.unreadable" else error.message
    return f"{error.code}: {message}"
