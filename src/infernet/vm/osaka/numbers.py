"""Comparing the specification's integers with Python's, which its instructions do all the time (`value == 0`)."""

from __future__ import annotations

from ethereum_types.numeric import Unsigned

_original_eq = Unsigned.__eq__


def equals(self: Unsigned, other: object) -> bool:
    """As `Unsigned.__eq__`, which first asks whether an `int` supports `int()`: a question that takes microseconds."""
    if isinstance(other, Unsigned):
        return self._number == other._number
    if type(other) is int:
        return self._number == other
    return _original_eq(self, other)
