"""One vector as its collection keeps it: id, tag, where its metadata are, and the vector itself."""

from __future__ import annotations

from typing import NamedTuple

_WORD = 32
VECTOR_OFFSET = 3 * _WORD


class Record(NamedTuple):
    """A record of a collection's tree."""

    id: int
    tag: int
    metadata: bytes
    """The sha256 of the metadata, zero where there are none."""
    vector: bytes
    """One int8 for each dimension."""

    def encode(self) -> bytes:
        """Words big-endian, then the vector."""
        return encode_id(self.id) + self.tag.to_bytes(_WORD, "big") + self.metadata + self.vector


def encode_id(number: int) -> bytes:
    """The bytes that a record is found by."""
    return number.to_bytes(_WORD, "big")


def decode_record(data: bytes) -> Record:
    """The inverse of `encode`."""
    words = [data[at : at + _WORD] for at in range(0, VECTOR_OFFSET, _WORD)]
    return Record(int.from_bytes(words[0], "big"), int.from_bytes(words[1], "big"), words[2], data[VECTOR_OFFSET:])


def compute_record_bytes(dimension: int) -> int:
    """The size of a record."""
    return VECTOR_OFFSET + dimension
