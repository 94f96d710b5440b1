"""Collections in memory, the last used. What is found never depends on what is here, only how soon.

Another index of the same vectors is another order of the same rows: they are not read again for it.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice
from typing import NamedTuple

import numpy as np

from infernet.errors import NodeMisconfigured
from infernet.vm.spc.state import ZERO_WORD
from infernet.vm.spc.vectors.partition import Partition, build_partition
from infernet.vm.spc.vectors.products import Int8s
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
        self._versions: dict[bytes, list[Version]] = {}
        """Of each collection, the last used last."""

    def __len__(self) -> int:
        return len(self._partitions)

    def get(self, version: Version, trie: Trie, nodes: Nodes, dimension: int, *, in_lists: bool) -> Partition:
        """The partition of that version: the one kept, or the nearest one kept with what differs, or read anew.

        Args:
            in_lists: whether its segments must be the lists of the index; otherwise any do that hold its rows.
        """
        found = self._find(version, in_lists=in_lists)
        if found is None:
            centroids = _read_centroids(version, nodes, dimension)
            found, partition = self._derive(version, trie, centroids if in_lists else None) or (
                version,
                build_partition(trie.records(version.root), dimension, centroids),
            )
            self._keep(found, partition)
        self._partitions.move_to_end(found)
        versions = self._versions[found.collection]
        versions.append(versions.pop(versions.index(found)))
        return self._partitions[found]

    def _find(self, version: Version, *, in_lists: bool) -> Version | None:
        if in_lists or version in self._partitions:
            return version if version in self._partitions else None
        return next((kept for kept in self._list(version) if kept.root == version.root), None)

    def _list(self, version: Version) -> list[Version]:
        """Those of the collection, the last used first."""
        return self._versions.get(version.collection, [])[::-1]

    def _derive(self, version: Version, trie: Trie, centroids: Int8s | None) -> tuple[Version, Partition] | None:
        """From the last used one of the same index, or else of any; regrouped where there are centroids to do it by."""
        kept = self._list(version)
        for before in (*(one for one in kept if one.centroids == version.centroids), *kept[:1]):
            partition = self._change(before, version.root, trie)
            if partition is not None and centroids is not None and before.centroids != version.centroids:
                return version, partition.regroup(centroids)
            if partition is not None:
                return version._replace(centroids=before.centroids), partition
        return None

    def _change(self, before: Version, root: bytes, trie: Trie) -> Partition | None:
        """None where too much differs, or the earlier tree cannot be read: it may be that of a call, or of a block that
        was never finished, and then its nodes were not kept.
        """
        partition = self._partitions[before]
        if before.root == root:
            return partition
        if partition.is_crowded:
            return None
        try:
            differences = list(islice(trie.differences(before.root, root), _SMALL_CHANGE + 1))
        except NodeMisconfigured as error:
            if error.code != "vm.blob_missing":
                raise
            return None
        return partition.change(differences) if len(differences) <= _SMALL_CHANGE else None

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


def _read_centroids(version: Version, nodes: Nodes, dimension: int) -> Int8s | None:
    if version.centroids == ZERO_WORD:
        return None
    return np.frombuffer(nodes.get(version.centroids), np.int8).reshape(-1, dimension)
