"""The lists of an approximate index: each vector belongs to its nearest centroid.

Centroids are int8 vectors that k-means found in integers, so a list's members are a function of the centroids and the
vectors alone.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from infernet.vm.spc.vectors.metric import Metric
from infernet.vm.spc.vectors.products import Int8s, Int64s, Vectors, compute_norms, compute_products

ITERATIONS = 4
SAMPLES_PER_LIST = 128
_BLOCK_ROWS = 4_096
_EXACT_FLOAT = 1 << 24
_CHOICE_MACS = 64
"""That comparing one distance with the others counts as."""
_LARGEST = 127


def compute_training_macs(samples: int, lists: int, dimension: int) -> int:
    """Multiply-accumulates of a training."""
    return ITERATIONS * compute_placing_macs(samples, lists, dimension)


def compute_placing_macs(rows: int, lists: int, dimension: int) -> int:
    """Multiply-accumulates of finding the list of each row."""
    return rows * lists * (dimension + _CHOICE_MACS)


def train_centroids(samples: Int8s, lists: int, metric: Metric) -> Int8s:
    """K-means that begins at the first samples, always of the same number of iterations.

    A list that no sample belongs to keeps its centroid. Where directions matter (all metrics but the distance), all
    centroids are scaled to one length: a mean of many directions is short, and would be near to everything.
    """
    sums, counts = samples[:lists].astype(np.int64), np.ones(lists, np.int64)
    for iteration in range(ITERATIONS + 1):
        centroids = _compute_means(sums, counts) if metric is Metric.SQUARED_DISTANCE else _compute_directions(sums)
        if iteration < ITERATIONS:
            found, members = _sum_members(samples, assign(samples, centroids), lists)
            held = members > 0
            sums[held], counts[held] = found[held], members[held]
    return centroids


def _compute_means(sums: Int64s, counts: Int64s) -> Int8s:
    """Halves are rounded up."""
    return ((2 * sums + counts[:, None]) // (2 * counts[:, None])).astype(np.int8)


def _compute_directions(sums: Int64s) -> Int8s:
    """Each scaled to the largest length that all of them can have: floor((2^11 · t · x + l) / (2 · l)), where l is
    floor(2^10 · the length of x) and t is the common length, rounded down.
    """
    squares = np.einsum("ij,ij->i", sums, sums).tolist()
    lengths = np.array([math.isqrt(square << 20) for square in squares])[:, None]
    largest = np.abs(sums).max(axis=1, keepdims=True)
    is_some = (lengths > 0)[:, 0]
    if not is_some.any():
        return np.zeros(sums.shape, np.int8)
    common = int((_LARGEST * lengths[is_some] // (largest[is_some] << 10)).min())
    scaled: Int64s = (sums * (common << 11) + lengths) // np.maximum(2 * lengths, 1)
    return scaled.astype(np.int8)


def assign(vectors: Vectors, centroids: Int8s) -> NDArray[np.intp]:
    """The centroid of the smallest squared distance for each vector, the first of equals. Shape [n]."""
    labels = np.empty(len(vectors), np.intp)
    norms = compute_norms(centroids)
    # A distance, less the vector's own part: |c|² - 2 x·c, of which |2 x·c| is at most |x|² + |c|².
    largest = int(compute_norms(vectors).max(initial=0)) + 2 * int(norms.max())
    offsets = norms.astype(np.float32 if largest < _EXACT_FLOAT else np.float64)
    for at in range(0, len(vectors), _BLOCK_ROWS):
        rows = slice(at, at + _BLOCK_ROWS)
        labels[rows] = (offsets - 2 * compute_products(vectors[rows], centroids)).argmin(axis=1)
    return labels


def compute_distances(centroids: Vectors, norms: Int64s, vector: Vectors) -> Int64s:
    """The squared distance of each centroid from a vector, less the vector's squared length."""
    return norms - 2 * compute_products(centroids, vector).astype(np.int64)


def _sum_members(samples: Int8s, labels: NDArray[np.intp], lists: int) -> tuple[Int64s, Int64s]:
    """For each list the sum of its vectors, shape [lists, dimension], and their number."""
    counts = np.bincount(labels, minlength=lists)
    sums = np.zeros((lists, samples.shape[1]), np.int64)
    ordered = samples[np.argsort(labels, kind="stable")]
    filled = np.flatnonzero(counts)
    starts = np.concatenate([[0], np.cumsum(counts[filled])[:-1]])
    sums[filled] = np.add.reduceat(ordered, starts, axis=0, dtype=np.int64)
    return sums, counts
