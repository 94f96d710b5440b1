"""The lists of an approximate index: each vector belongs to its nearest centroid.

Centroids are int8 vectors that k-means found in integers, so a list's members are a function of the centroids and the
vectors alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from infernet.vm.spc.vectors.products import Int8s, Int64s, Vectors, compute_norms, compute_products

ITERATIONS = 4
SAMPLES_PER_LIST = 128
_BLOCK_ROWS = 4_096
_EXACT_FLOAT = 1 << 24


def compute_training_macs(samples: int, lists: int, dimension: int) -> int:
    """Multiply-accumulates of a training."""
    return ITERATIONS * samples * lists * dimension


def train_centroids(samples: Int8s, lists: int) -> Int8s:
    """K-means that begins at the first samples, always of the same number of iterations.

    A centroid is the mean of its samples, halves rounded up; one that no sample belongs to stays where it is.
    """
    centroids = samples[:lists].copy()
    for _ in range(ITERATIONS):
        sums, counts = _sum_members(samples, assign(samples, centroids), lists)
        held = counts > 0
        means = (2 * sums[held] + counts[held, None]) // (2 * counts[held, None])
        centroids[held] = means.astype(np.int8)
    return centroids


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


def compute_distances(centroids: Vectors, norms: Int64s, vector: Int8s) -> Int64s:
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
