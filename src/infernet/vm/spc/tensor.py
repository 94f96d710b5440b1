"""Tensor inference: any published model in the middle of a transaction.

What it answers is what a node that serves the model delivers, byte for byte: graph, runtime and encodings are the same.
"""

from __future__ import annotations

import json

from infernet.errors import JobRejected
from infernet.protocol.manifest import Manifest, TensorSpec
from infernet.protocol.model_codec import Arrays, decode_features, encode_outputs
from infernet.vm.spc import addresses
from infernet.vm.spc.call import SpcCall, SpcRevert
from infernet.vm.spc.dispatch import Methods, count_words
from infernet.vm.spc.models.loaded import LoadedModels
from infernet.vm.spc.models.runtime import load_runtime
from infernet.vm.spc.models.shelf import Shelf
from infernet.vm.spc.prices import Limits, Prices
from infernet.vm.spc.state import SpcState


class TensorInference:
    """Models and their files, and running them.

    Raises:
        NodeMisconfigured: `onnx.not_installed`.
    """

    address = addresses.TENSOR_INFERENCE
    name = "inference"
    recorded = False

    def __init__(self, prices: Prices, limits: Limits, loaded: LoadedModels | None = None) -> None:
        load_runtime()
        self._prices = prices
        self._limits = limits
        self._loaded = LoadedModels() if loaded is None else loaded
        self._methods = Methods(
            prices,
            {
                "putBlob(bytes) returns (bytes32)": self._put_blob,
                "assemble(bytes32[]) returns (bytes32)": self._assemble,
                "fileSize(bytes32) view returns (bool,uint256)": self._file_size,
                "publish(bytes) returns (bytes32)": self._publish,
                "isPublished(bytes32) view returns (bool)": self._is_published,
                "manifestOf(bytes32) view returns (bytes)": self._manifest_of,
                "quote(bytes32,uint256) view returns (uint256)": self._quote,
                "infer(bytes32,bytes) view returns (bytes)": self._infer,
            },
        )

    def run(self, call: SpcCall) -> bytes:
        """See `Spc.run`."""
        return self._methods.run(call)

    def _open(self, call: SpcCall) -> Shelf:
        return Shelf(SpcState(call, self._prices), self._prices, self._limits, self._loaded)

    def _put_blob(self, call: SpcCall, data: bytes) -> bytes:
        return self._open(call).files.put(data)

    def _assemble(self, call: SpcCall, parts: tuple[bytes, ...]) -> bytes:
        return self._open(call).files.assemble(parts)

    def _file_size(self, call: SpcCall, sha256: bytes) -> tuple[bool, int]:
        size_bytes = self._open(call).files.read_size(sha256)
        return size_bytes is not None, size_bytes or 0

    def _publish(self, call: SpcCall, manifest: bytes) -> bytes:
        return self._open(call).publish(manifest)

    def _is_published(self, call: SpcCall, manifest_hash: bytes) -> bool:
        return self._open(call).is_published(manifest_hash)

    def _manifest_of(self, call: SpcCall, manifest_hash: bytes) -> bytes:
        return self._open(call).read_manifest(manifest_hash)

    def _quote(self, call: SpcCall, manifest_hash: bytes, extent: int) -> int:
        shelf = self._open(call)
        terms = shelf.read_terms(manifest_hash)
        gas = self._prices.inference + terms.load
        if terms.is_known(extent):
            return gas + shelf.price(terms.macs)
        return gas + terms.shapes + shelf.charge_work(shelf.get(manifest_hash, terms), terms, extent)

    def _infer(self, call: SpcCall, manifest_hash: bytes, features: bytes) -> bytes:
        shelf = self._open(call)
        call.charge(self._prices.inference)
        terms = shelf.read_terms(manifest_hash)
        model = shelf.get(manifest_hash, terms)
        call.charge(self._price_numbers(model.manifest.inputs, count_words(features)))
        arrays = decode(model.manifest, features)
        call.charge(shelf.charge_work(model, terms, model.read_extent(arrays)))
        outputs = model.run(arrays)
        call.charge(self._price_numbers(model.manifest.outputs, sum(array.size for array in outputs.values())))
        return encode(model.manifest, outputs)

    def _price_numbers(self, specs: tuple[TensorSpec, ...], numbers: int) -> int:
        in_words = any(spec.encoding == "int256[]" for spec in specs)
        return self._prices.feature_word * numbers if in_words else 0


def decode(manifest: Manifest, features: bytes) -> Arrays:
    """Raises `SpcRevert` where they do not fit; in words that are the same on every node."""
    try:
        return decode_features(manifest, features)
    except JobRejected as error:
        wanted = ", ".join(f"{spec.name} {spec.dtype} {json.dumps(spec.shape)}" for spec in manifest.inputs)
        raise SpcRevert(f"{error.code}: {manifest.name} takes {wanted}") from error


def encode(manifest: Manifest, outputs: Arrays) -> bytes:
    """Raises `SpcRevert` where they are not what the manifest declares."""
    try:
        return encode_outputs(manifest, outputs)
    except JobRejected as error:
        raise SpcRevert(f"{error.code}: the output of {manifest.name} is not what its manifest declares") from error
