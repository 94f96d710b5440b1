"""The lists of an approximate index: each vector belongs to its nearest centroid.

Centroids are int8 vectors that k-means found in integers, so a list's members are a function of the centroids and the
vectors alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from infernet.vm.spc.vectors.products import compute_norms, compute_products

ITERATIONS = 8
SAMPLES_PER_LIST = 64
_BLOCK_ROWS = 4_096
Int8s = NDArray[np.int8]


def compute_training_macs(samples: int, lists: int, dimension: int) -> int:
    """Multiply-accumulates of a training: assignments and sums, in every iteration."""
    return 2 * ITERATIONS * samples * lists * dimension


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


def assign(vectors: Int8s, centroids: Int8s) -> NDArray[np.intp]:
    """The centroid of the smallest squared distance for each vector, the first of equals. Shape [n]."""
    labels = np.empty(len(vectors), np.intp)
    norms = compute_norms(centroids)
    for at in range(0, len(vectors), _BLOCK_ROWS):
        rows = slice(at, at + _BLOCK_ROWS)
        labels[rows] = (norms - 2 * compute_products(vectors[rows], centroids)).argmin(axis=1)
    return labels


def _sum_members(samples: Int8s, labels: NDArray[np.intp], lists: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each list the sum of its vectors, shape [lists, dimension], and their number."""
    counts = np.bincount(labels, minlength=lists)
    sums = np.zeros((lists, samples.shape[1]), np.int64)
    ordered = samples[np.argsort(labels, kind="stable")]
    filled = np.flatnonzero(counts)
    starts = np.concatenate([[0], np.cumsum(counts[filled])[:-1]])
    sums[filled] = np.add.reduceat(ordered, starts, axis=0, dtype=np.int64)
    return sums, counts
