"""A collection in memory, cut into segments: a change makes new rows of the segments that it touches, the others are
shared with the state before. Which segment a row lies in has no bearing on what an exact search finds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from infernet.vm.spc.vectors.centroids import assign
from infernet.vm.spc.vectors.metric import Metric
from infernet.vm.spc.vectors.products import compute_norms, compute_products
from infernet.vm.spc.vectors.rows import Rows, encode_words, join_rows, read_rows
from infernet.vm.spc.vectors.search import Query

_SEGMENT_ROWS = 1_024
Labels = NDArray[np.intp]


class Placing(Protocol):
    """Says which segment a row belongs to."""

    @property
    def centroids(self) -> NDArray[np.int8]:
        """Shape [segments, dimension], or [0, 0] where segments have none."""
        ...

    @property
    def segments(self) -> int: ...
    def place(self, rows: Rows) -> Labels: ...


@dataclass(frozen=True, slots=True)
class ByHash:
    """By the first bits of the hash of its id: segments of much the same size."""

    bits: int

    @property
    def centroids(self) -> NDArray[np.int8]:
        return np.empty((0, 0), np.int8)

    @property
    def segments(self) -> int:
        return 1 << self.bits

    def place(self, rows: Rows) -> Labels:
        """Shape [n]."""
        heads = [hashlib.sha256(word).digest()[:4] for word in encode_words(rows.ids)]
        hashes = np.frombuffer(b"".join(heads), ">u4").astype(np.uint64)
        return (hashes >> np.uint64(32 - self.bits)).astype(np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class ByCentroid:
    """By its nearest centroid."""

    centroids: NDArray[np.int8]

    @property
    def segments(self) -> int:
        return len(self.centroids)

    def place(self, rows: Rows) -> Labels:
        """Shape [n]."""
        return assign(rows.vectors, self.centroids)


@dataclass(frozen=True, slots=True, eq=False)
class Partition:
    """The rows of one state of a collection."""

    placing: Placing
    segments: tuple[Rows, ...]

    @property
    def size_bytes(self) -> int:
        return sum(rows.vectors.nbytes + 72 * len(rows) for rows in self.segments)

    @property
    def is_crowded(self) -> bool:
        """Whether it has outgrown its segments, so that small changes copy much."""
        rows = sum(map(len, self.segments))
        return isinstance(self.placing, ByHash) and rows > 8 * _SEGMENT_ROWS * self.placing.segments

    def choose_nearest(self, metric: Metric, query: Query, count: int) -> list[Rows]:
        """The segments whose centroids are nearest to the query, by the collection's own metric.

        Only for a partition by centroids.
        """
        centroids = self.placing.centroids
        products, norms = compute_products(centroids, query.vector), compute_norms(centroids)
        ranks = metric.compute_ranks(metric.compute_scores(products, norms, query.norm))
        return [self.segments[place] for place in np.argsort(-ranks, kind="stable")[:count]]

    def change(self, removed: Rows, added: Rows) -> Partition:
        """The partition with some rows taken away (by their ids) and others put in."""
        segments = list(self.segments)
        gone, come = (_split(self.placing, rows) for rows in (removed, added))
        for segment, rows in gone.items():
            segments[segment] = segments[segment].without(rows.ids)
        for segment, rows in come.items():
            segments[segment] = join_rows((segments[segment], rows))
        return Partition(self.placing, tuple(segments))


def build_partition(records: Iterable[bytes], dimension: int, centroids: NDArray[np.int8] | None) -> Partition:
    """A partition of all records, by centroids where there are any."""
    rows = read_rows(b"".join(records), dimension)
    placing = ByCentroid(centroids) if centroids is not None else ByHash(_choose_bits(len(rows)))
    found, nothing = _split(placing, rows), rows.take(np.arange(0))
    return Partition(placing, tuple(found.get(segment, nothing) for segment in range(placing.segments)))


def change_partition(
    before: Partition, differences: Sequence[tuple[bytes | None, bytes | None]], dimension: int
) -> Partition:
    """The partition after each old record has given way to its new one."""
    old = read_rows(b"".join(record for record, _ in differences if record is not None), dimension)
    new = read_rows(b"".join(record for _, record in differences if record is not None), dimension)
    return before.change(old, new)


def _choose_bits(rows: int) -> int:
    return max(0, (rows // _SEGMENT_ROWS).bit_length() - 1)


def _split(placing: Placing, rows: Rows) -> dict[int, Rows]:
    if not len(rows):
        return {}
    if placing.segments == 1:
        return {0: rows}
    labels = placing.place(rows)
    order = np.argsort(labels, kind="stable")
    found, starts = np.unique(labels[order], return_index=True)
    parts = np.split(order, starts[1:])
    return {int(label): rows.take(places) for label, places in zip(found, parts, strict=True)}
