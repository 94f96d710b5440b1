"""The head's state on disk, what older states were, and blobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

from infernet.protocol.hashing import keccak
from infernet.vm.database import Database
from infernet.vm.engine import Account, AccountChange
from infernet.vm.rlp import Item, decode, encode, encode_int


class StateTables:
    """Accounts, slots and code as they are at the head."""

    _db: Database

    def read_state(self) -> list[AccountChange]:
        """Every account with its slots, as a change from nothing."""
        slots: dict[bytes, list[tuple[bytes, int, int]]] = {}
        for address, slot, value in self._db.execute("SELECT address, slot, value FROM slots"):
            slots.setdefault(address, []).append((slot, 0, int.from_bytes(value, "big")))
        codes: dict[bytes, bytes] = {_NO_CODE: b""}
        codes |= dict(self._db.execute("SELECT hash, code FROM codes"))
        changes = []
        for address, nonce, balance, code_hash in self._db.execute("SELECT * FROM accounts"):
            account = Account(int.from_bytes(nonce, "big"), int.from_bytes(balance, "big"), codes[code_hash])
            changes.append(AccountChange(address, None, account, tuple(slots.get(address, ()))))
        return changes

    def read_undo(self, number: int) -> list[AccountChange] | None:
        """What leads from the state after this block to the one before it; None where that is not kept."""
        rows = self._db.execute("SELECT undo FROM blocks WHERE number = ?", (number,))
        if not rows or rows[0][0] is None:
            return None
        return [self._decode_undo(item) for item in _list(decode(rows[0][0]))]

    def get(self, sha256: bytes) -> bytes:
        """A blob. Raises `KeyError` where it is not there."""
        rows = self._db.execute("SELECT data FROM blobs WHERE sha256 = ?", (sha256,))
        if not rows:
            raise KeyError(sha256.hex())
        return bytes(rows[0][0])

    def put(self, data: bytes) -> bytes:
        """Keep a blob; the answer is its sha256."""
        digest = sha256(data).digest()
        self._write_blobs({digest: data})
        return digest

    def _write_blobs(self, blobs: Mapping[bytes, bytes]) -> None:
        self._db.execute_many("INSERT OR IGNORE INTO blobs VALUES (?, ?)", blobs.items())

    def _write_changes(self, changes: Iterable[AccountChange]) -> None:
        accounts, gone = [], []
        slots: list[tuple[bytes, bytes, bytes]] = []
        cleared: list[tuple[bytes, bytes, bytes]] = []
        codes: dict[bytes, bytes] = {}
        for change in changes:
            after = change.after
            if after is None:
                gone.append((change.address,))
            elif after != change.before:
                code_hash = keccak(after.code)
                if after.code and (change.before is None or change.before.code != after.code):
                    codes[code_hash] = after.code
                accounts.append((change.address, encode_int(after.nonce), encode_int(after.balance), code_hash))
            for slot, _, value in change.slots:
                (slots if value else cleared).append((change.address, slot, encode_int(value)))
        self._db.execute_many("INSERT OR IGNORE INTO codes VALUES (?, ?)", codes.items())
        self._db.execute_many("INSERT OR REPLACE INTO accounts VALUES (?, ?, ?, ?)", accounts)
        self._db.execute_many("DELETE FROM accounts WHERE address = ?", gone)
        self._db.execute_many("INSERT OR REPLACE INTO slots VALUES (?, ?, ?)", slots)
        self._db.execute_many("DELETE FROM slots WHERE address = ? AND slot = ?", (row[:2] for row in cleared))

    def _forget_undo(self, up_to: int) -> None:
        self._db.execute("UPDATE blocks SET undo = NULL WHERE number = ? AND undo IS NOT NULL", (up_to,))

    def _decode_undo(self, item: Item) -> AccountChange:
        address, account, slots = _list(item)
        before = None
        if account:
            nonce, balance, code_hash = (_bytes(field) for field in _list(account))
            code = b"" if code_hash == _NO_CODE else self._read_code(code_hash)
            before = Account(int.from_bytes(nonce, "big"), int.from_bytes(balance, "big"), code)
        pairs = [[_bytes(field) for field in _list(pair)] for pair in _list(slots)]
        values = tuple((slot, 0, int.from_bytes(value, "big")) for slot, value in pairs)
        return AccountChange(_bytes(address), None, before, values)

    def _read_code(self, code_hash: bytes) -> bytes:
        ((code,),) = self._db.execute("SELECT code FROM codes WHERE hash = ?", (code_hash,))
        return bytes(code)


def encode_undo(changes: Sequence[AccountChange]) -> bytes:
    """What everything was before these changes: account and slots, code by its hash."""
    items: list[Item] = []
    for change in changes:
        before = change.before
        account: list[Item] = []
        if before is not None:
            account = [encode_int(before.nonce), encode_int(before.balance), keccak(before.code)]
        items.append([change.address, account, [[slot, encode_int(value)] for slot, value, _ in change.slots]])
    return encode(items)


def _list(item: Item) -> Sequence[Item]:
    if isinstance(item, bytes):
        raise TypeError("bytes where a list belongs")
    return item


def _bytes(item: Item) -> bytes:
    if not isinstance(item, bytes):
        raise TypeError("a list where bytes belong")
    return item


_NO_CODE = keccak(b"")
