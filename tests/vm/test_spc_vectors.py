from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from spc_harness import OWNER, STRANGER, Harness

from infernet.vm.spc.call import SpcOutOfGas, SpcRevert
from infernet.vm.spc.prices import Limits, Prices
from infernet.vm.spc.vectors import VectorDatabase
from infernet.vm.spc.vectors.loaded import LoadedCollections

INTERFACE = """
createCollection(string,uint16,uint8) -> (bytes32)
collectionOf(address,string) -> (bytes32)
describe(bytes32) -> (address,uint16,uint8,uint16,uint64,bytes32)
setWriter(bytes32,address,bool) -> ()
isWriter(bytes32,address) -> (bool)
upsert(bytes32,(uint256,uint256,bytes,bytes)[]) -> ()
remove(bytes32,uint256[]) -> ()
trainIndex(bytes32,uint16) -> ()
dropIndex(bytes32) -> ()
contains(bytes32,uint256) -> (bool)
get(bytes32,uint256) -> ((uint256,uint256,bytes,bytes))
search(bytes32,bytes,uint16,(uint256,uint256)) -> (uint256[],int256[])
searchApproximate(bytes32,bytes,uint16,uint16,(uint256,uint256)) -> (uint256[],int256[])
"""
PRODUCT, DISTANCE, COSINE = range(3)
ALL = (0, 0)


class Vectors(Harness):
    """The vector database, with short forms of what most tests call."""

    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__(VectorDatabase(Prices(), limits or Limits()), INTERFACE)

    def create(self, dimension: int, metric: int = PRODUCT, name: str = "c") -> bytes:
        return self.call("createCollection", name, dimension, metric)

    def fill(self, collection: bytes, vectors: Any, ids: Any = None, tags: Any = None) -> None:
        count = len(vectors)
        ids = range(count) if ids is None else ids
        tags = [0] * count if tags is None else tags
        items = [(int(i), int(t), v.tobytes(), b"") for i, t, v in zip(ids, tags, vectors, strict=True)]
        for at in range(0, count, 1024):
            self.call("upsert", collection, items[at : at + 1024])

    def root(self, collection: bytes) -> bytes:
        return self.call("describe", collection)[-1]

    def forget(self) -> None:
        """As a node that has just started."""
        self.spc = VectorDatabase(Prices(), Limits())


def random_vectors(count: int, dimension: int, seed: int = 1) -> Any:
    return np.random.default_rng(seed).integers(-128, 128, (count, dimension), dtype=np.int8)


def scores_by_definition(vectors: Any, query: Any, metric: int) -> list[int]:
    """In Python's integers, of any size."""
    rows, wanted = [[int(x) for x in row] for row in vectors], [int(x) for x in query]
    if metric == PRODUCT:
        return [sum(a * b for a, b in zip(row, wanted, strict=True)) for row in rows]
    if metric == DISTANCE:
        return [sum((a - b) ** 2 for a, b in zip(row, wanted, strict=True)) for row in rows]
    scores = []
    for row in rows:
        lengths = root_of(1024 * sum(a * a for a in row) * sum(b * b for b in wanted))
        product = sum(a * b for a, b in zip(row, wanted, strict=True))
        scores.append((product << 25) // lengths if lengths else 0)
    return scores


def root_of(square: int) -> int:
    low, high = 0, square + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle * middle <= square else (low, middle)
    return low


def expected(vectors: Any, ids: Any, query: Any, metric: int, k: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    scores = scores_by_definition(vectors, query, metric)
    order = sorted(
        zip(scores, ids, strict=True), key=lambda pair: (pair[0] if metric == DISTANCE else -pair[0], pair[1])
    )
    return tuple(int(i) for _, i in order[:k]), tuple(s for s, _ in order[:k])


@pytest.mark.parametrize("metric", [PRODUCT, DISTANCE, COSINE])
@pytest.mark.parametrize("dimension", [1, 7, 384, 1024, 1500, 4096])
def test_search_finds_what_brute_force_finds(metric: int, dimension: int) -> None:
    database, vectors = Vectors(), random_vectors(60, dimension)
    vectors[3], vectors[4], vectors[5] = -128, 127, 0
    collection = database.create(dimension, metric)
    database.fill(collection, vectors, ids=range(100, 160))
    for query in (vectors[3], vectors[5], random_vectors(1, dimension, 2)[0]):
        found = database.call("search", collection, query.tobytes(), 20, ALL)
        assert found == expected(vectors, range(100, 160), query, metric, 20)


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.int8, st.tuples(st.integers(1, 40), st.just(2)), elements=st.integers(-2, 2)),
    st.integers(0, 2),
    st.integers(1, 50),
    st.data(),
)
def test_ties_go_to_the_lower_id(vectors: Any, metric: int, k: int, data: st.DataObject) -> None:
    numbers = st.one_of(st.integers(0, 5), st.integers(0, 2**256 - 1), st.integers(2**192 - 3, 2**192 + 3))
    ids = data.draw(st.lists(numbers, min_size=len(vectors), max_size=len(vectors), unique=True))
    database = Vectors()
    collection = database.create(2, metric)
    database.fill(collection, vectors, ids)
    assert database.call("search", collection, b"\x01\x02", k, ALL) == expected(vectors, ids, [1, 2], metric, k)


