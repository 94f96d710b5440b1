"""The functions that change a collection's vectors and its index."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from infernet.vm.spc.call import SpcCall, SpcRevert
from infernet.vm.spc.prices import Limits, Prices
from infernet.vm.spc.state import ZERO_WORD
from infernet.vm.spc.vectors.access import Opened, open_for_writing
from infernet.vm.spc.vectors.centroids import (
    SAMPLES_PER_LIST,
    compute_placing_macs,
    compute_training_macs,
    train_centroids,
)
from infernet.vm.spc.vectors.collection import write_centroids_hash, write_collection
from infernet.vm.spc.vectors.record import Record, compute_record_bytes, encode_id
from infernet.vm.spc.vectors.rows import read_rows

Item = tuple[int, int, bytes, bytes]
"""Id, tag, vector, metadata."""


class Writing:
    """Changes, for the owner of a collection and its writers."""

    def __init__(self, prices: Prices, limits: Limits) -> None:
        self._prices = prices
        self._limits = limits

    def upsert(self, call: SpcCall, identity: bytes, items: tuple[Item, ...]) -> None:
        """Set the vectors of these ids, with their tags and metadata."""
        opened = open_for_writing(call, self._prices, self._limits, identity, len(items))
        changes: dict[bytes, bytes | None] = {}
        for item in items:
            key = encode_id(item[0])
            if key in changes:
                raise SpcRevert(f"the id {item[0]} is there twice")
            changes[key] = self._build_record(opened, item).encode()
        self._change(opened, changes)

    def remove(self, call: SpcCall, identity: bytes, ids: tuple[int, ...]) -> None:
        """Take the vectors of these ids away, all of which are there."""
        opened = open_for_writing(call, self._prices, self._limits, identity, len(ids))
        changes: dict[bytes, bytes | None] = {encode_id(number): None for number in ids}
        if len(changes) < len(ids):
            raise SpcRevert("an id is there twice")
        if self._change(opened, changes) != opened.collection.count - len(ids):
            raise SpcRevert("an id is not in the collection")

    def train_index(self, call: SpcCall, identity: bytes, lists: int) -> None:
        """Find centroids for the vectors that are there now."""
        opened = open_for_writing(call, self._prices, self._limits, identity, 1)
        collection = opened.collection
        if not 1 <= lists <= min(collection.count, self._limits.lists):
            raise SpcRevert(f"an index has 1 to {self._limits.lists} lists, and no more than there are vectors")
        samples = min(collection.count, lists * SAMPLES_PER_LIST)
        macs = compute_training_macs(samples, lists, collection.dimension)
        macs += compute_placing_macs(collection.count, lists, collection.dimension)
        rows_gas = samples * self._prices.training_row + collection.count * self._prices.index_row
        call.charge(rows_gas + self._prices.training_kilomac * macs // 1024)
        centroids = train_centroids(_read_samples(opened, samples), lists, collection.metric)
        write_centroids_hash(opened.state, identity, opened.state.put(centroids.tobytes()))
        write_collection(opened.state, replace(collection, lists=lists))

    def drop_index(self, call: SpcCall, identity: bytes) -> None:
        """Be without an index again."""
        opened = open_for_writing(call, self._prices, self._limits, identity, 1)
        write_centroids_hash(opened.state, identity, ZERO_WORD)
        write_collection(opened.state, replace(opened.collection, lists=0))

    def _build_record(self, opened: Opened, item: Item) -> Record:
        number, tag, vector, metadata = item
        opened.check_vector(vector)
        if len(metadata) > self._limits.metadata_bytes:
            raise SpcRevert(f"metadata have at most {self._limits.metadata_bytes} bytes, not {len(metadata)}")
        return Record(number, tag, opened.state.put(metadata) if metadata else ZERO_WORD, vector)

    def _change(self, opened: Opened, changes: dict[bytes, bytes | None]) -> int:
        """How many vectors there are now."""
        collection = opened.collection
        root, count = opened.trie.update(collection.root, changes)
        if count * collection.dimension > self._limits.collection_values:
            most = self._limits.collection_values // collection.dimension
            raise SpcRevert(f"a collection of {collection.dimension} dimensions holds at most {most} vectors")
        write_collection(opened.state, replace(collection, root=root, count=count))
        return count


def _read_samples(opened: Opened, count: int) -> NDArray[np.int8]:
    """The vectors whose ids have the lowest hashes: which they are is a function of the set."""
    record_bytes = compute_record_bytes(opened.collection.dimension)
    records = bytearray()
    for piece in opened.loading_trie.records(opened.collection.root):
        records += piece
        if len(records) >= count * record_bytes:
            break
    return read_rows(bytes(records[: count * record_bytes]), opened.collection.dimension).vectors
