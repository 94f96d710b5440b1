"""Texts as counts of hashed words and parts of words: what an embedding model of a chain is given.

Everything is done on bytes and means the same on every machine and in every language: ASCII letters are lowered by
adding 32, no table of Unicode is asked, whose versions differ.

    word      a run of ASCII letters and digits and of bytes from 0x80 on
    parts     of "<word>", from `shortest` to `longest` bytes; and "<word>" itself
    bucket    crc32 of the part modulo `buckets`
"""

from __future__ import annotations

import math
import re
import zlib
from functools import lru_cache
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from infernet.errors import InvalidInput

TOKENIZER_FILE = "tokenizer.json"
LENGTH = 127
"""Of every embedding, as a vector."""
_WORD = re.compile(rb"[0-9a-z\x80-\xff]+")
_MOST_WORD_BYTES = 64
_MOST_COUNT = 255


class Tokenizer(BaseModel):
    """What `tokenizer.json` says."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: Annotated[str, Field(pattern="^hashed-ngrams-1$")]
    buckets: Annotated[int, Field(ge=1, le=1 << 20)]
    shortest: Annotated[int, Field(ge=1, le=16)]
    longest: Annotated[int, Field(ge=1, le=16)]

    def count(self, text: bytes) -> NDArray[np.uint8]:
        """How often each bucket occurs, 255 where it is more. Shape [1, buckets]."""
        found = [
            bucket
            for word in _WORD.findall(text.lower())
            for bucket in _hash_parts(word[:_MOST_WORD_BYTES], self.buckets, self.shortest, self.longest)
        ]
        counts = np.bincount(np.array(found, np.int64), minlength=self.buckets)
        return np.minimum(counts, _MOST_COUNT).astype(np.uint8)[None]


def parse_tokenizer(content: bytes) -> Tokenizer:
    """Raises `InvalidInput`: `tokenizer.invalid`."""
    try:
        return Tokenizer.model_validate_json(content)
    except ValidationError as error:
        raise InvalidInput("tokenizer.invalid", "tokenizer.json is not one of hashed n-grams") from error


def scale(vector: NDArray[np.integer]) -> bytes:
    """The vector's direction: x becomes floor((254 · 1024 · x + l) / (2 · l)), where l is floor(1024 · its length)."""
    values = [int(value) for value in vector]
    length = math.isqrt(sum(value * value for value in values) << 20)
    if not length:
        return bytes(len(values))
    return np.array([((2 * LENGTH << 10) * value + length) // (2 * length) for value in values], np.int8).tobytes()


@lru_cache(maxsize=65_536)
def _hash_parts(word: bytes, buckets: int, shortest: int, longest: int) -> tuple[int, ...]:
    marked = b"<" + word + b">"
    lengths = [length for length in range(shortest, longest + 1) if length < len(marked)]
    parts = [marked[at : at + length] for length in lengths for at in range(len(marked) - length + 1)]
    return tuple(zlib.crc32(part) % buckets for part in (marked, *parts))
