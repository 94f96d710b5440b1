"""How near two vectors are, as an integer."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]


class Metric(IntEnum):
    """The kinds of score, numbered as in Solidity."""

    INNER_PRODUCT = 0
    """The sum of products; the largest is the nearest."""
    SQUARED_DISTANCE = 1
    """The sum of squared differences; the smallest is the nearest."""
    COSINE = 2
    """About 2^20 times the cosine of the angle, precisely floor(2^25 · p / floor(32 · √(x · q))), where p is the inner
    product, x and q the squared lengths; 0 where one of them is zero. The largest is the nearest."""

    def compute_scores(self, products: Int64s, norms: Int64s, query_norm: int) -> Int64s:
        """Scores of vectors with these inner products and squared lengths."""
        match self:
            case Metric.INNER_PRODUCT:
                return products
            case Metric.SQUARED_DISTANCE:
                return norms - 2 * products + query_norm
            case Metric.COSINE:
                lengths = _compute_root(norms * query_norm << 10)
                return np.where(lengths > 0, (products << 25) // np.maximum(lengths, 1), 0)

    def compute_ranks(self, scores: Int64s) -> Int64s:
        """Numbers of which the largest belongs to the nearest."""
        return -scores if self is Metric.SQUARED_DISTANCE else scores


def _compute_root(squares: Int64s) -> Int64s:
    """The integer square root of numbers below 2^63. The float64 is a guess, which is off by one at most."""
    roots = np.sqrt(squares.astype(np.float64)).astype(np.int64)
    roots -= roots * roots > squares
    roots += (roots + 1) * (roots + 1) <= squares
    return roots