OPERATIONS = st.lists(
    st.tuples(st.integers(0, 200), st.one_of(st.none(), st.integers(-128, 127)), st.integers(0, 3)), max_size=120
)


@settings(max_examples=40, deadline=None)
@given(OPERATIONS, st.randoms(use_true_random=False))
def test_a_root_is_a_function_of_what_is_there(operations: list[Any], random: Any) -> None:
    database = Vectors()
    collection = database.create(1)
    present: dict[int, tuple[int, int]] = {}
    for number, value, tag in operations:
        if value is None:
            if number in present:
                database.call("remove", collection, [number])
                del present[number]
        else:
            database.call("upsert", collection, [(number, tag, np.int8(value).tobytes(), b"")])
            present[number] = (value, tag)
    again = Vectors()
    other = again.create(1)
    items = [(n, tag, np.int8(value).tobytes(), b"") for n, (value, tag) in present.items()]
    random.shuffle(items)
    while items:
        size = random.randint(1, len(items))
        again.call("upsert", other, items[:size])
        items = items[size:]
    assert again.root(other) == database.root(collection)
    assert database.call("describe", collection)[4] == len(present)
    assert {n for n in range(201) if database.call("contains", collection, n)} == set(present)


def test_a_collection_that_was_emptied_has_the_root_of_an_empty_one() -> None:
    database = Vectors()
    collection = database.create(4)
    empty = database.root(collection)
    database.fill(collection, random_vectors(500, 4))
    assert database.root(collection) != empty
    database.call("remove", collection, list(range(500)))
    assert database.root(collection) == empty == bytes(32)
    assert database.call("search", collection, bytes(4), 5, ALL) == ((), ())


def test_a_search_after_changes_equals_one_of_a_node_that_has_just_started() -> None:
    database, vectors = Vectors(), random_vectors(3000, 8)
    collection = database.create(8)
    database.fill(collection, vectors[:2500])
    query, random = vectors[0].tobytes(), np.random.default_rng(3)
    for step in range(12):
        database.call("search", collection, query, 50, ALL)
        chosen = random.choice(2500, 40, replace=False)
        database.fill(collection, vectors[random.permutation(3000)[:40]], ids=chosen)
        database.call("remove", collection, [int(chosen[0])])
        if step == 5:
            database.call("trainIndex", collection, 12)
        if step == 9:
            database.call("dropIndex", collection)
        warm = database.call("search", collection, query, 50, ALL)
        indexed = step >= 5 and step < 9
        warm_near = database.call("searchApproximate", collection, query, 50, 3, ALL) if indexed else None
        database.forget()
        assert database.call("search", collection, query, 50, ALL) == warm
        if indexed:
            assert database.call("searchApproximate", collection, query, 50, 3, ALL) == warm_near
        database.call("upsert", collection, [(int(chosen[0]), 0, vectors[step].tobytes(), b"")])


def test_an_older_state_is_still_found_after_newer_ones() -> None:
    database, vectors = Vectors(), random_vectors(300, 8)
    collection = database.create(8)
    database.fill(collection, vectors[:200])
    before, storage = database.call("search", collection, vectors[0].tobytes(), 9, ALL), dict(database.state.storage)
    database.fill(collection, vectors[200:], ids=range(200, 300))
    after = database.call("search", collection, vectors[0].tobytes(), 9, ALL)
    assert after != before
    database.state.storage = storage  # as a reverted frame leaves it
    assert database.call("search", collection, vectors[0].tobytes(), 9, ALL) == before


