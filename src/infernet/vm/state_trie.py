"""The tries behind a state root: one of accounts, one of slots for each account that has any (yellow paper, 4.1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from immutables import Map

from infernet.protocol.hashing import keccak
from infernet.vm.engine import Account, AccountChange, Proof
from infernet.vm.merkle import Node, Update, compute_root, prove, update
from infernet.vm.rlp import encode, encode_int

_NO_ACCOUNT = Account(0, 0, b"")


class StateTrie:
    """It never changes; `update` makes another one that shares what stays."""

    def __init__(self, accounts: Node | None = None, storages: Map[bytes, Node] | None = None) -> None:
        self._accounts = accounts
        self._storages: Map[bytes, Node] = Map() if storages is None else storages

    @property
    def root(self) -> bytes:
        return compute_root(self._accounts)

    def update(self, changes: Iterable[AccountChange]) -> StateTrie:
        storages = self._storages
        accounts: list[Update] = []
        for change in changes:
            before = storages.get(change.address)
            trie = update(before, [(_path(slot), _encode_value(after)) for slot, _, after in change.slots])
            if trie is not None:
                storages = storages.set(change.address, trie)
            elif before is not None:
                storages = storages.delete(change.address)
            if change.after is None:
                accounts.append((_path(change.address), None))
            else:
                accounts.append((_path(change.address), _encode_account(change.after, compute_root(trie))))
        return StateTrie(update(self._accounts, accounts), storages)

    def prove(self, address: bytes, account: Account | None, slots: Sequence[tuple[bytes, int]]) -> Proof:
        """For slots with their values."""
        trie, account = self._storages.get(address), account or _NO_ACCOUNT
        return Proof(
            balance=account.balance,
            nonce=account.nonce,
            code_hash=_hash_code(account.code),
            storage_root=compute_root(trie),
            account_proof=prove(self._accounts, _path(address)),
            storage=tuple((slot, value, prove(trie, _path(slot))) for slot, value in slots),
        )


def _encode_account(account: Account, storage_root: bytes) -> bytes:
    code_hash = _hash_code(account.code)
    return encode([encode_int(account.nonce), encode_int(account.balance), storage_root, code_hash])


def _encode_value(value: int) -> bytes | None:
    return encode(encode_int(value)) if value else None


@lru_cache(maxsize=65_536)
def _path(key: bytes) -> str:
    """Where an address or a slot stands: by its hash, so that nobody can grow a trie deep."""
    return keccak(key).hex()


@lru_cache(maxsize=1024)
def _hash_code(code: bytes) -> bytes:
    return keccak(code)
