"""The precompiles of alt_bn128 against the specification's own functions: same answers, gas and refusals, by either
library.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from ethereum.exceptions import EthereumException
from ethereum.forks.osaka.vm.precompiled_contracts import alt_bn128 as specified
from ethereum.forks.osaka.vm.precompiled_contracts.mapping import PRE_COMPILED_CONTRACTS
from ethereum_types.numeric import Uint
from py_ecc.optimized_bn128 import FQ2, G1, G2, b2, curve_order, field_modulus, is_on_curve, multiply, normalize

from infernet.vm.osaka import bn128, bn128_python
from infernet.vm.osaka.engine import OsakaEngine

RANDOM = random.Random(128)
SPECIFIED = {
    bn128.add_points: specified.alt_bn128_add,
    bn128.multiply_point: specified.alt_bn128_mul,
    bn128.check_pairing: specified.alt_bn128_pairing_check,
}


@pytest.fixture(params=["zksnake", "py_ecc"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What computes."""
    name: str = request.param
    if name == "zksnake":
        pytest.importorskip("zksnake")
        assert bn128.ARITHMETIC is not bn128_python
    else:
        monkeypatch.setattr(bn128, "ARITHMETIC", bn128_python)
    return name


def word(value: int) -> bytes:
    return int(value).to_bytes(32, "big")


def g1(factor: int) -> bytes:
    if factor % curve_order == 0:
        return bytes(64)
    x, y = normalize(multiply(G1, factor % curve_order))
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


def compare(data: bytes, gas: int = 10**9, precompile: Callable[[Any], None] = bn128.check_pairing) -> str | int:
    outcome, output, _ = ours = run(precompile, data, gas)
    assert ours == run(SPECIFIED[precompile], data, gas), data.hex()
    return int.from_bytes(output, "big") if outcome == "ok" else outcome


@pytest.mark.slow
@pytest.mark.usefixtures("library")
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


def find_outside_g2(start: int = 1) -> bytes:
    """A point of the twist that has another order: almost all have."""
    for number in range(start, start + 100):
        x = FQ2((number, 0))
        real, imaginary = (int(part) for part in (x * x * x + b2).coeffs)
        norm = sqrt(real * real + imaginary * imaginary)
        first = None if norm is None else sqrt((real + norm) * pow(2, -1, field_modulus))
        if first:
            y = FQ2((first, imaginary * pow(2 * first, -1, field_modulus)))
            assert is_on_curve((x, y, FQ2.one()), b2)
            return encode_g2((x, y))
    raise AssertionError


@pytest.mark.usefixtures("library")
def test_what_is_no_point_of_the_group_is_refused() -> None:
    good, twist = g1(3), g2(3)
    x = int.from_bytes(good[:32], "big")
    for bad in (good[:-1] + bytes([good[-1] ^ 1]), word(x + field_modulus) + good[32:], word(0) + word(1)):
        assert compare(bad + twist) == "OutOfGasError"
    swapped = twist[32:64] + twist[:32] + twist[64:]
    for bad in (swapped, word(field_modulus) + bytes(96), word(0) * 3 + word(1), find_outside_g2()):
        assert compare(good + bad) == "OutOfGasError"
        assert compare(bytes(64) + bad) == "OutOfGasError"
    for malformed in (good + twist[:-1], good + twist + b"\0", bytes(191)):
        assert compare(malformed) == "OutOfGasError"


@pytest.mark.slow
def test_the_libraries_agree_on_pairs_right_and_wrong(library: str) -> None:
    for data in pairs(24 if library == "zksnake" else 6):
        compare(data)


@pytest.mark.slow
def test_the_group_check_agrees_on_every_kind_of_wrong_point() -> None:
    """Without the specification, which takes seconds for the pairings of the right ones."""
    native = pytest.importorskip("infernet.vm.osaka.bn128_native")
    for data in (damage(g2(RANDOM.randrange(curve_order))) for _ in range(250)):
        x_imaginary, x, y_imaginary, y = (int.from_bytes(data[at : at + 32], "big") for at in range(0, 128, 32))
        twist = (x % field_modulus, x_imaginary % field_modulus, y % field_modulus, y_imaginary % field_modulus)
        assert is_of_the_group(native, twist) == is_of_the_group(bn128_python, twist), data.hex()


def is_of_the_group(arithmetic: bn128.Arithmetic, twist: tuple[int, int, int, int]) -> bool:
    try:
        return arithmetic.is_one([((0, 0), twist)])
    except ValueError:
        return False


