"""Records as columns, the form in which they are searched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from infernet.vm.spc.vectors.products import Int64s, Vectors, compute_norms
from infernet.vm.spc.vectors.record import VECTOR_OFFSET

Words = NDArray[np.uint64]
"""Numbers of 256 bits, shape [n, 4]: the first column holds the highest 64 bits."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Some vectors of a collection. Never written to: rows that change are other rows."""

    ids: Words
    tags: Words
    vectors: Vectors
    norms: Int64s
    """Their squared lengths, shape [n]."""

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, places: NDArray[np.intp]) -> Rows:
        """The rows at these places."""
        return Rows(self.ids[places], self.tags[places], self.vectors[places], self.norms[places])

    def cut(self, start: int, end: int) -> Rows:
        """The rows from one place to another, in the same memory."""
        return Rows(*(getattr(self, field.name)[start:end] for field in fields(Rows)))

    def convert(self, dtype: type[np.int8 | np.float32]) -> Rows:
        """The same rows, their vectors as `dtype`."""
        return Rows(self.ids, self.tags, self.vectors.astype(dtype, copy=False), self.norms)

    def without(self, ids: Words) -> Rows:
        """The rows that do not have these ids."""
        keep = np.ones(len(self), np.bool_)
        for one in ids:
            keep &= (self.ids != one).any(axis=1)
        return self.take(np.flatnonzero(keep))


def read_rows(records: bytes, dimension: int, dtype: type[np.int8 | np.float32] = np.int8) -> Rows:
    """Records one after the other, their vectors as `dtype`."""
    table = np.frombuffer(records, np.uint8).reshape(-1, VECTOR_OFFSET + dimension)
    vectors = np.ascontiguousarray(table[:, VECTOR_OFFSET:]).view(np.int8).astype(dtype, copy=False)
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
