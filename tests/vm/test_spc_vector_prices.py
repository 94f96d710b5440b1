"""Another index of the same vectors: paid for by all of them, and made from those that are in memory."""

from __future__ import annotations

import pytest
from test_spc_vectors import ALL, Vectors, random_vectors

from infernet.vm.spc.prices import Prices

ROWS, DIMENSION = 1_500, 8
VECTORS = random_vectors(ROWS, DIMENSION)
QUERY = VECTORS[7].tobytes()


@pytest.fixture
def database() -> Vectors:
    return Vectors()


@pytest.fixture
def collection(database: Vectors) -> bytes:
    identity = database.create(DIMENSION)
    database.fill(identity, VECTORS)
    return identity


def count_reads(database: Vectors, function: str, *arguments: object) -> int:
    before = database.state.blobs.gets
    database.call(function, *arguments)
    return database.state.blobs.gets - before


def test_another_index_reads_nothing_but_its_centroids(database: Vectors, collection: bytes) -> None:
    assert count_reads(database, "search", collection, QUERY, 3, ALL) > ROWS // 16
    for lists in (*range(1, 13), 3):
        database.call("trainIndex", collection, lists)
        assert count_reads(database, "searchApproximate", collection, QUERY, 3, 1, ALL) <= 1
        assert count_reads(database, "search", collection, QUERY, 3, ALL) == 0
    database.call("dropIndex", collection)
    assert count_reads(database, "search", collection, QUERY, 3, ALL) == 0


def test_an_index_is_paid_for_by_all_rows_and_their_distances_to_its_lists(
    database: Vectors, collection: bytes
) -> None:
    prices, used = Prices(), {}
    for lists in (1, 12):  # 128 and all 1,500 are samples
        database.call("trainIndex", collection, lists)
        used[lists] = database.gas_used
    assert used[1] >= ROWS * prices.index_row + 128 * prices.training_row
    assert used[12] - used[1] >= 5 * prices.training_kilomac * ROWS * 11 * DIMENSION // 1024


def test_what_is_found_and_charged_is_the_same_with_empty_caches(database: Vectors, collection: bytes) -> None:
    more = random_vectors(40, DIMENSION)

    def look(*, fresh: bool) -> list[object]:
        seen: list[object] = []
        for probes in (0, 1, 2):
            if fresh:
                database.forget()
            if probes:
                seen.append(database.call("searchApproximate", collection, QUERY, 9, probes, ALL))
            else:
                seen.append(database.call("search", collection, QUERY, 9, ALL))
            seen.append(database.gas_used)
        return seen

    def look_twice() -> list[object]:
        kept = look(fresh=False)
        fresh = look(fresh=True)
        assert kept == fresh
        return kept

    for lists in (5, 2, 9, 5, 2):
        database.call("trainIndex", collection, lists)
        look_twice()
        database.fill(collection, more[lists : lists + 3], ids=[lists, 2_000 + lists, 3_000 + lists])
        look_twice()


def test_without_its_index_a_collection_can_change_on(database: Vectors, collection: bytes) -> None:
    database.call("trainIndex", collection, 7)
    database.call("searchApproximate", collection, QUERY, 9, 7, ALL)
    database.call("dropIndex", collection)
    database.fill(collection, VECTORS[:2], ids=[1_700, 3])
    database.call("remove", collection, [9])
    reads = count_reads(database, "search", collection, QUERY, 50, ALL)
    found = database.call("search", collection, QUERY, 50, ALL)
    assert 0 < reads < ROWS // 16
    database.call("trainIndex", collection, 4)
    everywhere = database.call("searchApproximate", collection, QUERY, 50, 4, ALL)
    database.forget()
    assert database.call("search", collection, QUERY, 50, ALL) == found == everywhere
