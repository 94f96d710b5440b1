"""The pairing check of alt_bn128 against the specification's own function: same answers, gas and refusals."""

from __future__ import annotations

import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from ethereum.exceptions import EthereumException
from ethereum.forks.osaka.vm.precompiled_contracts.alt_bn128 import alt_bn128_pairing_check
from ethereum.forks.osaka.vm.precompiled_contracts.mapping import PRE_COMPILED_CONTRACTS
from ethereum_types.numeric import Uint
from py_ecc.optimized_bn128 import FQ2, G1, G2, b2, curve_order, field_modulus, is_on_curve, multiply, normalize

from infernet.vm.osaka import bn128
from infernet.vm.osaka.engine import OsakaEngine

RANDOM = random.Random(128)


def word(value: int) -> bytes:
    return int(value).to_bytes(32, "big")


def g1(factor: int) -> bytes:
    if factor % curve_order == 0:
        return bytes(64)
    x, y = normalize(multiply(G1, factor))
    return word(x.n) + word(y.n)


def encode_g2(point: Any) -> bytes:
    return b"".join(word(part.coeffs[index]) for part in point for index in (1, 0))


def g2(factor: int) -> bytes:
    return bytes(128) if factor % curve_order == 0 else encode_g2(normalize(multiply(G2, factor)))


def run(precompile: Callable[[Any], None], data: bytes, gas: int) -> tuple[str, bytes, int]:
    evm: Any = SimpleNamespace(message=SimpleNamespace(data=data), gas_left=Uint(gas), output=b"")
    try:
        precompile(evm)
    except EthereumException as error:
        return type(error).__name__, b"", 0
    return "ok", bytes(evm.output), int(evm.gas_left)


def compare(data: bytes, gas: int = 10**9) -> str | int:
    outcome, output, _ = ours = run(bn128.check_pairing, data, gas)
    assert ours == run(alt_bn128_pairing_check, data, gas), data.hex()
    return int.from_bytes(output, "big") if outcome == "ok" else outcome


def test_pairings() -> None:
    k = RANDOM.randrange(curve_order)
    true = g1(k) + g2(1) + g1(curve_order - 1) + g2(k)
    assert [compare(data) for data in (b"", true, bytes(192), g1(5) + g2(0), g1(0) + g2(5))] == [1] * 5
    assert [compare(data) for data in (g1(1) + g2(1), true + g1(1) + g2(k), g1(k) + g2(1) + g1(1) + g2(k))] == [0] * 3
    assert compare(true, gas=113_000) == 1
    assert compare(true, gas=112_999) == "OutOfGasError"


def sqrt(value: int) -> int | None:
    root = pow(value, (field_modulus + 1) // 4, field_modulus)
    return root if root * root % field_modulus == value % field_modulus else None


def find_outside_g2() -> bytes:
    """A point of the twist that has another order: almost all have."""
    for number in range(1, 100):
        x = FQ2((number, 0))
        real, imaginary = (int(part) for part in (x * x * x + b2).coeffs)
        norm = sqrt(real * real + imaginary * imaginary)
        first = None if norm is None else sqrt((real + norm) * pow(2, -1, field_modulus))
        if first:
            y = FQ2((first, imaginary * pow(2 * first, -1, field_modulus)))
            assert is_on_curve((x, y, FQ2.one()), b2)
            return encode_g2((x, y))
    raise AssertionError


def test_what_is_no_point_of_the_group_is_refused() -> None:
    good, twist = g1(3), g2(3)
    x = int.from_bytes(good[:32], "big")
    for bad in (good[:-1] + bytes([good[-1] ^ 1]), word(x + field_modulus) + good[32:], word(0) + word(1)):
        assert compare(bad + twist) == "OutOfGasError"
    swapped = twist[32:64] + twist[:32] + twist[64:]
    for bad in (swapped, word(field_modulus) + bytes(96), word(0) * 3 + word(1), find_outside_g2()):
        assert compare(good + bad) == "OutOfGasError"
    for malformed in (good + twist[:-1], good + twist + b"\0", bytes(191)):
        assert compare(malformed) == "OutOfGasError"


def test_the_engine_uses_it() -> None:
    OsakaEngine()
    by_number = {int.from_bytes(address, "big"): entry for address, entry in PRE_COMPILED_CONTRACTS.items()}
    assert by_number[8] is bn128.check_pairing
