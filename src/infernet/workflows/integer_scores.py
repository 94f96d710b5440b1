"""Scores as integers that every machine computes alike: from counts, or from amounts rounded to a number of places.

More is better: an error counts below zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

from infernet.errors import JobRejected

SCALE = 10**18
_WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)
_LARGEST = 2**62


def accuracy(truth: Sequence[str], predicted: Sequence[str]) -> Fraction:
    """Right answers of all."""
    return Fraction(sum(map(str.__eq__, truth, predicted)), len(truth))


def balanced_accuracy(truth: Sequence[str], predicted: Sequence[str]) -> Fraction:
    """The mean of each true class's recall."""
    return _mean([Fraction(right, are) for right, are, _ in _count(truth, predicted)])


def f1(truth: Sequence[str], predicted: Sequence[str]) -> Fraction:
    """The mean of each true class's F1."""
    return _mean([Fraction(2 * right, are + said) for right, are, said in _count(truth, predicted)])


def mae(truth: Sequence[int], predicted: Sequence[int], decimals: int) -> int:
    """Of amounts times `10**decimals`, as the others."""
    total = sum(abs(t - p) for t, p in zip(truth, predicted, strict=True))
    error: int = total * SCALE // (len(truth) * 10**decimals)
    return -error


def rmse(truth: Sequence[int], predicted: Sequence[int], decimals: int) -> int:
    """Its square root is that of integers, rounded down."""
    return -math.isqrt(_sum_squares(truth, predicted) * SCALE**2 // (len(truth) * 10 ** (2 * decimals)))


def r2(truth: Sequence[int], predicted: Sequence[int], decimals: int) -> int:
    """Raises JobRejected, `test_set.malformed`, where the truth is the same in all rows."""
    n, total = len(truth), sum(truth)
    spread: int = n * sum(t * t for t in truth) - total * total
    if not spread:
        raise JobRejected("test_set.malformed", "the test set is none for r2: all its rows have the same truth")
    return SCALE - n * _sum_squares(truth, predicted) * SCALE // spread


CLASS_SCORES: Mapping[str, Callable[[Sequence[str], Sequence[str]], Fraction]] = {
    score.__name__: score for score in (accuracy, balanced_accuracy, f1)
}
AMOUNT_SCORES: Mapping[str, Callable[[Sequence[int], Sequence[int], int], int]] = {
    score.__name__: score for score in (mae, rmse, r2)
}


def scale_share(share: Fraction) -> int:
    """A share times 10**18, rounded down."""
    return share.numerator * SCALE // share.denominator


def parse_amount(text: str, decimals: int) -> int:
    """A decimal number times `10**decimals`, ties to even.

    Raises:
        JobRejected: `test_set.malformed`.
    """
    try:
        amount = int(Decimal(text).scaleb(decimals, _WIDE).to_integral_value(ROUND_HALF_EVEN, _WIDE))
    except (ArithmeticError, ValueError):
        amount = _LARGEST
    if abs(amount) >= _LARGEST:
        raise JobRejected("test_set.malformed", f"the test set is none: {text[:40]!r} is no amount to compare with")
    return amount


def _count(truth: Sequence[str], predicted: Sequence[str]) -> list[tuple[int, int, int]]:
    """For each true class: right answers, rows that are of it, rows that are said to be."""
    pairs = list(zip(truth, predicted, strict=True))
    return [
        (pairs.count((label, label)), sum(t == label for t, _ in pairs), sum(p == label for _, p in pairs))
        for label in sorted(set(truth))
    ]


def _mean(shares: Sequence[Fraction]) -> Fraction:
    return sum(shares, Fraction(0)) / len(shares)


def _sum_squares(truth: Sequence[int], predicted: Sequence[int]) -> int:
    return sum((t - p) ** 2 for t, p in zip(truth, predicted, strict=True))
