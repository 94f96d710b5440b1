"""The state after a block: what the specification's functions work on, and the tries behind its root."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ethereum_types.bytes import Bytes20, Bytes32
from ethereum_types.numeric import U256, Uint
from immutables import Map

from infernet.vm.engine import Account, AccountChange, Proof, State
from infernet.vm.osaka.world import ZERO, Slots, World, get_account, get_storage, put_account
from infernet.vm.request import AccountOverride
from infernet.vm.state_trie import StateTrie

_NO_SLOTS: Slots = Map()


class OsakaState:
    """It never changes."""

    def __init__(self, world: World | None = None, trie: StateTrie | None = None) -> None:
        self._world = World() if world is None else world
        self._trie = StateTrie() if trie is None else trie

    @property
    def root(self) -> bytes:
        return self._trie.root

    def world(self) -> World:
        """One to execute on, which leaves this state as it is."""
        return self._world.copy()

    def balance(self, address: bytes) -> int:
        return int(get_account(self._world, Bytes20(address)).balance)

    def nonce(self, address: bytes) -> int:
        return int(get_account(self._world, Bytes20(address)).nonce)

    def code(self, address: bytes) -> bytes:
        return bytes(get_account(self._world, Bytes20(address)).code)

    def storage(self, address: bytes, slot: bytes) -> bytes:
        return bytes(get_storage(self._world, Bytes20(address), Bytes32(slot)).to_be_bytes32())

    def prove(self, address: bytes, slots: Sequence[bytes]) -> Proof:
        account = _read_account(self._world, Bytes20(address))
        values = [(slot, int.from_bytes(self.storage(address, slot), "big")) for slot in slots]
        return self._trie.prove(address, account, values)

    def advance(self, world: World) -> tuple[OsakaState, tuple[AccountChange, ...]]:
        """The state that `world` has become, which began as a copy of this one; and what changed."""
        changes = tuple(filter(None, (self._find_change(world, *touched) for touched in world.touched.items())))
        return OsakaState(world.copy(), self._trie.update(changes)), changes

    def apply(self, changes: Iterable[AccountChange]) -> OsakaState:
        changes = tuple(changes)
        world = self.world()
        for change in changes:
            address = Bytes20(change.address)
            _write_account(world, address, change.after)
            slots = dict(world.storages.get(address, _NO_SLOTS))
            slots.update((Bytes32(slot), U256(after)) for slot, _, after in change.slots)
            world.replace_slots(address, slots.items())
        return OsakaState(world.copy(), self._trie.update(changes))

    def edit(self, overrides: Mapping[bytes, AccountOverride]) -> tuple[OsakaState, tuple[AccountChange, ...]]:
        world = self.world()
        override(world, overrides)
        return self.advance(world)

    def compare(self, newer: State) -> tuple[AccountChange, ...]:
        ours, theirs = self._world, own(newer).world()
        for address in {*ours.accounts, *theirs.accounts}:
            if ours.accounts.get(address) != theirs.accounts.get(address):
                theirs.touched.setdefault(address, set())
        for address in {*ours.storages, *theirs.storages}:
            before, after = ours.storages.get(address, _NO_SLOTS), theirs.storages.get(address, _NO_SLOTS)
            if before is not after:
                theirs.touched.setdefault(address, set()).update(before, after)
        return tuple(filter(None, (self._find_change(theirs, *touched) for touched in theirs.touched.items())))

    def _find_change(self, world: World, address: Bytes20, touched: Iterable[Bytes32]) -> AccountChange | None:
        ours, theirs = (state.storages.get(address, _NO_SLOTS) for state in (self._world, world))
        slots = tuple(
            (bytes(slot), int(ours.get(slot, ZERO)), int(theirs.get(slot, ZERO)))
            for slot in touched
            if ours.get(slot, ZERO) != theirs.get(slot, ZERO)
        )
        before, after = _read_account(self._world, address), _read_account(world, address)
        return AccountChange(bytes(address), before, after, slots) if slots or before != after else None


def own(state: State) -> OsakaState:
    """A state that this engine made.

    Raises:
        TypeError: another did.
    """
    if not isinstance(state, OsakaState):
        raise TypeError("a state of another engine")
    return state


def override(world: World, overrides: Mapping[bytes, AccountOverride]) -> None:
    """Make accounts what they are to be. One that is empty has no slots."""
    for key, wanted in overrides.items():
        address = Bytes20(key)
        account = get_account(world, address)
        put_account(
            world,
            address,
            account.nonce if wanted.nonce is None else Uint(wanted.nonce),
            account.balance if wanted.balance is None else U256(wanted.balance),
            account.code if wanted.code is None else wanted.code,
        )
        slots = dict(world.storages.get(address, _NO_SLOTS)) if wanted.storage is None else {}
        for words in (wanted.storage or {}, wanted.storage_diff):
            slots.update((Bytes32(slot), U256.from_be_bytes(word)) for slot, word in words.items())
        if address in world.accounts and (wanted.storage is not None or wanted.storage_diff):
            world.replace_slots(address, slots.items())


def _read_account(world: World, address: Bytes20) -> Account | None:
    account = world.accounts.get(address)
    return None if account is None else Account(int(account.nonce), int(account.balance), bytes(account.code))


def _write_account(world: World, address: Bytes20, account: Account | None) -> None:
    if account is None:
        put_account(world, address, Uint(0), ZERO, b"")
    else:
        put_account(world, address, Uint(account.nonce), U256(account.balance), account.code)
