"""Arithmetic of alt_bn128 by arkworks, in the wheels of zksnake.

Its constructors panic on what is no point of the group. So points are read from their compressed bytes, which it checks
and refuses, and then compared with what they were meant to be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zksnake._algebra import ec_bn254

from infernet.vm.osaka.bn128_points import MODULUS, Point, Twist

SECONDS_PER_PAIR = 0.004
"""On a slow machine."""
_INFINITY, _NEGATIVE = 0x40, 0x80
_ONE = ec_bn254.multi_pairing([], [])


def multiply(point: Point, factor: int) -> Point:
    """A point of the curve, so many times."""
    product = _read(ec_bn254.PointG1, point) * factor
    return product.x, product.y


def is_one(pairs: Sequence[tuple[Point, Twist]]) -> bool:
    """Whether the product of the pairings is one.

    Raises:
        ValueError: a point of the twist is not of the group.
    """
    firsts = [_read(ec_bn254.PointG1, first) for first, _ in pairs]
    seconds = [_read(ec_bn254.PointG2, second) for _, second in pairs]
    return bool(ec_bn254.multi_pairing(firsts, seconds) == _ONE)


def _read(kind: Any, coordinates: Sequence[int]) -> Any:
    half = len(coordinates) // 2
    content = bytearray(b"".join(value.to_bytes(32, "little") for value in coordinates[:half]))
    y = coordinates[half:]
    if not any(coordinates):
        content[-1] |= _INFINITY
    elif [*reversed(y)] > [-value % MODULUS for value in reversed(y)]:
        content[-1] |= _NEGATIVE
    point = kind.from_bytes(bytes(content))  # or a ValueError: no point, or outside the group
    if (list(point.y) if half > 1 else [point.y]) != [*y]:
        raise ValueError("not on the curve")
    return point
