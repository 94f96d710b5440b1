"""The pairing check of alt_bn128 with one final exponentiation for all pairs, rather than one for each.

The answer is the same, since the exponentiation of a product is the product of the exponentiations. It goes by the
factors of its exponent, (p^6 - 1) (p^2 + 1) (p^4 - p^2 + 1) / r, of which the first two cost next to nothing.
"""

from __future__ import annotations

from ethereum.forks.osaka.vm import Evm
from ethereum.forks.osaka.vm.exceptions import InvalidParameter, OutOfGasError
from ethereum.forks.osaka.vm.gas import charge_gas
from ethereum.forks.osaka.vm.precompiled_contracts.alt_bn128 import bytes_to_g1, bytes_to_g2
from ethereum_types.numeric import Uint
from py_ecc.fields import optimized_bn128_FQ12 as FQ12
from py_ecc.optimized_bn128.optimized_curve import curve_order, field_modulus, is_inf, multiply
from py_ecc.optimized_bn128.optimized_pairing import pairing

_PAIR = 192
_HARD_PART = (field_modulus**4 - field_modulus**2 + 1) // curve_order
_ROOT = pow(82, (field_modulus - 1) // 6, field_modulus)
"""The field's generator w to the power of p^2, by w: (9 + u)^((p^2 - 1) / 6), of which 82 is the norm."""


def check_pairing(evm: Evm) -> None:
    """Whether the product of pairings is one, at 0x08."""
    data = evm.message.data
    count, rest = divmod(len(data), _PAIR)
    charge_gas(evm, Uint(34_000 * count + 45_000))
    if rest:
        raise OutOfGasError
    product = FQ12.one()
    for start in range(0, len(data), _PAIR):
        try:
            first = bytes_to_g1(data[start : start + 64])  # all of the curve is of the right order
            second = bytes_to_g2(data[start + 64 : start + _PAIR])
        except InvalidParameter as error:
            raise OutOfGasError from error
        if not is_inf(multiply(second, curve_order)):
            raise OutOfGasError
        product *= pairing(second, first, final_exponentiate=False)
    evm.output = _is_one_in_the_end(product).to_bytes(32, "big")


def _is_one_in_the_end(product: FQ12) -> bool:
    if product == FQ12.one():
        return True
    conjugate = FQ12([-value if power % 2 else value for power, value in enumerate(product.coeffs)])  # to the p^6
    first = conjugate / product
    squared = FQ12([value * pow(_ROOT, power, field_modulus) for power, value in enumerate(first.coeffs)])  # to the p^2
    return bool((squared * first) ** _HARD_PART == FQ12.one())