def test_a_state_that_never_came_to_be_is_not_read_for_the_next() -> None:
    database, vectors = Vectors(), random_vectors(60, 8)
    collection, query = database.create(8), vectors[0].tobytes()
    database.fill(collection, vectors[:40])
    database.call("search", collection, query, 9, ALL)
    storage, blobs = dict(database.state.storage), dict(database.state.blobs.by_hash)
    database.fill(collection, vectors[40:50], ids=range(40, 50))
    database.call("search", collection, query, 9, ALL)
    database.state.storage, database.state.blobs.by_hash = storage, blobs  # as a call leaves it, or a block broken off
    database.fill(collection, vectors[50:], ids=range(40, 50))
    found = database.call("search", collection, query, 9, ALL)
    assert found == expected(vectors[[*range(40), *range(50, 60)]], range(50), vectors[0], PRODUCT, 9)


def test_few_nodes_are_read_for_a_small_change() -> None:
    database = Vectors()
    collection = database.create(8)
    vectors = random_vectors(5000, 8)
    database.fill(collection, vectors)
    database.call("search", collection, vectors[0].tobytes(), 1, ALL)
    database.fill(collection, vectors[:3], ids=[7, 70, 700])
    blobs = database.state.blobs
    before = blobs.gets
    database.call("search", collection, vectors[0].tobytes(), 1, ALL)
    assert 0 < blobs.gets - before < 150


def test_a_filter_keeps_the_tags_that_match_through_the_mask() -> None:
    database, vectors = Vectors(), random_vectors(400, 6)
    tags = [(i % 5) << 200 | i % 3 for i in range(400)]
    collection = database.create(6)
    database.fill(collection, vectors, tags=tags)
    database.call("trainIndex", collection, 4)
    for mask, value in ((3, 2), (7 << 200, 4 << 200), (7 << 200 | 3, 1 << 200 | 1)):
        kept = [i for i in range(400) if tags[i] & mask == value]
        wanted = expected(vectors[kept], kept, vectors[9], PRODUCT, 30)
        assert database.call("search", collection, vectors[9].tobytes(), 30, (mask, value)) == wanted
        assert database.call("searchApproximate", collection, vectors[9].tobytes(), 30, 4, (mask, value)) == wanted
    assert database.call("search", collection, vectors[9].tobytes(), 30, (2**256 - 1, 77)) == ((), ())


def test_metadata_are_kept_beside_the_vector() -> None:
    database = Vectors()
    collection = database.create(2)
    database.call("upsert", collection, [(5, 9, b"\x01\xff", b"a text"), (6, 0, b"\x02\x03", b"")])
    assert database.call("get", collection, 5) == (5, 9, b"\x01\xff", b"a text")
    assert database.call("get", collection, 6) == (6, 0, b"\x02\x03", b"")
    with pytest.raises(SpcRevert, match="the id 7 is not in the collection"):
        database.call("get", collection, 7)


def test_an_approximate_search_of_all_lists_is_exact() -> None:
    database, vectors = Vectors(), random_vectors(900, 16)
    for metric in (PRODUCT, DISTANCE, COSINE):
        collection = database.create(16, metric, f"m{metric}")
        database.fill(collection, vectors)
        exact = database.call("search", collection, vectors[5].tobytes(), 25, ALL)
        database.call("trainIndex", collection, 20)
        assert database.call("search", collection, vectors[5].tobytes(), 25, ALL) == exact
        assert database.call("searchApproximate", collection, vectors[5].tobytes(), 25, 20, ALL) == exact


def test_lists_do_not_depend_on_the_order_of_what_came_after_the_training() -> None:
    vectors = random_vectors(1200, 8)
    answers = []
    for order in (range(600, 1200), reversed(range(600, 1200))):
        database = Vectors()
        collection = database.create(8)
        database.fill(collection, vectors[:600])
        database.call("trainIndex", collection, 10)
        for number in order:
            database.call("upsert", collection, [(number, 0, vectors[number].tobytes(), b"")])
            if number % 97 == 0:
                database.call("searchApproximate", collection, vectors[0].tobytes(), 5, 2, ALL)
        answers.append(database.call("searchApproximate", collection, vectors[0].tobytes(), 40, 2, ALL))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("metric", [PRODUCT, DISTANCE, COSINE])