def damage(data: bytes) -> bytes:
    """As it is, negated, with a bit changed, a word at its limits, its halves swapped, or another point's."""
    at, kind = RANDOM.randrange(len(data) // 32) * 32, RANDOM.randrange(8)
    if kind == 0:
        bit = RANDOM.randrange(256)
        value = int.from_bytes(data[at : at + 32], "big") ^ (1 << bit)
    elif kind == 1:
        value = RANDOM.choice((0, 1, 2, field_modulus - 1, field_modulus, field_modulus + 1, 2**255, 2**256 - 1))
    elif kind == 2:
        value = (int.from_bytes(data[at : at + 32], "big") + field_modulus) % 2**256
    elif kind == 3:
        return data[32:64] + data[:32] + data[64:]
    elif kind == 4 and len(data) == 128:
        return find_outside_g2(RANDOM.randrange(1, 10**9))
    elif kind == 5:
        half = len(data) // 2
        ys = [-int.from_bytes(data[i : i + 32], "big") % field_modulus for i in range(half, len(data), 32)]
        return data[:half] + b"".join(map(word, ys))
    else:
        return bytes(len(data)) if kind == 6 else data
    return data[:at] + word(value) + data[at + 32 :]


def pairs(count: int) -> Iterator[bytes]:
    for _ in range(count):
        k = RANDOM.randrange(curve_order)
        good = [g1(k) + g2(1), g1(curve_order - 1) + g2(k)][: RANDOM.choice((1, 2, 2))]
        yield b"".join(damage(pair[:64]) + damage(pair[64:]) if RANDOM.random() < 0.5 else pair for pair in good)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("size", [0, 1, 31, 32, 63, 64, 65, 96, 127, 128, 129, 200])
def test_what_is_missing_is_zero_and_what_is_too_much_is_not_read(size: int) -> None:
    data = (g1(7) + g1(9) + g1(11) * 2)[:size]
    compare(data, precompile=bn128.add_points)
    compare(data, precompile=bn128.multiply_point)


@pytest.mark.slow
def test_sums() -> None:
    for _ in range(300):
        k = RANDOM.randrange(curve_order)
        other = RANDOM.choice((k, curve_order - k, 0, RANDOM.randrange(curve_order)))
        data = damage(g1(k)) + damage(g1(other)) if RANDOM.random() < 0.3 else g1(k) + g1(other)
        compare(data, precompile=bn128.add_points)
    assert compare(g1(1) * 2, gas=150, precompile=bn128.add_points) != "OutOfGasError"
    assert compare(g1(1) * 2, gas=149, precompile=bn128.add_points) == "OutOfGasError"


def test_products(library: str) -> None:
    edges = (0, 1, 2, curve_order - 1, curve_order, curve_order + 1, 2**255, 2**256 - 1)
    for factor in (*edges, *(RANDOM.randrange(2**256) for _ in range(150 if library == "zksnake" else 5))):
        point = g1(RANDOM.randrange(curve_order))
        compare(damage(point) + word(factor), precompile=bn128.multiply_point)
        compare(bytes(64) + word(factor), precompile=bn128.multiply_point)
    assert compare(g1(1) + word(2), gas=6_000, precompile=bn128.multiply_point) != "OutOfGasError"
    assert compare(g1(1) + word(2), gas=5_999, precompile=bn128.multiply_point) == "OutOfGasError"


@pytest.mark.parametrize("wrong", ["multiply", "is_one", "refusal"])
def test_a_library_that_answers_wrongly_is_not_used(wrong: str) -> None:
    def multiply_wrongly(point: Any, factor: int) -> Any:
        return bn128_python.multiply(point, factor + 1)

    def never(_: Any) -> bool:
        return False

    def without_refusal(pairs: Any) -> bool:
        try:
            return bn128_python.is_one(pairs)
        except ValueError:
            return True

    one = {"is_one": never, "refusal": without_refusal}.get(wrong, bn128_python.is_one)
    product = multiply_wrongly if wrong == "multiply" else bn128_python.multiply
    library: Any = SimpleNamespace(multiply=product, is_one=one)
    assert not bn128.is_sound(library)
    assert bn128.is_sound(bn128_python)


def test_without_the_library_the_other_one_computes() -> None:
    program = "import sys; sys.modules['zksnake'] = None; from infernet.vm.osaka import bn128; print(bn128.ARITHMETIC)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "bn128_python" in done.stdout


def test_the_engine_uses_it() -> None:
    OsakaEngine()
    by_number = {int.from_bytes(address, "big"): entry for address, entry in PRE_COMPILED_CONTRACTS.items()}
    assert [by_number[number] for number in (6, 7, 8)] == [*SPECIFIED]
