"""Real numbers as integers with a number of decimal places: stored = real · 10^scale.

Both directions use IEEE binary64 and nothing that a platform may do its own way, so every machine agrees.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from infernet.errors import InvalidInput

_EXACT_INTEGER = 2**53  # every integer up to here is a binary64
_EXACT_POWER = 22  # and so is every power of ten up to here: one division is then correctly rounded
_INT64_LIMIT = 2.0**63


def to_stored(real: NDArray[Any], scale: int, decimals: int | None = None) -> NDArray[Any]:
    """The integers that stand for `real`: int64, or Python ints (dtype object) where one is larger.

    The product real · 10^decimals is taken in binary64 and rounded to the nearest integer, ties to even; `decimals`
    is the scale unless fewer places are to be kept.

    Raises:
        InvalidInput: `fixed_point.not_finite` for NaN, an infinity, or a product beyond binary64.
    """
    kept = scale if decimals is None else decimals
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = np.rint(real.astype(np.float64) * float(10**kept))
    if not np.isfinite(rounded).all():
        raise InvalidInput("fixed_point.not_finite", "a value is not a finite number")
    widening = 10 ** (scale - kept)
    if not rounded.size or float(np.abs(rounded).max()) * widening < _INT64_LIMIT:
        return rounded.astype(np.int64) * np.int64(widening if rounded.any() else 1)
    return np.array([int(item) * widening for item in rounded.reshape(-1)], dtype=object).reshape(rounded.shape)


def from_stored(stored: NDArray[Any], scale: int) -> NDArray[np.float64]:
    """Stored / 10^scale, correctly rounded to binary64.

    Raises:
        InvalidInput: `fixed_point.not_finite` when a quotient is beyond binary64.
    """
    small = not stored.size or (stored.min() >= -_EXACT_INTEGER and stored.max() <= _EXACT_INTEGER)
    if small and scale <= _EXACT_POWER:
        return stored.astype(np.float64) / float(10**scale)
    divisor = 10**scale
    try:
        return np.array([item / divisor for item in stored.reshape(-1).tolist()], np.float64).reshape(stored.shape)
    except OverflowError:
        raise InvalidInput("fixed_point.not_finite", "a value is beyond what a float holds") from None


def compute_rounding_margin(real: NDArray[Any], decimals: int) -> float:
    """How far the nearest of these values is from where rounding to `decimals` places would go the other way.

    In the values' own unit; a publisher compares it with what machines differ by. Infinity for no values.
    """
    scaled = real.astype(np.float64) * float(10**decimals)
    distances = np.abs(scaled - np.floor(scaled) - 0.5)
    return float(distances.min()) / float(10**decimals) if distances.size else float("inf")
