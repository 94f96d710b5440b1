"""The state behind the specification's functions, on persistent maps.

The specification keeps plain dictionaries and copies them at every call frame. Here a copy is a reference, so that a
frame costs nothing and the states of old blocks stay readable. Each function stands in for the one of that name in
`ethereum.forks.osaka.state` and says the same about the same state; `install.py` puts them in their place.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias, TypeVar

from ethereum.forks.osaka.fork_types import EMPTY_ACCOUNT, Account, Address
from ethereum.forks.osaka.state import TransientStorage
from ethereum.forks.osaka.trie import copy_trie
from ethereum_types.bytes import Bytes, Bytes32
from ethereum_types.numeric import U256, Uint
from immutables import Map

Slots: TypeAlias = "Map[Bytes32, U256]"
K = TypeVar("K", bound=bytes)
V = TypeVar("V")
ZERO = U256(0)
_ONE = Uint(1)
_NO_SLOTS: Slots = Map()


class World:
    """Accounts and their slots, as the specification's `State`.

    Attributes:
        accounts: none of them empty (EIP-161).
        storages: by account, only where there is a slot that is not zero.
        touched: what may differ from the state at the last `forget_touched`: accounts, each with slots of it.
        snapshots: one for each open frame.
        created_accounts: those that the running transaction made.
    """

    __slots__ = ("accounts", "created_accounts", "snapshots", "storages", "touched")

    def __init__(
        self, accounts: Map[Address, Account] | None = None, storages: Map[Address, Slots] | None = None
    ) -> None:
        self.accounts: Map[Address, Account] = Map() if accounts is None else accounts
        self.storages: Map[Address, Slots] = Map() if storages is None else storages
        self.touched: dict[Address, set[Bytes32]] = {}
        self.snapshots: list[tuple[Map[Address, Account], Map[Address, Slots]]] = []
        self.created_accounts: set[Address] = set()

    def copy(self) -> World:
        """An independent state that begins as this one."""
        return World(self.accounts, self.storages)

    def replace_slots(self, address: Address, slots: Iterable[tuple[Bytes32, U256]]) -> None:
        """Make these the only slots of an account."""
        touched = self.touched.setdefault(address, set())
        touched.update(self.storages.get(address, _NO_SLOTS))
        kept = Map((slot, value) for slot, value in slots if value != ZERO)
        touched.update(kept)
        self.storages = self.storages.set(address, kept) if kept else _without(self.storages, address)


def begin_transaction(state: World, transient_storage: TransientStorage) -> None:
    state.snapshots.append((state.accounts, state.storages))
    tries = transient_storage._tries
    transient_storage._snapshots.append({key: copy_trie(trie) for key, trie in tries.items()} if tries else {})


def commit_transaction(state: World, transient_storage: TransientStorage) -> None:
    state.snapshots.pop()
    if not state.snapshots:
        state.created_accounts.clear()
    transient_storage._snapshots.pop()


def rollback_transaction(state: World, transient_storage: TransientStorage) -> None:
    state.accounts, state.storages = state.snapshots.pop()
    if not state.snapshots:
        state.created_accounts.clear()
    transient_storage._tries = transient_storage._snapshots.pop()


def get_account(state: World, address: Address) -> Account:
    return state.accounts.get(address, EMPTY_ACCOUNT)


def get_account_optional(state: World, address: Address) -> Account | None:
    return state.accounts.get(address)


def set_account(state: World, address: Address, account: Account | None) -> None:
    state.touched.setdefault(address, set())
    state.accounts = _without(state.accounts, address) if account is None else state.accounts.set(address, account)


def destroy_account(state: World, address: Address) -> None:
    destroy_storage(state, address)
    set_account(state, address, None)


def destroy_storage(state: World, address: Address) -> None:
    if address in state.storages:
        state.replace_slots(address, ())


def mark_account_created(state: World, address: Address) -> None:
    state.created_accounts.add(address)


def get_storage(state: World, address: Address, key: Bytes32) -> U256:
    return state.storages.get(address, _NO_SLOTS).get(key, ZERO)


def set_storage(state: World, address: Address, key: Bytes32, value: U256) -> None:
    if address not in state.accounts:
        raise AssertionError
    state.touched.setdefault(address, set()).add(key)
    slots = state.storages.get(address, _NO_SLOTS)
    slots = slots.set(key, value) if value != ZERO else _without(slots, key)
    state.storages = state.storages.set(address, slots) if slots else _without(state.storages, address)


def get_storage_original(state: World, address: Address, key: Bytes32) -> U256:
    if address in state.created_accounts:
        return ZERO
    return state.snapshots[0][1].get(address, _NO_SLOTS).get(key, ZERO)


def account_exists(state: World, address: Address) -> bool:
    return address in state.accounts


def account_has_code_or_nonce(state: World, address: Address) -> bool:
    account = state.accounts.get(address)
    return account is not None and (account.nonce != 0 or account.code != b"")


def account_has_storage(state: World, address: Address) -> bool:
    return address in state.storages


def is_account_alive(state: World, address: Address) -> bool:
    return state.accounts.get(address, EMPTY_ACCOUNT) != EMPTY_ACCOUNT


def put_account(state: World, address: Address, nonce: Uint, balance: U256, code: Bytes) -> None:
    """What `modify_state` leaves: an account that became empty is destroyed."""
    if balance == ZERO and nonce == Uint(0) and code == b"":
        destroy_account(state, address)
    else:
        set_account(state, address, Account(nonce, balance, code))


def set_account_balance(state: World, address: Address, amount: U256) -> None:
    account = get_account(state, address)
    put_account(state, address, account.nonce, amount, account.code)


def increment_nonce(state: World, address: Address) -> None:
    account = get_account(state, address)
    put_account(state, address, account.nonce + _ONE, account.balance, account.code)


def set_code(state: World, address: Address, code: Bytes) -> None:
    account = get_account(state, address)
    put_account(state, address, account.nonce, account.balance, code)


def move_ether(state: World, sender_address: Address, recipient_address: Address, amount: U256) -> None:
    sender = get_account(state, sender_address)
    if sender.balance < amount:
        raise AssertionError
    put_account(state, sender_address, sender.nonce, sender.balance - amount, sender.code)
    recipient = get_account(state, recipient_address)
    put_account(state, recipient_address, recipient.nonce, recipient.balance + amount, recipient.code)


def _without(entries: Map[K, V], key: K) -> Map[K, V]:
    return entries.delete(key) if key in entries else entries


REPLACED = (
    *(begin_transaction, commit_transaction, rollback_transaction, get_account, get_account_optional, set_account),
    *(destroy_account, destroy_storage, mark_account_created, get_storage, set_storage, get_storage_original),
    *(account_exists, account_has_code_or_nonce, account_has_storage, is_account_alive, set_account_balance),
    *(increment_nonce, set_code, move_ether),
)
