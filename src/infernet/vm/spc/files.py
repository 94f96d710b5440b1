"""Files in chain state: put as blobs, put together from blobs where they are large, and known by their sha256.

What a node happens to have of others is not state, so the storage says which files were put on this chain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from infernet.vm.spc.call import SpcRevert
from infernet.vm.spc.prices import Limits, Prices
from infernet.vm.spc.state import ZERO_WORD, SpcState, compute_slot

_BLOB, _ASSEMBLED = 1, 2


class _Mark(NamedTuple):
    kind: int
    size_bytes: int


class Files:
    """The files of one call's state."""

    def __init__(self, state: SpcState, prices: Prices, limits: Limits) -> None:
        self._state = state
        self._prices = prices
        self._limits = limits

    def put(self, data: bytes) -> bytes:
        """Keep a file of one blob; the answer is its sha256. One that is there already costs its hash alone."""
        if len(data) > self._limits.blob_bytes:
            raise SpcRevert(f"a blob has at most {self._limits.blob_bytes} bytes, not {len(data)}")
        sha256 = self._state.hash(data)
        if self._read_mark(sha256) is None:
            self._state.put(data)
            self._write_mark(sha256, _Mark(_BLOB, len(data)))
        return sha256

    def assemble(self, parts: Sequence[bytes]) -> bytes:
        """Keep the file that these blobs make one after the other; the answer is its sha256."""
        marks = [self._read_mark(part) for part in parts]
        for part, mark in zip(parts, marks, strict=True):
            if mark is None or mark.kind != _BLOB:
                raise SpcRevert(f"0x{part.hex()} is no blob of this chain: put it first")
        size_bytes = sum(mark.size_bytes for mark in marks if mark is not None)
        if size_bytes > self._limits.file_bytes:
            raise SpcRevert(f"a file has at most {self._limits.file_bytes} bytes, not {size_bytes}")
        self._state.charge(self._prices.hash_word * (size_bytes // 32 + 1))
        digest = hashlib.sha256()
        for part in parts:
            digest.update(self._state.get(part))
        sha256 = digest.digest()
        if self._read_mark(sha256) is None:
            self._state.write(compute_slot("file parts", sha256), self._state.put(b"".join(parts)))
            self._write_mark(sha256, _Mark(_ASSEMBLED, size_bytes))
        return sha256

    def read_size(self, sha256: bytes) -> int | None:
        """In bytes; None where no such file was put."""
        mark = self._read_mark(sha256)
        return None if mark is None else mark.size_bytes

    def get(self, sha256: bytes) -> bytes:
        """A file's content. Raises `SpcRevert` where no such file was put."""
        mark = self._read_mark(sha256)
        if mark is None:
            raise SpcRevert(f"there is no file 0x{sha256.hex()} on this chain: put it first")
        if mark.kind == _BLOB:
            return self._state.get(sha256)
        parts = self._state.get(self._state.read(compute_slot("file parts", sha256)))
        return b"".join(self._state.get(parts[at : at + 32]) for at in range(0, len(parts), 32))

    def count_blobs(self, sha256: bytes) -> int:
        """How many blobs are read for a file that was put."""
        mark = self._read_mark(sha256)
        if mark is None or mark.kind == _BLOB:
            return 1
        return 1 + len(self._state.get(self._state.read(compute_slot("file parts", sha256)))) // 32

    def _read_mark(self, sha256: bytes) -> _Mark | None:
        word = self._state.read(_slot(sha256))
        return None if word == ZERO_WORD else _Mark(word[0], int.from_bytes(word[24:], "big"))

    def _write_mark(self, sha256: bytes, mark: _Mark) -> None:
        self._state.write(_slot(sha256), bytes([mark.kind]) + mark.size_bytes.to_bytes(31, "big"))


def _slot(sha256: bytes) -> bytes:
    return compute_slot("file", sha256)
