"""BLAKE2b's compression function, the native and the other, against the specification's own."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from ethereum.crypto import blake2 as installed
from ethereum_types.numeric import Uint

from infernet.vm.osaka import blake2

RANDOM = random.Random(7_693)
EDGES = (0, 1, 2**63, 2**64 - 1)


@pytest.fixture(scope="module")
def original() -> ModuleType:
    """The package's module as it comes, beside the one that is changed."""
    assert installed.__file__ is not None
    spec = importlib.util.spec_from_file_location("original_blake2", installed.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def word() -> int:
    return RANDOM.choice((RANDOM.getrandbits(64), RANDOM.choice(EDGES)))


@pytest.mark.parametrize("function", ["compress", "compress_in_python"])
def test_it_is_the_specifications(original: ModuleType, function: str) -> None:
    ours: Callable[..., bytes] = getattr(blake2, function)
    for rounds in (0, 1, 2, 9, 10, 11, 12, 100, *(RANDOM.randrange(40) for _ in range(40))):
        state, words, offsets = [word() for _ in range(8)], [word() for _ in range(16)], [word(), word()]
        is_last: Any = RANDOM.choice((False, True, Uint(0), Uint(1)))
        spec: Any = original.Blake2b()
        expected = spec.compress(Uint(rounds), [*map(Uint, state)], [*map(Uint, words)], *map(Uint, offsets), is_last)
        if function == "compress":
            seen = ours(spec, Uint(rounds), [*map(Uint, state)], [*map(Uint, words)], *map(Uint, offsets), is_last)
        else:
            seen = ours(rounds, state, words, offsets, is_last)
        assert seen == expected, (rounds, state, words, offsets, is_last)
