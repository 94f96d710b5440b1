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
Floats = NDArray[np.float32]
Vectors = NDArray[Any]
"""int8, shape [n, dimension]; or the same as float32, which needs no conversion, and four times the memory."""
Integers = NDArray[Any]
"""int64; or float32 where all of them are integers of up to 2^24."""


def one_thread() -> AbstractContextManager[Any]:
    """A BLAS of one thread: blocks are small, and threads that wait for one another cost more than they bring."""
    limit: AbstractContextManager[Any] = _find_blas().limit(limits=1, user_api="blas")
    return limit


@cache
def _find_blas() -> ThreadpoolController:
    return ThreadpoolController()


def compute_products(vectors: Vectors, queries: Vectors) -> Integers:
    """Shape [n, dimension] and [m, dimension] give [n, m]; one query of shape [dimension] gives [n]."""
    if queries.shape[-1] <= EXACT_TERMS:
        return _multiply(vectors, queries)
    parts = [_multiply(vectors[:, columns], queries[..., columns]) for columns in _cut_columns(queries.shape[-1])]
    total: Int64s = np.sum(parts, axis=0, dtype=np.int64)
    return total


def compute_norms(vectors: Vectors) -> Int64s:
    """Squared lengths, shape [n]."""
    norms = np.zeros(len(vectors), np.int64)
    for columns in _cut_columns(vectors.shape[1]):
        for rows in _cut_rows(*vectors[:, columns].shape):
            block = vectors[rows, columns].astype(np.float32, copy=False)
            norms[rows] += np.einsum("ij,ij->i", block, block).astype(np.int64)
    return norms


def _multiply(vectors: Vectors, queries: Vectors) -> Floats:
    wanted = queries.astype(np.float32, copy=False)
    products = np.empty((len(vectors), *wanted.shape[:-1]), np.float32)
    step = len(vectors) if vectors.dtype == np.float32 else max(1, _BLOCK_VALUES // vectors.shape[1])
    for at in range(0, len(vectors), step):
        block, out = vectors[at : at + step].astype(np.float32, copy=False), products[at : at + step]
        if wanted.ndim == 1:
            np.vecdot(
                block, wanted, out=out
            )  # row by row: OpenBLAS multiplies matrix and vector at a third of the speed
        else:
            np.matmul(block, wanted.T, out=out)
    return products


def _cut_columns(dimension: int) -> Iterator[slice]:
    return (slice(at, at + EXACT_TERMS) for at in range(0, dimension, EXACT_TERMS))


def _cut_rows(count: int, dimension: int) -> Iterator[slice]:
    step = max(1, _BLOCK_VALUES // dimension)
    return (slice(at, at + step) for at in range(0, count, step))
