"""Opening collections, and what every call checks."""

from __future__ import annotations

from dataclasses import dataclass

from infernet.vm.spc.call import SpcCall, SpcRevert
from infernet.vm.spc.prices import Limits, Prices
from infernet.vm.spc.state import SpcState
from infernet.vm.spc.vectors import collection as storage
from infernet.vm.spc.vectors.collection import Collection, read_collection
from infernet.vm.spc.vectors.record import compute_record_bytes
from infernet.vm.spc.vectors.trie import Trie


@dataclass(frozen=True, slots=True)
class Opened:
    """A collection, and the state that it lies in."""

    state: SpcState
    collection: Collection

    @property
    def trie(self) -> Trie:
        """Its tree, each node at its price."""
        return Trie(self.state, compute_record_bytes(self.collection.dimension))

    @property
    def loading_trie(self) -> Trie:
        """Its tree, for what a node reads into its memory."""
        return Trie(self.state.unpriced(), compute_record_bytes(self.collection.dimension))

    def check_vector(self, vector: bytes) -> None:
        """Raises `SpcRevert` where it is not of the collection's dimension."""
        if len(vector) != self.collection.dimension:
            raise SpcRevert(f"the collection's vectors have {self.collection.dimension} dimensions, not {len(vector)}")


def open_collection(call: SpcCall, prices: Prices, identity: bytes) -> Opened:
    """Raises `SpcRevert` where there is no such collection."""
    state = SpcState(call, prices)
    return Opened(state, read_collection(state, identity))


def open_for_writing(call: SpcCall, prices: Prices, limits: Limits, identity: bytes, items: int) -> Opened:
    """Raises `SpcRevert` where the caller may not change it, or not as much in one call."""
    opened = open_collection(call, prices, identity)
    if not storage.is_writer(opened.state, opened.collection, call.caller):
        raise SpcRevert("only a collection's owner and its writers may change it")
    if not 1 <= items <= limits.items:
        raise SpcRevert(f"one call changes 1 to {limits.items} vectors, not {items}")
    return opened
