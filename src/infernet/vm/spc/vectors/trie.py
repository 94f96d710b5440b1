"""A set of records by id as a tree of blobs, whose root depends on the set alone and not on how it came about.

A record is found by the sha256 of its id, 2 bits a level. A subtree of at most 16 records is one leaf, any other one a
branch: a change writes a leaf and the branches above it, and two roots differ in few nodes where their sets differ in
few records.

    leaf      0x00, then the records, by the hash of their ids
    branch    0x01, then for each of 4 children: its sha256 (32 bytes, zero where empty), its records (4 bytes)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from infernet.vm.spc.state import ZERO_WORD

ID_BYTES = 32
CHILDREN = 4
LEAF_RECORDS = 16
EMPTY = ZERO_WORD
_LEAF, _BRANCH = b"\x00", b"\x01"
_CHILD_BYTES = 36

Child = tuple[bytes, int]
"""A node's hash and how many records are below it."""
Change = tuple[bytes, bytes, bytes | None]
"""The hash of an id, the id, and its record from now on; None where it has none."""


class Nodes(Protocol):
    """Where nodes lie."""

    def get(self, sha256: bytes) -> bytes: ...
    def put(self, data: bytes) -> bytes: ...


class Trie:
    """Reads and writes trees of records of one size, each of which begins with its id."""

    def __init__(self, nodes: Nodes, record_bytes: int) -> None:
        self._nodes = nodes
        self._record_bytes = record_bytes

    def find(self, root: bytes, record_id: bytes) -> bytes | None:
        """The record of that id."""
        key, node, depth = _hash(record_id), root, 0
        while node != EMPTY:
            data = self._nodes.get(node)
            if data[:1] == _LEAF:
                return next((record for record in self._split(data) if record[:ID_BYTES] == record_id), None)
            node, depth = _read_children(data)[_digit(key, depth)][0], depth + 1
        return None

    def update(self, root: bytes, changes: Mapping[bytes, bytes | None]) -> Child:
        """Set or remove records by id; the answer is the new root and its number of records."""
        return self._update(root, 0, [(_hash(key), key, record) for key, record in sorted(changes.items())])

    def records(self, root: bytes) -> Iterator[bytes]:
        """All records in the order of their ids' hashes, leaf by leaf, several to a piece."""
        if root == EMPTY:
            return
        data = self._nodes.get(root)
        if data[:1] == _LEAF:
            yield data[1:]
            return
        for child, _ in _read_children(data):
            yield from self.records(child)

    def differences(self, old: bytes, new: bytes) -> Iterator[tuple[bytes | None, bytes | None]]:
        """For each id whose record differs: the old record and the new one."""
        if old == new:
            return
        before, after = self._read(old), self._read(new)
        if before[:1] == after[:1] == _BRANCH:
            for (left, _), (right, _) in zip(_read_children(before), _read_children(after), strict=True):
                yield from self.differences(left, right)
            return
        left_records, right_records = self._by_id(self.records(old)), self._by_id(self.records(new))
        for key in left_records.keys() | right_records.keys():
            pair = left_records.get(key), right_records.get(key)
            if pair[0] != pair[1]:
                yield pair

    def _update(self, node: bytes, depth: int, changes: list[Change]) -> Child:
        data = self._read(node)
        if data[:1] != _BRANCH:
            records = {_hash(record[:ID_BYTES]): record for record in self._split(data)}
            for key, _, changed in changes:
                if changed is None:
                    records.pop(key, None)
                else:
                    records[key] = changed
            return self._build(sorted(records.items()), depth)
        children = _read_children(data)
        for digit, part in _group(changes, depth).items():
            children[digit] = self._update(children[digit][0], depth + 1, part)
        total = sum(count for _, count in children)
        if total > LEAF_RECORDS:
            return self._write_branch(children), total
        left = [record for child, _ in children for piece in self.records(child) for record in self._cut(piece)]
        return self._build([(_hash(record[:ID_BYTES]), record) for record in left], depth)

    def _build(self, records: list[tuple[bytes, bytes]], depth: int) -> Child:
        """The subtree of these records, which are in order."""
        if not records:
            return EMPTY, 0
        if len(records) <= LEAF_RECORDS:
            return self._nodes.put(_LEAF + b"".join(record for _, record in records)), len(records)
        parts: list[list[tuple[bytes, bytes]]] = [[] for _ in range(CHILDREN)]
        for item in records:
            parts[_digit(item[0], depth)].append(item)
        return self._write_branch([self._build(part, depth + 1) for part in parts]), len(records)

    def _write_branch(self, children: list[Child]) -> bytes:
        return self._nodes.put(_BRANCH + b"".join(node + count.to_bytes(4, "big") for node, count in children))

    def _read(self, node: bytes) -> bytes:
        return _LEAF if node == EMPTY else self._nodes.get(node)

    def _split(self, leaf: bytes) -> list[bytes]:
        return self._cut(leaf[1:])

    def _cut(self, records: bytes) -> list[bytes]:
        return [records[at : at + self._record_bytes] for at in range(0, len(records), self._record_bytes)]

    def _by_id(self, pieces: Iterable[bytes]) -> dict[bytes, bytes]:
        return {record[:ID_BYTES]: record for piece in pieces for record in self._cut(piece)}


def _hash(record_id: bytes) -> bytes:
    return hashlib.sha256(record_id).digest()


def _digit(key: bytes, depth: int) -> int:
    return key[depth >> 2] >> (6 - 2 * (depth & 3)) & 3


def _group(changes: list[Change], depth: int) -> dict[int, list[Change]]:
    groups: dict[int, list[Change]] = {}
    for change in changes:
        groups.setdefault(_digit(change[0], depth), []).append(change)
    return groups


def _read_children(branch: bytes) -> list[Child]:
    return [
        (branch[at : at + 32], int.from_bytes(branch[at + 32 : at + _CHILD_BYTES], "big"))
        for at in range(1, len(branch), _CHILD_BYTES)
    ]
