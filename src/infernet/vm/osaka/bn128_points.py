"""Points of alt_bn128 as plain integers below its field's modulus; all zero is the point at infinity."""

from __future__ import annotations

from typing import TypeAlias

MODULUS = 21888242871839275222246405745257275088696311157297823662689037894645226208583
Point: TypeAlias = tuple[int, int]
"""x and y; all of the curve is of the right order."""
Twist: TypeAlias = tuple[int, int, int, int]
"""x and y over the field with the root of -1: of each the real part first."""


def is_on_curve(point: Point) -> bool:
    x, y = point
    return not any(point) or (y * y - x * x * x - 3) % MODULUS == 0


def add(first: Point, second: Point) -> Point:
    """The sum of two points of the curve."""
    if not any(first) or not any(second):
        return second if any(second) else first
    (x, y), (other_x, other_y) = first, second
    if x == other_x:
        if (y + other_y) % MODULUS == 0:
            return 0, 0
        slope = 3 * x * x * pow(2 * y, -1, MODULUS)
    else:
        slope = (other_y - y) * pow(other_x - x, -1, MODULUS)
    slope %= MODULUS
    sum_x = (slope * slope - x - other_x) % MODULUS
    return sum_x, (slope * (x - sum_x) - y) % MODULUS
