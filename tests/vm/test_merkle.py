"""Roots and proofs, compared with the execution specification's own trie."""

from __future__ import annotations

from ethereum.forks.osaka.trie import Trie, root, trie_set
from ethereum_rlp import rlp as spec_rlp
from ethereum_types.numeric import Uint
from hypothesis import given, settings
from hypothesis import strategies as st

from infernet.protocol.hashing import keccak
from infernet.vm.merkle import Node, compute_ordered_root, compute_root, prove, update
from infernet.vm.rlp import decode

# A small alphabet of bytes makes shared prefixes, extensions and keys within keys likely.
KEYS = st.lists(st.sampled_from([b"\x00", b"\x01", b"\x10", b"\x11", b"\xf1"]), max_size=5).map(b"".join)
VALUES = st.binary(min_size=1, max_size=40)
STEPS = st.lists(st.dictionaries(KEYS, st.none() | VALUES, max_size=8), max_size=6)


def compute_spec_root(entries: dict[bytes, bytes]) -> bytes:
    trie: Trie[bytes, bytes | None] = Trie(secured=False, default=None)
    for key, value in entries.items():
        trie_set(trie, key, value)
    return bytes(root(trie))


def build(entries: dict[bytes, bytes | None], node: Node | None = None) -> Node | None:
    return update(node, [(key.hex(), value) for key, value in entries.items()])


@given(STEPS)
def test_each_update_leaves_the_root_that_the_specification_computes_anew(
    steps: list[dict[bytes, bytes | None]],
) -> None:
    node: Node | None = None
    expected: dict[bytes, bytes] = {}
    for step in steps:
        before, before_root = node, compute_root(node)
        node = build(step, node)
        for key, value in step.items():
            if value is None:
                expected.pop(key, None)
            else:
                expected[key] = value
        assert compute_root(node) == compute_spec_root(expected)
        assert compute_root(before) == before_root


@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=12), st.data())
def test_taking_back_what_was_added_leads_back_to_the_same_root(
    entries: dict[bytes, bytes], data: st.DataObject
) -> None:
    gone = data.draw(st.sets(st.sampled_from(sorted(entries))))
    kept = {key: value for key, value in entries.items() if key not in gone}
    node = build(dict.fromkeys(gone), build(dict(entries)))
    assert compute_root(node) == compute_root(build(dict(kept)))


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=300))
@settings(max_examples=25)
def test_the_root_of_a_list_is_that_of_a_trie_keyed_by_the_index(values: list[bytes]) -> None:
    expected = {bytes(spec_rlp.encode(Uint(index))): value for index, value in enumerate(values)}
    assert compute_ordered_root(values) == compute_spec_root(expected)


@given(st.dictionaries(st.integers(0, 500), VALUES, min_size=1, max_size=60), st.integers(0, 500))
def test_a_proof_leads_from_the_root_to_the_value_or_to_where_it_would_be(
    entries: dict[int, bytes], asked: int
) -> None:
    paths = {number: keccak(number.to_bytes(2, "big")).hex() for number in {*entries, asked}}
    node = update(None, [(paths[number], value) for number, value in entries.items()])
    found = follow(prove(node, paths[asked]), compute_root(node), paths[asked])
    assert found == entries.get(asked)


def follow(proof: tuple[bytes, ...], root_hash: bytes, path: str) -> bytes | None:
    """What a verifier who knows the root alone learns from a proof."""
    nodes = {keccak(node): node for node in proof}
    item = decode(nodes[root_hash])
    while True:
        if len(item) == 17:
            below, path = item[int(path[0], 16)], path[1:]
        else:
            prefix = item[0].hex()
            rest = prefix[1:] if prefix[0] in "13" else prefix[2:]
            if not path.startswith(rest):
                return None
            if prefix[0] in "23":
                return bytes(item[1]) if path == rest else None
            below, path = item[1], path[len(rest) :]
        if below == b"":
            return None
        item = decode(nodes[bytes(below)]) if isinstance(below, bytes) else below
