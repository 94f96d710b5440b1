"""Inner products of int8 vectors, exact on every machine.

A float32 holds every integer up to 2^24, and a product of two int8 is at most 2^14: sums of up to 1,024 products are
exact in float32, whatever order a BLAS adds them in. Longer vectors are cut. Vectors stay int8 in memory and become
float32 in blocks that fit the cache, which takes a quarter of the memory traffic of a float32 matrix.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

EXACT_TERMS = 1_024
_BLOCK_VALUES = 1 << 18
Int8s = NDArray[np.int8]
Int64s = NDArray[np.int64]


def one_thread() -> AbstractContextManager[Any]:
    """A BLAS of one thread: blocks are small, and threads that wait for one another cost more than they bring."""
    limit: AbstractContextManager[Any] = _find_blas().limit(limits=1, user_api="blas")
    return limit


@cache
def _find_blas() -> ThreadpoolController:
    return ThreadpoolController()


def compute_products(vectors: Int8s, queries: Int8s) -> Int64s:
    """Shape [n, dimension] and [m, dimension] give [n, m]; queries of shape [dimension] give [n]."""
    products = np.zeros((len(vectors), *queries.shape[:-1]), np.int64)
    for columns in _cut_columns(queries.shape[-1]):
        wanted = queries[..., columns].astype(np.float32).T
        for rows in _cut_rows(len(vectors), wanted.shape[0]):
            products[rows] += np.dot(vectors[rows, columns].astype(np.float32), wanted).astype(np.int64)
    return products


def compute_norms(vectors: Int8s) -> Int64s:
    """Squared lengths, shape [n]."""
    norms = np.zeros(len(vectors), np.int64)
    for columns in _cut_columns(vectors.shape[1]):
        for rows in _cut_rows(*vectors[:, columns].shape):
            block = vectors[rows, columns].astype(np.float32)
            norms[rows] += np.einsum("ij,ij->i", block, block).astype(np.int64)
    return norms


def _cut_columns(dimension: int) -> Iterator[slice]:
    return (slice(at, at + EXACT_TERMS) for at in range(0, dimension, EXACT_TERMS))


def _cut_rows(count: int, dimension: int) -> Iterator[slice]:
    step = max(1, _BLOCK_VALUES // dimension)
    return (slice(at, at + step) for at in range(0, count, step))
