"""The precompiles of BLS12-381 that take long in Python, by arkworks: checks, gas and answers stay as specified."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from ethereum.crypto import kzg
from ethereum.forks.osaka.vm import Evm, gas
from ethereum.forks.osaka.vm.exceptions import InvalidParameter
from ethereum.forks.osaka.vm.precompiled_contracts import bls12_381 as spec
from ethereum_types.numeric import Uint
from py_arkworks_bls12381 import GT, G1Point, G2Point, Scalar
from py_ecc.fields import optimized_bls12_381_FQ as FQ

Point = TypeVar("Point", G1Point, G2Point)

_MODULUS = int(FQ.field_modulus)
_FIELD, _PADDED, _SCALAR = 48, 64, 32
_TAU_G2 = G2Point.from_compressed_bytes(bytes.fromhex(kzg.KZG_SETUP_G2_MONOMIAL_1[2:]))
_G1, _G2 = G1Point(), G2Point()


def add_g1(evm: Evm) -> None:
    """Sum in G1, at 0x0b."""
    first, second = _read_pair(evm, 2, gas.GAS_BLS_G1_ADD, G1Point.from_xy_bytes_unchecked_be)
    evm.output = _encode((first + second).to_xy_bytes_be())


def add_g2(evm: Evm) -> None:
    """Sum in G2, at 0x0d."""
    first, second = _read_pair(evm, 4, gas.GAS_BLS_G2_ADD, G2Point.from_xy_bytes_unchecked_be)
    evm.output = _encode((first + second).to_xy_bytes_be())


def multiply_g1(evm: Evm) -> None:
    """Sum of products in G1, at 0x0c."""
    _charge_sum(evm, 2, gas.GAS_BLS_G1_MUL, spec.G1_K_DISCOUNT, spec.G1_MAX_DISCOUNT)
    points, scalars = _split(evm.message.data, 2, G1Point.from_xy_bytes_unchecked_be)
    evm.output = _encode(G1Point.multiexp_unchecked(points, scalars).to_xy_bytes_be())


def multiply_g2(evm: Evm) -> None:
    """Sum of products in G2, at 0x0e."""
    _charge_sum(evm, 4, gas.GAS_BLS_G2_MUL, spec.G2_K_DISCOUNT, spec.G2_MAX_DISCOUNT)
    points, scalars = _split(evm.message.data, 4, G2Point.from_xy_bytes_unchecked_be)
    evm.output = _encode(G2Point.multiexp_unchecked(points, scalars).to_xy_bytes_be())


def check_pairing(evm: Evm) -> None:
    """Whether the product of pairings is one, at 0x0f."""
    data, size = bytes(evm.message.data), 6 * _PADDED
    if not data or len(data) % size:
        raise InvalidParameter("Invalid Input Length")
    gas.charge_gas(evm, Uint(32_600 * (len(data) // size) + 37_700))
    g1s, g2s = [], []
    for start in range(0, len(data), size):
        g1s.append(_decode(data[start : start + 2 * _PADDED], G1Point.from_xy_bytes_unchecked_be))
        g2s.append(_decode(data[start + 2 * _PADDED : start + size], G2Point.from_xy_bytes_unchecked_be))
    evm.output = GT.pairing_check(g1s, g2s).to_bytes(32, "big")


def map_to_g1(evm: Evm) -> None:
    """A field element as a point of G1, at 0x10."""
    evm.output = _encode(G1Point.map_from_fp_be(_read_element(evm, 1, gas.GAS_BLS_G1_MAP)).to_xy_bytes_be())


def map_to_g2(evm: Evm) -> None:
    """A pair of field elements as a point of G2, at 0x11."""
    evm.output = _encode(G2Point.map_from_fp2_be(_read_element(evm, 2, gas.GAS_BLS_G2_MAP)).to_xy_bytes_be())


def verify_kzg_proof(
    commitment: kzg.KZGCommitment, z: kzg.BLSFieldElement, y: kzg.BLSFieldElement, proof: kzg.KZGProof
) -> bool:
    """`verify_kzg_proof_impl`, which 0x0a calls with what it has validated: e(C - y, -1) e(proof, tau - z) = 1."""
    difference = G1Point.from_compressed_bytes(bytes(commitment)) - _G1 * Scalar(int(y))
    quotient = G1Point.from_compressed_bytes(bytes(proof))
    return GT.pairing_check([difference, quotient], [-_G2, _TAU_G2 - _G2 * Scalar(int(z))])


REPLACED: dict[int, Callable[[Evm], None]] = {
    0x0B: add_g1,
    0x0C: multiply_g1,
    0x0D: add_g2,
    0x0E: multiply_g2,
    0x0F: check_pairing,
    0x10: map_to_g1,
    0x11: map_to_g2,
}


def _charge_sum(evm: Evm, fields: int, each: Uint, discounts: Sequence[int], largest: int) -> None:
    size = fields * _PADDED + _SCALAR
    count, rest = divmod(len(evm.message.data), size)
    if not count or rest:
        raise InvalidParameter("Invalid Input Length")
    discount = Uint(discounts[count - 1] if count <= len(discounts) else largest)
    gas.charge_gas(evm, Uint(count) * each * discount // spec.MULTIPLIER)


def _split(data: bytes, fields: int, read: Callable[[bytes], Point]) -> tuple[list[Point], list[Scalar]]:
    size, points, scalars = fields * _PADDED + _SCALAR, [], []
    for start in range(0, len(data), size):
        end = start + size
        points.append(_decode(bytes(data[start : end - _SCALAR]), read))
        scalars.append(Scalar.from_be_bytes_mod_order(bytes(data[end - _SCALAR : end])))
    return points, scalars


def _read_pair(evm: Evm, fields: int, price: Uint, read: Callable[[bytes], Point]) -> tuple[Point, Point]:
    """Two points of the curve, of whatever order."""
    data, size = bytes(evm.message.data), fields * _PADDED
    if len(data) != 2 * size:
        raise InvalidParameter("Invalid Input Length")
    gas.charge_gas(evm, Uint(price))
    return _decode_any(data[:size], read), _decode_any(data[size:], read)


def _read_element(evm: Evm, fields: int, price: Uint) -> bytes:
    data = bytes(evm.message.data)
    if len(data) != fields * _PADDED:
        raise InvalidParameter("Invalid Input Length")
    gas.charge_gas(evm, Uint(price))
    return _strip(data)


def _decode(data: bytes, read: Callable[[bytes], Point]) -> Point:
    """A point of the right order; all zero is the one at infinity."""
    point = _decode_any(data, read)
    if not point.is_in_subgroup():
        raise InvalidParameter("Subgroup check failed")
    return point


def _decode_any(data: bytes, read: Callable[[bytes], Point]) -> Point:
    try:
        return read(_strip(data))
    except ValueError as error:
        raise InvalidParameter(str(error)) from None


def _strip(data: bytes) -> bytes:
    """Field elements without the sixteen zeros before each."""
    elements = [data[start : start + _PADDED] for start in range(0, len(data), _PADDED)]
    if any(int.from_bytes(element, "big") >= _MODULUS for element in elements):
        raise InvalidParameter("Invalid field element")
    return b"".join(element[_PADDED - _FIELD :] for element in elements)


def _encode(content: bytes) -> bytes:
    fields = range(0, len(content), _FIELD)
    return b"".join(content[start : start + _FIELD].rjust(_PADDED, b"\0") for start in fields)
