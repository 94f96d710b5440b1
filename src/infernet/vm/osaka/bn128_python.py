"""Arithmetic of alt_bn128 by py_ecc: on machines for which zksnake has no wheel, and what that one is compared with.

A pairing check has one final exponentiation for all pairs, rather than one for each: the exponentiation of a product is
the product of the exponentiations. It goes by the factors of its exponent, (p^6 - 1) (p^2 + 1) (p^4 - p^2 + 1) / r, of
which the first two cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from py_ecc.fields import optimized_bn128_FQ as FQ
from py_ecc.fields import optimized_bn128_FQ2 as FQ2
from py_ecc.fields import optimized_bn128_FQ12 as FQ12
from py_ecc.optimized_bn128 import optimized_curve as curve
from py_ecc.optimized_bn128.optimized_pairing import pairing
from py_ecc.typing import Optimized_Point3D

from infernet.vm.osaka.bn128_points import MODULUS, Point, Twist

SECONDS_PER_PAIR = 0.3
"""On a slow machine."""
_HARD_PART = (MODULUS**4 - MODULUS**2 + 1) // curve.curve_order
_ROOT = pow(82, (MODULUS - 1) // 6, MODULUS)
"""The field's generator w to the power of p^2, by w: (9 + u)^((p^2 - 1) / 6), of which 82 is the norm."""


def multiply(point: Point, factor: int) -> Point:
    """A point of the curve, so many times."""
    x, y = curve.normalize(curve.multiply(_read(point), factor))
    return int(x), int(y)


def is_one(pairs: Sequence[tuple[Point, Twist]]) -> bool:
    """Whether the product of the pairings is one.

    Raises:
        ValueError: a point of the twist is not of the group.
    """
    product = FQ12.one()
    for first, second in pairs:
        product *= pairing(_read_twist(second), _read(first), final_exponentiate=False)
    return _is_one_in_the_end(product)


def _read(point: Point) -> Optimized_Point3D[FQ]:
    return FQ(point[0]), FQ(point[1]), FQ(int(any(point)))


def _read_twist(second: Twist) -> Optimized_Point3D[FQ2]:
    point = FQ2(second[:2]), FQ2(second[2:]), FQ2((int(any(second)), 0))
    if not curve.is_on_curve(point, curve.b2) or not curve.is_inf(curve.multiply(point, curve.curve_order)):
        raise ValueError("not of the group")
    return point


def _is_one_in_the_end(product: FQ12) -> bool:
    if product == FQ12.one():
        return True
    conjugate = FQ12([-value if power % 2 else value for power, value in enumerate(product.coeffs)])  # to the p^6
    first = conjugate / product
    squared = FQ12([value * pow(_ROOT, power, MODULUS) for power, value in enumerate(first.coeffs)])  # to the p^2
    return bool((squared * first) ** _HARD_PART == FQ12.one())
