"""The fast precompiles of BLS12-381 against the specification's own functions: same answers, gas and refusals."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from ethereum.crypto import kzg
from ethereum.exceptions import EthereumException
from ethereum.forks.osaka.vm.precompiled_contracts.bls12_381.bls12_381_g1 import (
    bls12_g1_add,
    bls12_g1_msm,
    bls12_map_fp_to_g1,
)
from ethereum.forks.osaka.vm.precompiled_contracts.bls12_381.bls12_381_g2 import (
    bls12_g2_add,
    bls12_g2_msm,
    bls12_map_fp2_to_g2,
)
from ethereum.forks.osaka.vm.precompiled_contracts.bls12_381.bls12_381_pairing import bls12_pairing
from ethereum_types.numeric import Uint
from py_ecc.bls.hash_to_curve import map_to_curve_G1, map_to_curve_G2
from py_ecc.bls.point_compression import compress_G1
from py_ecc.optimized_bls12_381 import FQ, FQ2, G1, G2, add, curve_order, multiply, neg, normalize

from infernet.vm.osaka import bls12
from infernet.vm.osaka.engine import OsakaEngine

MODULUS = FQ.field_modulus
RANDOM = random.Random(12_381)
PROOF = (
    "564c0a11a0f704f4fc3e8acfe0f8245f0ad1347b378fbf96e206da11a5d36306",
    "24d25032e67a7e6a4910df5834b8fe70e6bcfeeac0352434196bdf4b2485d5a1",
    "8f59a8d2a1a625a17f3fea0fe5eb8c896db3764f3185481bc22f91b4aaffcca25f26936857bc3a7c2539ea8ec3a952b7",
    "873033e038326e87ed3e1276fd140253fa08e9fc25fb2d9a98527fc22a2c9612fbeafdad446cbc7bcdbdcd780af2c16a",
)
"""z, y, commitment and proof, in the form of 0x0a."""
ORIGINALS: dict[int, Callable[[Any], None]] = {
    0x0B: bls12_g1_add,
    0x0C: bls12_g1_msm,
    0x0D: bls12_g2_add,
    0x0E: bls12_g2_msm,
    0x0F: bls12_pairing,
    0x10: bls12_map_fp_to_g1,
    0x11: bls12_map_fp2_to_g2,
}


def word(value: int, size: int = 64) -> bytes:
    return value.to_bytes(size, "big")


def g1(factor: int, point: Any = G1) -> bytes:
    if factor % curve_order == 0:
        return bytes(128)
    x, y = normalize(multiply(point, factor))
    return word(x.n) + word(y.n)


def g2(factor: int, point: Any = G2) -> bytes:
    if factor % curve_order == 0:
        return bytes(256)
    return b"".join(word(int(value)) for part in normalize(multiply(point, factor)) for value in part.coeffs)


def scalar() -> bytes:
    return RANDOM.choice([bytes(32), word(1, 32), word(curve_order, 32), b"\xff" * 32, RANDOM.randbytes(32)])


def factor() -> int:
    return RANDOM.choice([0, 1, curve_order - 1, RANDOM.randrange(curve_order)])


def run(precompile: Callable[[Any], None], data: bytes, gas: int = 10**9) -> tuple[str, bytes, int]:
    evm: Any = SimpleNamespace(message=SimpleNamespace(data=data), gas_left=Uint(gas), output=b"")
    try:
        precompile(evm)
    except EthereumException as error:
        return type(error).__name__, b"", 0
    return "ok", bytes(evm.output), int(evm.gas_left)


def compare(number: int, data: bytes, gas: int = 10**9) -> str:
    ours = run(bls12.REPLACED[number], data, gas)
    assert ours == run(ORIGINALS[number], data, gas), (hex(number), data.hex())
    return ours[0]


def outside() -> tuple[bytes, bytes]:
    """Points of the curves that are in neither group."""
    (x, y), (u, v) = normalize(map_to_curve_G1(FQ(2))), normalize(map_to_curve_G2(FQ2((2, 1))))
    return word(x.n) + word(y.n), b"".join(word(int(part)) for part in (*u.coeffs, *v.coeffs))


@pytest.mark.parametrize(("number", "point", "cost"), [(0x0B, g1, 375), (0x0D, g2, 600)])
def test_sums(number: int, point: Callable[[int], bytes], cost: int) -> None:
    """Of points outside of the groups as well, with themselves, their opposites and infinity."""
    strange = outside()[number == 0x0D]
    known = [point(factor) for factor in (0, 1, 5, curve_order - 1, RANDOM.randrange(curve_order))]
    for first in (*known, strange):
        for second in (first, known[0], known[1], strange):
            assert compare(number, first + second) == "ok"
    good = known[2]
    x = int.from_bytes(good[:64], "big")
    for bad in (
        good[:-1] + bytes([good[-1] ^ 1]),
        word(x + MODULUS) + good[64:],
        b"\x01" + good[1:],
        b"\xff" * len(good),
    ):
        assert compare(number, good + bad) == compare(number, bad + good) == "InvalidParameter"
    for malformed in (b"", good, good + good[:-1], good + good + b"\0"):
        assert compare(number, malformed) == "InvalidParameter"
    assert compare(number, good + good, gas=cost) == "ok"
    assert compare(number, good + good, gas=cost - 1) == "OutOfGasError"


@pytest.mark.parametrize(("number", "point"), [(0x0C, g1), (0x0E, g2)])
def test_sums_of_products(number: int, point: Callable[[int], bytes]) -> None:
    for count in (1, 1, 1, 2, 3, 5):
        data = b"".join(point(factor()) + scalar() for _ in range(count))
        assert compare(number, data) == "ok"
    pair = point(1) + word(1, 32)
    assert compare(number, pair + point(curve_order - 1) + word(1, 32)) == "ok"  # infinity
    assert compare(number, pair, gas=11_999) == "OutOfGasError"
    for malformed in (b"", pair[:-1], pair + b"\0"):
        assert compare(number, malformed) == "InvalidParameter"


@pytest.mark.parametrize("number", [0x0C, 0x0E])
def test_gas_of_many_products(number: int) -> None:
    """What 127 to 129 cost: none of them is computed where the gas is short by one."""
    size = 160 if number == 0x0C else 288
    for count in (127, 128, 129, 200):
        left = run(bls12.REPLACED[number], bytes(size * count))[2]
        assert run(ORIGINALS[number], bytes(size * count), 10**9 - left - 1)[0] == "OutOfGasError"
        assert run(ORIGINALS[number], bytes(size * count), 10**9 - left) == ("ok", bytes(size - 32), 0)


@pytest.mark.slow
def test_pairings() -> None:
    k = RANDOM.randrange(curve_order)
    true = [g1(k) + g2(1) + g1(curve_order - 1) + g2(k), bytes(384), g1(5) + bytes(256), bytes(128) + g2(5)]
    false = [g1(1) + g2(1), g1(k) + g2(1) + g1(1) + g2(k)]
    assert [run(bls12.check_pairing, data)[1][-1] for data in true + false] == [1] * 4 + [0] * 2
    for data in true + false:
        assert compare(0x0F, data) == "ok"
    assert compare(0x0F, true[1], gas=70_299) == "OutOfGasError"
    for malformed in (b"", bytes(383), bytes(385)):
        assert compare(0x0F, malformed) == "InvalidParameter"


def test_points_that_are_none_are_refused() -> None:
    good = g1(3)
    x = int.from_bytes(good[:64], "big")
    for bad in (
        good[:127] + bytes([good[127] ^ 1]),  # not on the curve
        word(x + MODULUS) + good[64:],
        b"\x01" + good[1:],  # not padded with zeros
        word(x | 1 << 383) + good[64:],  # bits that are flags elsewhere
        word(0) + word(1),
        word(MODULUS) + word(0),
        word(1 << 382) + word(0),
        b"\xff" * 128,
    ):
        assert compare(0x0C, bad + word(1, 32)) == "InvalidParameter"
        assert compare(0x0F, bad + g2(1)) == "InvalidParameter"
    twist = g2(3)
    for bad in (twist[64:128] + twist[:64] + twist[128:], word(0) * 3 + word(1), twist[:-1] + b"\0", b"\xff" * 256):
        assert compare(0x0E, bad + word(1, 32)) == "InvalidParameter"
        assert compare(0x0F, g1(1) + bad) == "InvalidParameter"


def test_points_outside_of_the_groups_are_refused() -> None:
    """What maps to the curves before their cofactors are cleared."""
    for value in (2, 3):
        (x, y), (u, v) = normalize(map_to_curve_G1(FQ(value))), normalize(map_to_curve_G2(FQ2((value, 1))))
        first = word(x.n) + word(y.n)
        second = b"".join(word(int(part)) for part in (*u.coeffs, *v.coeffs))
        assert compare(0x0C, first + word(1, 32)) == "InvalidParameter"
        assert compare(0x0E, second + word(1, 32)) == "InvalidParameter"
        assert compare(0x0F, first + g2(1)) == "InvalidParameter"
        assert compare(0x0F, g1(1) + second) == "InvalidParameter"


def test_field_elements_become_points() -> None:
    for value in (0, 1, 5, MODULUS - 1, *(RANDOM.randrange(MODULUS) for _ in range(4))):
        assert compare(0x10, word(value)) == "ok"
        assert compare(0x11, word(value) + word(RANDOM.randrange(MODULUS))) == "ok"
    for bad in (word(MODULUS), b"\x01" + bytes(63), bytes(63), b""):
        assert compare(0x10, bad) == "InvalidParameter"
        assert compare(0x11, bad + bytes(64)) == "InvalidParameter"
    assert compare(0x10, bytes(64), gas=5_499) == "OutOfGasError"
    assert compare(0x11, bytes(128), gas=23_799) == "OutOfGasError"


@pytest.fixture(scope="module")
def original() -> ModuleType:
    """The package's module as it comes, beside the one that is changed."""
    assert kzg.__file__ is not None
    spec = importlib.util.spec_from_file_location("original_kzg", kzg.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_kzg_proofs(original: ModuleType) -> None:
    """Of one polynomial by the real setup, and of constant ones, whose proof is the point at infinity."""
    OsakaEngine()

    def verify(module: ModuleType, *arguments: bytes) -> bool | str:
        try:
            return bool(module.verify_kzg_proof(*arguments))
        except Exception as error:  # noqa: BLE001  (0x0a takes all alike)
            return type(error).__name__

    constant, infinity = word(compress_G1(multiply(G1, 4)), 48), b"\xc0" + bytes(47)
    other = word(compress_G1(add(G1, neg(multiply(G1, 9)))), 48)
    z, y, commitment, proof = (bytes.fromhex(part) for part in PROOF)
    cases = {
        (commitment, z, y, proof): True,
        (commitment, y, z, proof): False,
        (commitment, z, y, commitment): False,
        (constant, word(7, 32), word(4, 32), infinity): True,
        (constant, word(0, 32), word(4, 32), infinity): True,
        (constant, word(7, 32), word(5, 32), infinity): False,
        (constant, word(7, 32), word(4, 32), other): False,
        (infinity, word(7, 32), word(0, 32), infinity): True,
        (constant, word(curve_order, 32), word(4, 32), infinity): "AssertionError",
        (constant, word(7, 32), word(curve_order + 4, 32), infinity): "AssertionError",
        (b"\x00" * 48, word(7, 32), word(4, 32), infinity): "AssertionError",
        (constant, word(7, 32), word(4, 32), b"\xc0" + bytes(46) + b"\x01"): "AssertionError",
    }
    for arguments, expected in cases.items():
        assert verify(kzg, *arguments) == verify(original, *arguments) == expected
    assert kzg.verify_kzg_proof_impl is bls12.verify_kzg_proof
    assert original.verify_kzg_proof_impl is not bls12.verify_kzg_proof
