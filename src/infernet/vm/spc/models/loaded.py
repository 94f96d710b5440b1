"""Graphs ready to run, the last used. What they answer never depends on what is here."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infernet.compute.onnx_runner import check_schema
from infernet.errors import InvalidInput, NodeMisconfigured
from infernet.onnx_session import list_runtime_errors, open_session
from infernet.protocol.manifest import Manifest
from infernet.protocol.model_codec import Arrays
from infernet.vm.spc.call import SpcRevert
from infernet.vm.spc.models.cost import GraphCost
from infernet.vm.spc.models.graph import OpenAxis, Skeleton


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A published model in memory."""

    manifest: Manifest
    session: Any
    cost: GraphCost
    open_axes: tuple[OpenAxis, ...]
    size_bytes: int

    def read_extent(self, arrays: Arrays) -> int:
        """The extent of the graph's open dimension; 1 where it has none.

        Raises:
            SpcRevert: inputs that share the dimension have different ones.
        """
        extents = {arrays[axis.input].shape[axis.axis] for axis in self.open_axes}
        if len(extents) > 1:
            raise SpcRevert("features.mismatch: inputs that share a dimension differ in it")
        return extents.pop() if extents else 1

    def compute_macs(self, extent: int, limit: int) -> int:
        """The work of one run. Raises `SpcRevert` beyond the limit, or where the graph has no such extent."""
        try:
            return self.cost.at(extent, limit).whole
        except InvalidInput as error:
            raise SpcRevert(f"{error.code}: {error.message}") from error

    def run(self, arrays: Arrays) -> Arrays:
        """The outputs that the manifest names. Raises `SpcRevert` where the graph fails on these inputs."""
        names = [spec.name for spec in self.manifest.outputs]
        try:
            return dict(zip(names, self.session.run(names, arrays), strict=True))
        except list_runtime_errors():
            raise SpcRevert(f"model.failed: {self.manifest.name} cannot compute these features") from None


def load_model(manifest: Manifest, content: bytes, skeleton: Skeleton) -> LoadedModel:
    """Raises `NodeMisconfigured`: `model.unreadable`, `model.schema_mismatch`."""
    session = open_session(content)
    check_schema(manifest, session)
    ranks = {spec.name: len(spec.shape) for spec in manifest.inputs}
    for axis in skeleton.open_axes:
        if ranks[axis.input] <= axis.axis:
            raise NodeMisconfigured("model.schema_mismatch", f"{axis.input} has more dimensions than the manifest says")
    return LoadedModel(manifest, session, GraphCost(skeleton), skeleton.open_axes, len(content))


class LoadedModels:
    """Sessions by manifest hash, up to a number of models and a size in bytes."""

    def __init__(self, max_models: int = 512, max_bytes: int = 1 << 29) -> None:
        self._max_models = max_models
        self._max_bytes = max_bytes
        self._models: OrderedDict[bytes, LoadedModel] = OrderedDict()

    def __len__(self) -> int:
        return len(self._models)

    def get(self, manifest_hash: bytes, load: Callable[[], LoadedModel]) -> LoadedModel:
        """The model of that hash, loaded now where it is not here."""
        model = self._models.get(manifest_hash)
        if model is None:
            model = self._models[manifest_hash] = load()
            while len(self._models) > 1 and self._is_full():
                self._models.popitem(last=False)
        self._models.move_to_end(manifest_hash)
        return model

    def _is_full(self) -> bool:
        size_bytes = sum(model.size_bytes for model in self._models.values())
        return len(self._models) > self._max_models or size_bytes > self._max_bytes
