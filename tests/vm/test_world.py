"""The state on persistent maps against the specification's own, by the same calls in the same order."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any

import pytest
from ethereum.forks.osaka.fork_types import Account, Address
from ethereum.forks.osaka.state import TransientStorage
from ethereum_types.bytes import Bytes32
from ethereum_types.numeric import U256, Uint
from hypothesis import given
from hypothesis import strategies as st

from infernet.vm.osaka import world
from infernet.vm.osaka.state import OsakaState
from infernet.vm.osaka.world import World
from infernet.vm.request import AccountOverride

ADDRESSES = [Address(bytes((number,)) * 20) for number in range(1, 4)]
SLOTS = [Bytes32(bytes((number,)) * 32) for number in range(3)]
READS = ("get_account", "account_exists", "account_has_code_or_nonce", "account_has_storage", "is_account_alive")


def load_unmodified() -> ModuleType:
    """A second copy of the specification's module, in whose names nothing was ever put."""
    spec = importlib.util.find_spec("ethereum.forks.osaka.state")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["unmodified_state"] = module  # its dataclasses look themselves up
    module.__package__ = "ethereum.forks.osaka"
    spec.loader.exec_module(module)
    return module


SPEC = load_unmodified()
step = st.one_of(
    st.tuples(st.just("begin")),
    st.tuples(st.just("commit")),
    st.tuples(st.just("rollback")),
    st.tuples(st.just("set_account_balance"), st.sampled_from(ADDRESSES), st.integers(0, 3).map(U256)),
    st.tuples(st.just("increment_nonce"), st.sampled_from(ADDRESSES)),
    st.tuples(st.just("set_code"), st.sampled_from(ADDRESSES), st.sampled_from([b"", b"\x01"])),
    st.tuples(st.just("set_storage"), st.sampled_from(ADDRESSES), st.sampled_from(SLOTS), st.integers(0, 2).map(U256)),
    st.tuples(st.just("destroy_account"), st.sampled_from(ADDRESSES)),
    st.tuples(st.just("destroy_storage"), st.sampled_from(ADDRESSES)),
    st.tuples(st.just("mark_account_created"), st.sampled_from(ADDRESSES)),
    st.tuples(
        st.just("move_ether"), st.sampled_from(ADDRESSES), st.sampled_from(ADDRESSES), st.integers(0, 2).map(U256)
    ),
)


def perform(functions: Any, state: Any, transient: Any, name: str, *arguments: Any) -> str | None:
    """The name of what it raised."""
    try:
        if name in ("begin", "commit", "rollback"):
            getattr(functions, f"{name}_transaction")(state, transient)
        else:
            getattr(functions, name)(state, *arguments)
    except AssertionError:
        return "refused"
    return None


def look(functions: Any, state: Any, depth: int) -> list[Any]:
    seen: list[Any] = []
    for address in ADDRESSES:
        seen += [getattr(functions, name)(state, address) for name in READS]
        seen += [functions.get_storage(state, address, slot) for slot in SLOTS]
        if depth:
            seen += [functions.get_storage_original(state, address, slot) for slot in SLOTS]
    return seen


@given(st.lists(step, max_size=40))
def test_whatever_is_done_both_say_the_same(steps: list[tuple[Any, ...]]) -> None:
    ours, theirs = World(), SPEC.State()
    transients = TransientStorage(), TransientStorage()
    depth = 0
    for name, *arguments in steps:
        if name in ("commit", "rollback") and not depth:
            continue
        depth += {"begin": 1, "commit": -1, "rollback": -1}.get(name, 0)
        done = perform(world, ours, transients[0], name, *arguments)
        assert done == perform(SPEC, theirs, transients[1], name, *arguments)
        assert look(world, ours, depth) == look(SPEC, theirs, depth)
    while depth:
        world.rollback_transaction(ours, transients[0])
        SPEC.rollback_transaction(theirs, transients[1])
        depth -= 1
    begun = OsakaState()
    ended, changes = begun.advance(ours)
    assert ended.root == bytes(SPEC.state_root(theirs))
    assert begun.apply(changes).root == ended.root
    by_address = {change.address: (change.before, change.after, set(change.slots)) for change in changes}
    assert by_address == {
        change.address: (change.before, change.after, set(change.slots)) for change in begun.compare(ended)
    }


def test_a_copy_does_not_see_what_becomes_of_its_original() -> None:
    original = World()
    world.set_account(original, ADDRESSES[0], Account(Uint(1), U256(5), b""))
    other = original.copy()
    world.set_storage(original, ADDRESSES[0], SLOTS[0], U256(7))
    world.set_account_balance(original, ADDRESSES[0], U256(9))
    assert world.get_account(other, ADDRESSES[0]).balance == U256(5)
    assert world.get_storage(other, ADDRESSES[0], SLOTS[0]) == U256(0)


def test_a_state_is_edited_as_told() -> None:
    address, slot, other = bytes(ADDRESSES[0]), bytes(SLOTS[1]), bytes(SLOTS[2])
    one = (1).to_bytes(32, "big")
    state, _ = OsakaState().edit({address: AccountOverride(balance=4, nonce=2, code=b"\x5b", storage={slot: one})})
    assert (state.balance(address), state.nonce(address), state.code(address)) == (4, 2, b"\x5b")
    more, changes = state.edit({address: AccountOverride(storage_diff={other: one})})
    assert (more.storage(address, slot), more.storage(address, other)) == (one, one)
    assert [change.slots for change in changes] == [((other, 0, 1),)]
    less, _ = more.edit({address: AccountOverride(storage={})})
    assert (less.storage(address, slot), less.balance(address)) == (bytes(32), 4)
    gone, _ = less.edit({address: AccountOverride(balance=0, nonce=0, code=b"")})
    assert gone.root == OsakaState().root
    assert state.storage(address, slot) == one


def test_a_state_of_another_engine_is_refused() -> None:
    with pytest.raises(TypeError, match="another engine"):
        OsakaState().compare(object())  # type: ignore[arg-type]
