"""Puts faster functions in the place of the specification's: same answers, and tests that compare them with the
unmodified package in a process of its own (`tests/vm/test_differential.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

from ethereum.crypto import kzg
from ethereum.crypto.blake2 import Blake2b
from ethereum.forks.osaka import fork, state
from ethereum.forks.osaka.fork_types import Address
from ethereum.forks.osaka.vm.precompiled_contracts.mapping import PRE_COMPILED_CONTRACTS
from ethereum_types.numeric import Unsigned

from infernet.vm.osaka import blake2, bls12, bn128, loop, numbers, precompiles, transactions, world

_PACKAGE = "ethereum.forks.osaka"


def install() -> None:
    """Safe to call again."""
    maps = [(getattr(state, function.__name__), function) for function in world.REPLACED]  # the state's: see world.py
    _replace([*maps, *loop.REPLACED, *transactions.REPLACED])  # see loop.py and transactions.py
    Blake2b.compress = blake2.compress  # type: ignore[assignment,method-assign]  # see blake2.py
    Unsigned.__eq__ = numbers.equals  # type: ignore[method-assign]  # see numbers.py
    vars(fork)["is_valid_delegation"] = transactions.is_valid_delegation
    vars(kzg)["verify_kzg_proof_impl"] = bls12.verify_kzg_proof
    for number, precompile in {**bn128.REPLACED, **bls12.REPLACED}.items():
        PRE_COMPILED_CONTRACTS[Address(number.to_bytes(20, "big"))] = precompile
    for address in precompiles.ADDRESSES:
        PRE_COMPILED_CONTRACTS[address] = precompiles.adapter


def _replace(pairs: Iterable[tuple[Callable[..., Any], Callable[..., Any]]]) -> None:
    """Wherever a module of the fork knows an old one by a name."""
    new_by_old = {id(old): new for old, new in pairs}
    modules = [module for name, module in list(sys.modules.items()) if name.startswith(_PACKAGE)]
    for module in modules:
        for name, value in list(vars(module).items()):
            if id(value) in new_by_old:
                setattr(module, name, new_by_old[id(value)])
