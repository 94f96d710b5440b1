"""The functions that read a collection."""

from __future__ import annotations

import numpy as np

from infernet.vm.spc.call import SpcCall, SpcRevert
from infernet.vm.spc.prices import Limits, Prices
from infernet.vm.spc.state import ZERO_WORD
from infernet.vm.spc.vectors.access import Opened, open_collection
from infernet.vm.spc.vectors.collection import read_centroids_hash
from infernet.vm.spc.vectors.loaded import LoadedCollections, Version
from infernet.vm.spc.vectors.partition import Partition
from infernet.vm.spc.vectors.products import compute_norms
from infernet.vm.spc.vectors.record import decode_record, encode_id
from infernet.vm.spc.vectors.search import Filter, Query, search
from infernet.vm.spc.vectors.writing import Item

Found = tuple[list[int], list[int]]
"""Ids and scores, the nearest first."""


class Reading:
    """Look-ups and searches, for everybody."""

    def __init__(self, prices: Prices, limits: Limits, loaded: LoadedCollections) -> None:
        self._prices = prices
        self._limits = limits
        self._loaded = loaded

    def contains(self, call: SpcCall, identity: bytes, number: int) -> bool:
        """Whether there is a vector of that id."""
        opened = open_collection(call, self._prices, identity)
        return opened.trie.find(opened.collection.root, encode_id(number)) is not None

    def get(self, call: SpcCall, identity: bytes, number: int) -> Item:
        """What was last set for that id."""
        opened = open_collection(call, self._prices, identity)
        data = opened.trie.find(opened.collection.root, encode_id(number))
        if data is None:
            raise SpcRevert(f"the id {number} is not in the collection")
        record = decode_record(data)
        metadata = opened.state.get(record.metadata) if record.metadata != ZERO_WORD else b""
        return record.id, record.tag, record.vector, metadata

    def search(self, call: SpcCall, identity: bytes, vector: bytes, k: int, only: tuple[int, int]) -> Found:
        """The k nearest of all vectors."""
        opened = open_collection(call, self._prices, identity)
        query = self._build_query(opened, vector, k, only)
        self._charge(opened, opened.collection.count)
        return search(self._load(opened, in_lists=False).segments, opened.collection.metric, query)

    def search_approximate(
        self, call: SpcCall, identity: bytes, vector: bytes, k: int, probes: int, only: tuple[int, int]
    ) -> Found:
        """The k nearest of the vectors in the `probes` nearest lists of the index."""
        opened = open_collection(call, self._prices, identity)
        query = self._build_query(opened, vector, k, only)
        lists = opened.collection.lists
        if not lists:
            raise SpcRevert("the collection has no index: call trainIndex")
        if not 1 <= probes <= lists:
            raise SpcRevert(f"the collection's index has 1 to {lists} lists to look into, not {probes}")
        self._charge(opened, lists)
        partition = self._load(opened, in_lists=True)
        segments = [partition.segments[place] for place in partition.find_nearest(query.vector, probes)]
        self._charge(opened, sum(map(len, segments)))
        return search(segments, opened.collection.metric, query)

    def _build_query(self, opened: Opened, vector: bytes, k: int, only: tuple[int, int]) -> Query:
        opened.check_vector(vector)
        if not 1 <= k <= self._limits.neighbours:
            raise SpcRevert(f"a search finds 1 to {self._limits.neighbours} neighbours, not {k}")
        mask, value = only
        if value & ~mask:
            raise SpcRevert("the filter's value has bits that its mask leaves out")
        array = np.frombuffer(vector, np.int8).astype(np.float32)
        return Query(array, int(compute_norms(array[None])[0]), k, Filter(mask, value))

    def _charge(self, opened: Opened, rows: int) -> None:
        macs, prices = rows * opened.collection.dimension, self._prices
        opened.state.charge(prices.search + prices.search_rows * rows // 4 + prices.kilomac * macs // 1024)

    def _load(self, opened: Opened, *, in_lists: bool) -> Partition:
        collection = opened.collection
        version = Version(collection.id, read_centroids_hash(opened.state, collection), collection.root)
        nodes = opened.state.unpriced()
        return self._loaded.get(version, opened.loading_trie, nodes, collection.dimension, in_lists=in_lists)
