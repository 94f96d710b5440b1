"""Collections in memory, the last used. What is found never depends on what is here, only how soon."""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice
from typing import NamedTuple

import numpy as np

from infernet.vm.spc.state import ZERO_WORD
from infernet.vm.spc.vectors.partition import Partition, build_partition
from infernet.vm.spc.vectors.trie import Nodes, Trie

_SMALL_CHANGE = 4_096
_KEPT_VERSIONS = 8
"""Of one collection: what is pending, the head's, and a few that are asked about."""


class Version(NamedTuple):
    """One state of one collection."""

    collection: bytes
    centroids: bytes
    """The blob of its index's centroids, zero where it has none."""
    root: bytes


class LoadedCollections:
    """Partitions by version, up to a size in bytes and a few of each collection."""

    def __init__(self, max_bytes: int = 1 << 30) -> None:
        self._max_bytes = max_bytes
        self._size_bytes = 0
        self._partitions: OrderedDict[Version, Partition] = OrderedDict()
        self._latest: dict[tuple[bytes, bytes], Version] = {}
        self._versions: dict[bytes, list[Version]] = {}

    def __len__(self) -> int:
        return len(self._partitions)

    def get(self, version: Version, trie: Trie, nodes: Nodes, dimension: int) -> Partition:
        """The partition of that version: the one kept, or the nearest one kept with what differs, or read anew."""
        partition = self._partitions.get(version)
        if partition is None:
            partition = self._derive(version, trie) or self._read(version, trie, nodes, dimension)
            self._keep(version, partition)
        self._partitions.move_to_end(version)
        versions = self._versions[version.collection]
        versions.append(versions.pop(versions.index(version)))
        self._latest[version[:2]] = version
        return partition

    def _derive(self, version: Version, trie: Trie) -> Partition | None:
        latest = self._latest.get(version[:2])
        before = self._partitions.get(latest) if latest else None
        if latest is None or before is None or before.is_crowded:
            return None
        differences = list(islice(trie.differences(latest.root, version.root), _SMALL_CHANGE + 1))
        if len(differences) > _SMALL_CHANGE:
            return None
        return before.change(differences)

    def _read(self, version: Version, trie: Trie, nodes: Nodes, dimension: int) -> Partition:
        centroids = None
        if version.centroids != ZERO_WORD:
            centroids = np.frombuffer(nodes.get(version.centroids), np.int8).reshape(-1, dimension)
        return build_partition(trie.records(version.root), dimension, centroids)

    def _keep(self, version: Version, partition: Partition) -> None:
        self._partitions[version] = partition
        self._size_bytes += partition.size_bytes
        versions = self._versions.setdefault(version.collection, [])
        versions.append(version)
        if len(versions) > _KEPT_VERSIONS:
            self._drop(versions[0])
        while self._size_bytes > self._max_bytes and len(self._partitions) > 1:
            self._drop(next(iter(self._partitions)))

    def _drop(self, version: Version) -> None:
        self._size_bytes -= self._partitions.pop(version).size_bytes
        versions = self._versions[version.collection]
        versions.remove(version)
        if not versions:
            del self._versions[version.collection]
        if self._latest.get(version[:2]) == version:
            del self._latest[version[:2]]
