"""The nearest rows of some segments of a collection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from infernet.vm.spc.vectors.metric import Metric
from infernet.vm.spc.vectors.products import Integers, Vectors, compute_products
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

    vector: Vectors
    norm: int
    count: int
    filter: Filter


def search(segments: Sequence[Rows], metric: Metric, query: Query) -> tuple[list[int], list[int]]:
    """The ids and scores of the nearest rows, the nearest first."""
    filled = [rows for rows in segments if len(rows)]
    if not filled:
        return [], []
    scores = np.concatenate([_score(rows, metric, query) for rows in filled])
    places = None
    if query.filter.mask:
        places = np.flatnonzero(np.concatenate([query.filter.find(rows.tags) for rows in filled]))
    best, words = _choose_best(metric.compute_ranks(scores), places, _Ids(filled), query.count)
    return [int.from_bytes(word, "big") for word in encode_words(words)], scores[best].astype(np.int64).tolist()


def _score(rows: Rows, metric: Metric, query: Query) -> Integers:
    return metric.compute_scores(compute_products(rows.vectors, query.vector), rows.norms, query.norm)


class _Ids:
    """The ids of several segments by their place in all of them."""

    def __init__(self, segments: Sequence[Rows]) -> None:
        self._segments = segments
        self._starts = np.cumsum([0, *map(len, segments)])

    def at(self, places: Places) -> Words:
        """Of places in ascending order."""
        cuts = np.searchsorted(places, self._starts).tolist()
        parts = [
            rows.ids[places[first:end] - start]
            for rows, start, first, end in zip(self._segments, self._starts.tolist(), cuts, cuts[1:], strict=False)
            if first < end
        ]
        return np.concatenate(parts) if parts else np.empty((0, 4), np.uint64)


def _choose_best(ranks: Integers, among: Places | None, ids: _Ids, count: int) -> tuple[Places, Words]:
    """Of these places (None: of all) the `count` of highest rank, of equal ranks those of lower ids; in that order."""
    candidates = ranks if among is None else ranks[among]
    if len(candidates) > count:
        last = np.partition(candidates, len(candidates) - count)[len(candidates) - count]
        found = np.flatnonzero(candidates >= last)
        if len(found) > count:
            above, level = found[candidates[found] > last], found[candidates[found] == last]
            words = ids.at(level if among is None else among[level])
            found = np.sort(np.concatenate([above, _choose_lowest(level, words, count - len(above))]))
        candidates = candidates[found]
        among = found if among is None else among[found]
    places = np.arange(len(candidates)) if among is None else among
    words = ids.at(places)
    order = np.lexsort((*words.T[::-1], -candidates))
    return places[order], words[order]


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