def test_centroids_are_those_of_k_means_in_plain_integers(metric: int) -> None:
    database, vectors = Vectors(), random_vectors(200, 5)
    vectors[:100] //= 3
    collection = database.create(5, metric)
    database.fill(collection, vectors)
    database.call("trainIndex", collection, 7)
    samples = [[int(x) for x in vectors[i]] for i in sorted(range(200), key=hash_of)]
    members = [[row] for row in samples[:7]]
    for _ in range(4):
        centroids = compute_centroids(members, metric)
        found: list[list[list[int]]] = [[] for _ in centroids]
        for row in samples:
            distances = [sum((a - b) ** 2 for a, b in zip(row, c, strict=True)) for c in centroids]
            found[distances.index(min(distances))].append(row)
        members = [new or old for new, old in zip(found, members, strict=True)]
    wanted = np.array(compute_centroids(members, metric), np.int8).tobytes()
    assert wanted in database.state.blobs.by_hash.values()


def compute_centroids(members: list[list[list[int]]], metric: int) -> list[list[int]]:
    """Means; or, where directions matter, sums scaled to the largest length that all of them can have."""
    sums = [[sum(column) for column in zip(*rows, strict=True)] for rows in members]
    if metric == DISTANCE:
        return [[(2 * x + len(rows)) // (2 * len(rows)) for x in s] for rows, s in zip(members, sums, strict=True)]
    lengths = [root_of(sum(x * x for x in s) << 20) for s in sums]
    common = min(127 * length // (max(map(abs, s)) << 10) for length, s in zip(lengths, sums, strict=True))
    return [[(x * common * 2048 + n) // (2 * n) for x in s] for n, s in zip(lengths, sums, strict=True)]


def hash_of(number: int) -> bytes:
    return hashlib.sha256(number.to_bytes(32, "big")).digest()


def test_only_the_owner_and_its_writers_change_a_collection() -> None:
    database = Vectors()
    collection = database.create(2)
    item = [(1, 0, b"\x01\x01", b"")]
    for function, argument in (("upsert", item), ("remove", [1]), ("trainIndex", 1)):
        with pytest.raises(SpcRevert, match="only a collection's owner and its writers"):
            database.call(function, collection, argument, caller=STRANGER)
    with pytest.raises(SpcRevert, match="only its owner says who"):
        database.call("setWriter", collection, STRANGER, True, caller=STRANGER)
    database.call("setWriter", collection, STRANGER, True)
    assert database.call("isWriter", collection, STRANGER)
    database.call("upsert", collection, item, caller=STRANGER)
    database.call("setWriter", collection, STRANGER, False)
    with pytest.raises(SpcRevert, match="only a collection's owner"):
        database.call("upsert", collection, item, caller=STRANGER)
    assert database.call("search", collection, b"\x01\x01", 1, ALL, caller=STRANGER) == ((1,), (2,))


def test_a_collection_belongs_to_who_created_it() -> None:
    database = Vectors()
    mine = database.create(2, DISTANCE)
    theirs = database.call("createCollection", "c", 3, COSINE, caller=STRANGER)
    assert mine != theirs
    assert database.call("collectionOf", STRANGER, "c") == theirs
    owner, dimension, metric, lists, count, root = database.call("describe", mine)
    assert (owner.lower(), dimension, metric, lists, count, root) == (OWNER.lower(), 2, DISTANCE, 0, 0, bytes(32))
    with pytest.raises(SpcRevert, match="already"):
        database.create(2)


@pytest.mark.parametrize(
    ("function", "arguments", "reason"),
    [
        ("createCollection", ("n", 0, 0), "1 to 4096 dimensions"),
        ("createCollection", ("n", 4097, 0), "1 to 4096 dimensions"),
        ("createCollection", ("n", 4, 3), "no metric 3"),
        ("createCollection", ("", 4, 0), "1 to 200 bytes"),
        ("upsert", ([],), "1 to 1024 vectors, not 0"),
        ("upsert", ([(1, 0, b"abc", b"")],), "2 dimensions, not 3"),
        ("upsert", ([(1, 0, b"ab", b""), (1, 1, b"cd", b"")],), "the id 1 is there twice"),
        ("upsert", ([(1, 0, b"ab", bytes(8193))],), "at most 8192 bytes"),
        ("remove", ([9],), "not in the collection"),
        ("remove", ([1, 1],), "twice"),
        ("search", (b"ab", 0, ALL), "1 to 1024 neighbours, not 0"),
        ("search", (b"ab", 1025, ALL), "1 to 1024 neighbours, not 1025"),
        ("search", (b"abc", 1, ALL), "2 dimensions, not 3"),
        ("search", (b"ab", 1, (1, 2)), "bits that its mask leaves out"),
        ("searchApproximate", (b"ab", 1, 1, ALL), "no index"),
        ("trainIndex", (0,), "1 to 1024 lists"),
        ("trainIndex", (2,), "no more than there are vectors"),
    ],
)
def test_bad_input_reverts_with_a_reason(function: str, arguments: tuple[Any, ...], reason: str) -> None:
    database = Vectors()
    collection = database.create(2)
    database.call("upsert", collection, [(1, 0, b"ab", b"")])
    before = dict(database.state.storage)
    target = () if function == "createCollection" else (collection,)
    with pytest.raises(SpcRevert, match=reason):
        database.call(function, *target, *arguments)
    if function != "remove":  # whose caller undoes what it stored
        assert database.state.storage == before


def test_a_collection_that_is_not_there_is_named() -> None:
    with pytest.raises(SpcRevert, match=f"no collection 0x{'ab' * 32}"):
        Vectors().call("search", b"\xab" * 32, b"ab", 1, ALL)


def test_probes_beyond_the_index_are_refused() -> None:
    database = Vectors()
    collection = database.create(4)
    database.fill(collection, random_vectors(10, 4))
    database.call("trainIndex", collection, 3)
    for probes in (0, 4):
        with pytest.raises(SpcRevert, match="1 to 3 lists"):
            database.call("searchApproximate", collection, bytes(4), 1, probes, ALL)


def test_a_collection_grows_to_its_limit() -> None:
    database = Vectors(Limits(collection_values=40))
    collection = database.create(4)
    database.fill(collection, random_vectors(10, 4))
    with pytest.raises(SpcRevert, match="at most 10 vectors"):
        database.fill(collection, random_vectors(1, 4), ids=[10])


def test_a_static_call_searches_but_changes_nothing() -> None:
    database = Vectors()
    collection = database.create(2)
    database.fill(collection, random_vectors(3, 2))
    assert len(database.call("search", collection, b"ab", 3, ALL, is_static=True)[0]) == 3
    for function, argument in (("upsert", [(1, 0, b"ab", b"")]), ("remove", [1]), ("trainIndex", 1)):
        with pytest.raises(SpcRevert, match="static"):
            database.call(function, collection, argument, is_static=True)


def test_a_search_is_paid_for_before_anything_is_read() -> None:
    database = Vectors()
    collection = database.create(8)
    database.fill(collection, random_vectors(2000, 8))
    database.call("search", collection, bytes(8), 1, ALL)
    used, blobs = database.gas_used, database.state.blobs
    database.forget()
    gets = blobs.gets
    with pytest.raises(SpcOutOfGas):
        database.call("search", collection, bytes(8), 1, ALL, gas=used - 1000)
    assert blobs.gets == gets
    database.call("search", collection, bytes(8), 1, ALL, gas=used)
    assert database.gas_used == used  # the same for a node that had nothing in memory


def test_gas_grows_with_the_rows_that_are_looked_at() -> None:
    database = Vectors()
    collection = database.create(1024)
    database.fill(collection, random_vectors(1024, 1024))
    database.call("trainIndex", collection, 32)
    database.call("search", collection, bytes(1024), 1, ALL)
    exact = database.gas_used
    database.call("searchApproximate", collection, bytes(1024), 1, 1, ALL)
    assert exact > 20 * 1024
    assert database.gas_used < exact


def test_what_is_in_memory_is_bounded() -> None:
    loaded = LoadedCollections(max_bytes=50_000)
    database = Vectors()
    database.spc = VectorDatabase(Prices(), Limits(), loaded)
    vectors = random_vectors(100, 100)
    for number in range(8):
        collection = database.create(100, name=f"c{number}")
        database.fill(collection, vectors)
        database.call("search", collection, vectors[0].tobytes(), 1, ALL)
    assert 1 <= len(loaded) <= 3


def test_a_few_versions_of_a_collection_are_in_memory() -> None:
    loaded = LoadedCollections()
    database = Vectors()
    database.spc = VectorDatabase(Prices(), Limits(), loaded)
    collection = database.create(8)
    for number, vector in enumerate(random_vectors(30, 8)):
        database.fill(collection, vector[np.newaxis], ids=[number])
        assert len(database.call("search", collection, vector.tobytes(), 50, ALL)[0]) == number + 1
    assert len(loaded) == 8
