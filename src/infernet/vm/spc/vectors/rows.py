"""Records as columns, the form in which they are searched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from infernet.vm.spc.vectors.products import compute_norms
from infernet.vm.spc.vectors.record import VECTOR_OFFSET

Words = NDArray[np.uint64]
"""Numbers of 256 bits, shape [n, 4]: the first column holds the highest 64 bits."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Some vectors of a collection. Never written to: rows that change are other rows."""

    ids: Words
    tags: Words
    vectors: NDArray[np.int8]
    """Shape [n, dimension]."""
    norms: NDArray[np.int64]
    """Their squared lengths, shape [n]."""

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, places: NDArray[np.intp]) -> Rows:
        """The rows at these places."""
        return Rows(self.ids[places], self.tags[places], self.vectors[places], self.norms[places])

    def without(self, ids: Words) -> Rows:
        """The rows that do not have these ids."""
        keep = np.ones(len(self), np.bool_)
        for one in ids:
            keep &= (self.ids != one).any(axis=1)
        return self.take(np.flatnonzero(keep))


def read_rows(records: bytes, dimension: int) -> Rows:
    """Records one after the other."""
    table = np.frombuffer(records, np.uint8).reshape(-1, VECTOR_OFFSET + dimension)
    vectors = np.ascontiguousarray(table[:, VECTOR_OFFSET:]).view(np.int8)
    return Rows(_read_words(table[:, :32]), _read_words(table[:, 32:64]), vectors, compute_norms(vectors))


def join_rows(parts: Iterable[Rows]) -> Rows:
    """All of them, one after the other."""
    listed = list(parts)
    return Rows(*(np.concatenate([getattr(part, field.name) for part in listed]) for field in fields(Rows)))


def encode_words(words: Words) -> list[bytes]:
    """Each number as 32 bytes."""
    packed = words.astype(">u8").tobytes()
    return [packed[at : at + 32] for at in range(0, len(packed), 32)]


def decode_word(number: int) -> Words:
    """One number as a row of words, shape [4]."""
    return np.frombuffer(number.to_bytes(32, "big"), ">u8").astype(np.uint64)


def _read_words(table: NDArray[np.uint8]) -> Words:
    return np.ascontiguousarray(table).view(">u8").astype(np.uint64)
