"""A collection in memory, cut into segments: a change makes new rows of the segments that it touches, the others are
shared with the state before. Which segment a row lies in has no bearing on what an exact search finds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from infernet.vm.spc.vectors.centroids import assign, compute_distances
from infernet.vm.spc.vectors.products import Int8s, Vectors, compute_norms
from infernet.vm.spc.vectors.rows import Rows, encode_words, join_rows, read_rows

_SEGMENT_ROWS = 1_024
Labels = NDArray[np.intp]
"""The segment of each row, shape [n]."""


@dataclass(frozen=True, slots=True)
class ByHash:
    """By the first bits of the hash of a row's id: segments of much the same size."""

    bits: int
    dtype: ClassVar = np.int8

    @property
    def segments(self) -> int:
        return 1 << self.bits

    def place(self, rows: Rows) -> Labels:
        """Which segments they belong to."""
        heads = [hashlib.sha256(word).digest()[:4] for word in encode_words(rows.ids)]
        hashes = np.frombuffer(b"".join(heads), ">u4").astype(np.uint64)
        return (hashes >> np.uint64(32 - self.bits)).astype(np.intp)


class ByCentroid:
    """By the centroid nearest to a row. Lists are short, so their vectors lie there as float32, ready for use."""

    dtype: ClassVar = np.float32

    def __init__(self, centroids: Int8s) -> None:
        self._centroids = centroids
        self._vectors = centroids.astype(np.float32)
        self._norms = compute_norms(centroids)

    @property
    def segments(self) -> int:
        return len(self._centroids)

    def place(self, rows: Rows) -> Labels:
        """Which segments they belong to."""
        return assign(rows.vectors, self._centroids)

    def find_nearest(self, vector: Vectors, count: int) -> list[int]:
        """The segments with the nearest centroids, the first of equals first."""
        distances = compute_distances(self._vectors, self._norms, vector)
        nearest: list[int] = np.argsort(distances, kind="stable")[:count].tolist()
        return nearest


@dataclass(frozen=True, slots=True, eq=False)
class Partition:
    """The rows of one state of a collection."""

    placing: ByHash | ByCentroid
    dimension: int
    segments: tuple[Rows, ...]

    @property
    def size_bytes(self) -> int:
        return sum(rows.vectors.nbytes + 72 * len(rows) for rows in self.segments)

    @property
    def is_crowded(self) -> bool:
        """Whether it has outgrown its segments, so that a small change copies much."""
        rows = sum(map(len, self.segments))
        return isinstance(self.placing, ByHash) and rows > 8 * _SEGMENT_ROWS * self.placing.segments

    def find_nearest(self, vector: Vectors, count: int) -> list[int]:
        """The segments nearest to a vector, where segments are lists of an index."""
        if isinstance(self.placing, ByHash):
            raise TypeError("the collection has no index")
        return self.placing.find_nearest(vector, count)

    def change(self, differences: Sequence[tuple[bytes | None, bytes | None]]) -> Partition:
        """The partition after each old record has given way to its new one."""
        segments = list(self.segments)
        for segment, rows in self._split(old for old, _ in differences).items():
            segments[segment] = segments[segment].without(rows.ids)
        for segment, rows in self._split(new for _, new in differences).items():
            segments[segment] = join_rows((segments[segment], rows))
        return Partition(self.placing, self.dimension, tuple(segments))

    def regroup(self, centroids: Int8s) -> Partition:
        """The same rows by other centroids."""
        placing, nothing = ByCentroid(centroids), self.segments[0].cut(0, 0).convert(ByCentroid.dtype)
        lists: list[list[Rows]] = [[nothing] for _ in range(placing.segments)]
        for rows in self.segments:
            for place, part in _split(placing, rows.convert(placing.dtype)).items():
                lists[place].append(part)
        return Partition(placing, self.dimension, tuple(map(join_rows, lists)))

    def _split(self, records: Iterable[bytes | None]) -> dict[int, Rows]:
        data = b"".join(record for record in records if record is not None)
        return _split(self.placing, read_rows(data, self.dimension, self.placing.dtype))


def build_partition(records: Iterable[bytes], dimension: int, centroids: Int8s | None) -> Partition:
    """A partition of all records, by centroids where there are any."""
    data = b"".join(records)
    rows = read_rows(data, dimension, np.int8 if centroids is None else np.float32)
    placing = ByHash(_choose_bits(len(rows))) if centroids is None else ByCentroid(centroids)
    found, nothing = _split(placing, rows), rows.take(np.arange(0))
    return Partition(placing, dimension, tuple(found.get(segment, nothing) for segment in range(placing.segments)))


def _choose_bits(rows: int) -> int:
    return max(0, (rows // _SEGMENT_ROWS).bit_length() - 1)


def _split(placing: ByHash | ByCentroid, rows: Rows) -> dict[int, Rows]:
    if not len(rows):
        return {}
    if placing.segments == 1:
        return {0: rows}
    labels = placing.place(rows)
    order = np.argsort(labels, kind="stable")
    found, starts = np.unique(labels[order], return_index=True)
    ordered, ends = rows.take(order), [*starts[1:].tolist(), len(rows)]  # in one piece of memory, in large pages
    places = zip(found.tolist(), starts.tolist(), ends, strict=True)
    return {label: ordered.cut(start, end) for label, start, end in places}
