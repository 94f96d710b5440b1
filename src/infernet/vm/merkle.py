"""Merkle-Patricia tries whose nodes never change: an update shares what it leaves alone, so that every root stays
cheap.

Paths are strings of hexadecimal digits, one for each nibble. What an old root alone still needs goes when it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from infernet.protocol.hashing import keccak
from infernet.vm.rlp import encode, encode_int, encode_list

Update: TypeAlias = "tuple[str, bytes | None]"
"""A path and the value to stand there, None for none."""

_EMPTY = b"\x80"
EMPTY_ROOT = keccak(_EMPTY)
_DIGITS = "0123456789abcdef"


class Node:
    """A node of a trie: a leaf, an extension or a branch."""

    __slots__ = ("_reference",)
    _reference: bytes | None

    def encode(self) -> bytes:
        """Its RLP."""
        raise NotImplementedError

    @property
    def reference(self) -> bytes:
        """How its parent names it: its hash, or itself where it is shorter than a hash."""
        if self._reference is None:
            encoded = self.encode()
            self._reference = encoded if len(encoded) < 32 else b"\xa0" + keccak(encoded)
        return self._reference


class Leaf(Node):
    __slots__ = ("path", "value")

    def __init__(self, path: str, value: bytes) -> None:
        self.path, self.value = path, value
        self._reference = None

    def encode(self) -> bytes:
        return encode([_compact(self.path, "2", "3"), self.value])


class Extension(Node):
    __slots__ = ("child", "path")

    def __init__(self, path: str, child: Branch) -> None:
        self.path, self.child = path, child
        self._reference = None

    def encode(self) -> bytes:
        return encode_list([encode(_compact(self.path, "0", "1")), self.child.reference])


class Branch(Node):
    """Sixteen ways on, of which at least two are taken, or one and the value that ends here."""

    __slots__ = ("children", "value")

    def __init__(self, children: Sequence[Node | None], value: bytes | None) -> None:
        self.children, self.value = tuple(children), value
        self._reference = None

    def encode(self) -> bytes:
        references = [_EMPTY if child is None else child.reference for child in self.children]
        return encode_list([*references, encode(self.value or b"")])


def compute_root(node: Node | None) -> bytes:
    return EMPTY_ROOT if node is None else keccak(node.encode())


def compute_ordered_root(values: Sequence[bytes]) -> bytes:
    """The root of a list, by index: of a block's transactions, or of its receipts."""
    return compute_root(update(None, [(encode(encode_int(index)).hex(), value) for index, value in enumerate(values)]))


def update(node: Node | None, updates: Sequence[Update]) -> Node | None:
    """The trie with these changes, each path named once."""
    if not updates:
        return node
    match node:
        case None:
            return _build([(path, value) for path, value in updates if value is not None])
        case Leaf():
            return _update_leaf(node, updates)
        case Extension():
            return _update_extension(node, updates)
        case Branch():
            return _update_branch(node, updates)
    raise AssertionError(node)


def prove(node: Node | None, path: str) -> tuple[bytes, ...]:
    """The nodes from the root down to this path or to where it would branch off; those within their parent left out."""
    proof: list[bytes] = []
    while node is not None:
        encoded = node.encode()
        if not proof or len(encoded) >= 32:
            proof.append(encoded)
        match node:
            case Branch() if path:
                node, path = node.children[int(path[0], 16)], path[1:]
            case Extension(path=prefix, child=child) if path.startswith(prefix):
                node, path = child, path[len(prefix) :]
            case _:
                node = None
    return tuple(proof)


def _build(entries: Sequence[Update]) -> Node | None:
    kept = [(path, value) for path, value in entries if value is not None]
    if len(kept) < 2:
        return Leaf(*kept[0]) if kept else None
    shared = _find_shared([path for path, _ in kept])
    if shared:
        return _extend(shared, _build([(path[len(shared) :], value) for path, value in kept]))
    children, value = _split(kept, None)
    return Branch([_build(children.get(digit, ())) for digit in _DIGITS], value)


def _update_leaf(leaf: Leaf, updates: Sequence[Update]) -> Node | None:
    entries: dict[str, bytes | None] = {leaf.path: leaf.value, **dict(updates)}
    if entries[leaf.path] == leaf.value and all(value is None for path, value in updates if path != leaf.path):
        return leaf
    return _build(list(entries.items()))


def _update_extension(node: Extension, updates: Sequence[Update]) -> Node | None:
    size = len(node.path)
    within = [(path[size:], value) for path, value in updates if path.startswith(node.path)]
    beside = [(path, value) for path, value in updates if value is not None and not path.startswith(node.path)]
    child = update(node.child, within)
    if not beside:
        return node if child is node.child else _extend(node.path, child)
    if child is None:
        return _build(beside)
    children: list[Node | None] = [None] * 16
    children[int(node.path[0], 16)] = _extend(node.path[1:], child)
    return _update_branch(Branch(children, None), beside)


def _update_branch(branch: Branch, updates: Sequence[Update]) -> Node | None:
    below, value = _split(updates, branch.value)
    children = list(branch.children)
    for digit, part in below.items():
        at = int(digit, 16)
        children[at] = update(children[at], part)
    if value == branch.value and all(new is old for new, old in zip(children, branch.children, strict=True)):
        return branch
    taken = [at for at in range(16) if children[at] is not None]
    if len(taken) > 1 or (taken and value is not None):
        return Branch(children, value)
    if not taken:
        return None if value is None else Leaf("", value)
    return _extend(_DIGITS[taken[0]], children[taken[0]])


def _split(updates: Sequence[Update], value: bytes | None) -> tuple[dict[str, list[Update]], bytes | None]:
    """By first digit, the rest of each path; and what becomes of the value of the empty path."""
    below: dict[str, list[Update]] = {}
    for path, entry in updates:
        if path:
            below.setdefault(path[0], []).append((path[1:], entry))
        else:
            value = entry
    return below, value


def _extend(path: str, node: Node | None) -> Node | None:
    """The same node, reached by a longer path."""
    match node:
        case Leaf():
            return Leaf(path + node.path, node.value)
        case Extension():
            return Extension(path + node.path, node.child)
        case Branch() if path:
            return Extension(path, node)
        case _:
            return node


def _find_shared(paths: Sequence[str]) -> str:
    """The longest beginning that all of them have."""
    first, last = min(paths), max(paths)
    differing = (at for at, (left, right) in enumerate(zip(first, last, strict=False)) if left != right)
    return first[: next(differing, len(first))]


def _compact(path: str, even: str, odd: str) -> bytes:
    """Hex-prefix encoding: two nibbles a byte, the first saying what the node is and whether their number is odd."""
    return bytes.fromhex(odd + path if len(path) & 1 else even + "0" + path)
