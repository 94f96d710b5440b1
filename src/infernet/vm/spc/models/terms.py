"""What a model costs whenever it is used: found when it is published, and kept in its word of storage, so that a call
can be charged before its model is read.

word      1 (1 byte), gas to load it (8), gas to infer its shapes (8), multiply-accumulates at extent 1 (15)
"""

from __future__ import annotations

from dataclasses import dataclass

_PUBLISHED = b"\x01"


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one model.

    Attributes:
        load: gas to make it ready. Nodes keep models in memory: it is charged all the same.
        shapes: gas to infer its shapes at an extent other than 1; 0 where the graph has no open dimension.
        macs: of an inference at extent 1.
    """

    load: int
    shapes: int
    macs: int

    def encode(self) -> bytes:
        """As a word, which is never zero."""
        return (
            _PUBLISHED + self.load.to_bytes(8, "big") + self.shapes.to_bytes(8, "big") + self.macs.to_bytes(15, "big")
        )

    def is_known(self, extent: int) -> bool:
        """Whether `macs` is the work at this extent too."""
        return extent == 1 or not self.shapes


def decode_terms(word: bytes) -> Terms:
    """The terms that a word says."""
    return Terms(*(int.from_bytes(word[start:end], "big") for start, end in ((1, 9), (9, 17), (17, 32))))
