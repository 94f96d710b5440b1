"""The precompiles of alt_bn128: checks, gas and answers as specified, arithmetic by the faster of two libraries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import structlog
from ethereum.forks.osaka.vm import Evm
from ethereum.forks.osaka.vm.exceptions import OutOfGasError
from ethereum.forks.osaka.vm.gas import charge_gas
from ethereum_types.numeric import Uint

from infernet.vm.osaka import bn128_python
from infernet.vm.osaka.bn128_points import MODULUS, Point, Twist, add, is_on_curve

try:
    from infernet.vm.osaka import bn128_native
except ImportError:  # no wheel for this machine
    bn128_native = None  # type: ignore[assignment]

log = structlog.get_logger()
_WORD, _POINT, _PAIR = 32, 64, 192
_ORDER = 21888242871839275222246405745257275088548364400416034343698204186575808495617
_TWO = (
    1368015179489954701390400359078579693043519447331113978918064868415326638035,
    9918110051302171585080402603319702774565515993150576347155970296011118125764,
)
_SIX = (
    4503322228978077916651710446042370109107355802721800704639343137502100212473,
    6132642251294427119375180147349983541569387941788025780665104001559216576968,
)
_G2 = (
    10857046999023057135944570762232829481370756359578518086990519993285655852781,
    11559732032986387107991004021392285783925812861821192530917403151452391805634,
    8495653923123431417604973247489272438418190587263600148770280649306958101930,
    4082367875863433681332203403145435568316851327593401208105741076214120093531,
)
_THREE_G2 = (
    2725019753478801796453339367788033689375851816420509565303521482350756874229,
    7273165102799931111715871471550377909735733521218303035754523677688038059653,
    2512659008974376214222774206987427162027254181373325676825515531566330959255,
    957874124722006818841961785324909313781880061366718538693995380805373202866,
)
_OUTSIDE = (
    1,
    0,
    18278151005453108793778860132295291098363647455926340152056652516292830556603,
    5912654199736721486680175016176231956195085055698687135131307249486702594212,
)
"""On the twist, of another order."""


class Arithmetic(Protocol):
    """`bn128_python` is one."""

    SECONDS_PER_PAIR: float

    def multiply(self, point: Point, factor: int) -> Point: ...
    def is_one(self, pairs: Sequence[tuple[Point, Twist]]) -> bool: ...


def add_points(evm: Evm) -> None:
    """Sum of two points, at 0x06."""
    charge_gas(evm, Uint(150))
    data = _pad(evm.message.data, 2 * _POINT)
    evm.output = _encode(add(_read_point(data[:_POINT]), _read_point(data[_POINT:])))


def multiply_point(evm: Evm) -> None:
    """A point so many times, at 0x07."""
    charge_gas(evm, Uint(6_000))
    data = _pad(evm.message.data, _POINT + _WORD)
    factor = int.from_bytes(data[_POINT:], "big")
    evm.output = _encode(ARITHMETIC.multiply(_read_point(data[:_POINT]), factor))


def check_pairing(evm: Evm) -> None:
    """Whether the product of pairings is one, at 0x08."""
    data = bytes(evm.message.data)
    count, rest = divmod(len(data), _PAIR)
    charge_gas(evm, Uint(34_000 * count + 45_000))
    if rest:
        raise OutOfGasError
    pairs = [_read_pair(data[start : start + _PAIR]) for start in range(0, len(data), _PAIR)]
    try:
        answer = ARITHMETIC.is_one(pairs)
    except ValueError:
        raise OutOfGasError from None
    evm.output = answer.to_bytes(_WORD, "big")


REPLACED: dict[int, Callable[[Evm], None]] = {0x06: add_points, 0x07: multiply_point, 0x08: check_pairing}


def is_sound(arithmetic: Arithmetic) -> bool:
    """Whether it knows some answers that are known: a library is not trusted with blocks before."""
    one, minus_two = (1, 2), (_TWO[0], MODULUS - _TWO[1])
    try:
        products = [arithmetic.multiply(one, factor) for factor in (6, _ORDER + 6, 0, _ORDER)]
        checks = [arithmetic.is_one(pairs) for pairs in ([(_SIX, _G2), (minus_two, _THREE_G2)], [(_SIX, _G2)], [])]
    except ValueError:
        return False
    try:
        arithmetic.is_one([(one, _OUTSIDE)])
    except ValueError:
        return products == [_SIX, _SIX, (0, 0), (0, 0)] and checks == [True, False, True]
    return False


def _read_pair(data: bytes) -> tuple[Point, Twist]:
    x_imaginary, x, y_imaginary, y = _read_elements(data[_POINT:])
    return _read_point(data[:_POINT]), (x, x_imaginary, y, y_imaginary)


def _read_point(data: bytes) -> Point:
    x, y = _read_elements(data)
    if not is_on_curve((x, y)):
        raise OutOfGasError
    return x, y


def _read_elements(data: bytes) -> list[int]:
    elements = [int.from_bytes(data[start : start + _WORD], "big") for start in range(0, len(data), _WORD)]
    if max(elements) >= MODULUS:
        raise OutOfGasError
    return elements


def _pad(data: bytes, size: int) -> bytes:
    return bytes(data[:size]).ljust(size, b"\0")


def _encode(point: Point) -> bytes:
    return b"".join(value.to_bytes(_WORD, "big") for value in point)


def _choose() -> Arithmetic:
    if bn128_native is None:
        return bn128_python
    if is_sound(bn128_native):
        return bn128_native
    log.warning("bn128.library_disagrees", library="zksnake", instead="py_ecc")
    return bn128_python


ARITHMETIC = _choose()
