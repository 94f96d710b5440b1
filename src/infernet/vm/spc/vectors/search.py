"""The nearest rows of some segments of a collection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from infernet.vm.spc.vectors.metric import Metric
from infernet.vm.spc.vectors.products import compute_products
from infernet.vm.spc.vectors.rows import Rows, Words, decode_word, encode_words

Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Filter:
    """Keeps the vectors whose tag, seen through the mask, is the value. A mask of 0 keeps all."""

    mask: int
    value: int

    def find(self, tags: Words) -> NDArray[np.bool_]:
        """Which of the tags it keeps."""
        kept = np.ones(len(tags), np.bool_)
        for column, (mask, value) in enumerate(zip(decode_word(self.mask), decode_word(self.value), strict=True)):
            if mask:
                kept &= (tags[:, column] & mask) == value
        return kept


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for. Of equal scores the lower id comes first."""

    vector: NDArray[np.int8]
    norm: int
    count: int
    filter: Filter


def search(segments: Sequence[Rows], metric: Metric, query: Query) -> tuple[list[int], list[int]]:
    """The ids and scores of the nearest rows, the nearest first."""
    filled = [rows for rows in segments if len(rows)]
    if not filled:
        return [], []
    scores = np.concatenate([_score(rows, metric, query) for rows in filled])
    places = np.arange(len(scores))
    if query.filter.mask:
        places = np.flatnonzero(np.concatenate([query.filter.find(rows.tags) for rows in filled]))
    columns = _Ids(filled)
    best = choose_best(metric.compute_ranks(scores), places, columns, query.count)
    ids = [int.from_bytes(word, "big") for word in encode_words(columns.at(best))]
    return ids, scores[best].tolist()


def _score(rows: Rows, metric: Metric, query: Query) -> NDArray[np.int64]:
    return metric.compute_scores(compute_products(rows.vectors, query.vector), rows.norms, query.norm)


class _Ids:
    """The ids of several segments by their place in all of them."""

    def __init__(self, segments: Sequence[Rows]) -> None:
        self._segments = segments
        self._ends = np.cumsum([len(rows) for rows in segments])

    def at(self, places: Places) -> Words:
        found = np.empty((len(places), 4), np.uint64)
        owners = np.searchsorted(self._ends, places, side="right")
        for owner in np.unique(owners):
            mine = owners == owner
            rows = self._segments[owner]
            found[mine] = rows.ids[places[mine] - (self._ends[owner] - len(rows))]
        return found


def choose_best(ranks: NDArray[np.int64], places: Places, ids: _Ids, count: int) -> Places:
    """Of these places the `count` of highest rank, in order; of equal ranks those of lower ids."""
    if len(places) > count:
        among = ranks[places]
        last = np.partition(among, len(places) - count)[len(places) - count]
        above, level = places[among > last], places[among == last]
        places = np.concatenate([above, _choose_lowest(level, ids.at(level), count - len(above))])
    words = ids.at(places)
    return places[np.lexsort((*words.T[::-1], -ranks[places]))]


def _choose_lowest(places: Places, words: Words, count: int) -> Places:
    """The places of the `count` lowest numbers, in any order: column by column, so that equal ranks in thousands do not
    have to be sorted.
    """
    chosen = []
    for column in range(4):
        if len(places) == count:
            break
        values = words[:, column]
        last = np.partition(values, count - 1)[count - 1]
        below, level = values < last, values == last
        chosen.append(places[below])
        count -= len(chosen[-1])
        places, words = places[level], words[level]
    return np.concatenate([*chosen, places])
