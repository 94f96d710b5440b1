"""One call of a stateful precompile without a chain: storage and blobs in dictionaries, and a gas meter."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

from infernet.protocol.hashing import ZERO_ADDRESS
from infernet.types import Address
from infernet.vm.spc.call import WORD_BYTES, BlockContext, SpcOutOfGas, SpcRevert
from infernet.vm.spc.outside import Question


class MemoryBlobs:
    """Blobs in a dictionary, which a test may look into."""

    def __init__(self) -> None:
        self.by_hash: dict[bytes, bytes] = {}
        self.gets = 0

    def get(self, sha256: bytes) -> bytes:
        """Raises `KeyError` where they are not there."""
        self.gets += 1
        return self.by_hash[sha256]

    def put(self, data: bytes) -> bytes:
        """Keep them; the answer is their sha256."""
        digest = hashlib.sha256(data).digest()
        self.by_hash[digest] = bytes(data)
        return digest


@dataclass
class MemoryCall:
    """One call; `next` gives another one on the same state."""

    address: Address = ZERO_ADDRESS
    caller: Address = ZERO_ADDRESS
    data: bytes = b""
    is_static: bool = False
    gas_left: int = 10**12
    block: BlockContext = field(default_factory=lambda: BlockContext(chain_id=31337, number=1, timestamp=1_700_000_000))
    blobs: MemoryBlobs = field(default_factory=MemoryBlobs)
    storage: dict[bytes, bytes] = field(default_factory=dict)
    others: dict[Address, dict[bytes, bytes]] = field(default_factory=dict)
    """The storage of other precompiles."""

    def next(
        self, data: bytes, *, caller: Address | None = None, gas: int = 10**12, is_static: bool = False
    ) -> MemoryCall:
        """Another call of the same precompile, on what this one left."""
        return replace(self, data=data, caller=caller or self.caller, gas_left=gas, is_static=is_static)

    def charge(self, gas: int) -> None:
        """Raises `SpcOutOfGas` where less is left."""
        if gas < 0:
            raise ValueError(f"a negative price: {gas}")
        if gas > self.gas_left:
            self.gas_left = 0
            raise SpcOutOfGas
        self.gas_left -= gas

    def load(self, slot: bytes) -> bytes:
        """A word, zero where nothing was stored."""
        if len(slot) != WORD_BYTES:
            raise ValueError("a slot has 32 bytes")
        return self.storage.get(slot, bytes(WORD_BYTES))

    def load_from(self, address: Address, slot: bytes) -> bytes:
        """A word of another precompile's storage."""
        return self.others.get(address, {}).get(slot, bytes(WORD_BYTES))

    def store(self, slot: bytes, word: bytes) -> None:
        """Raises `SpcRevert` within a static call."""
        if self.is_static:
            raise SpcRevert("a static call must not change state")
        if len(slot) != WORD_BYTES or len(word) != WORD_BYTES:
            raise ValueError("a slot and a word have 32 bytes each")
        self.storage[slot] = word
        if not any(word):
            del self.storage[slot]

    def ask(self, question: Question) -> bytes:
        """At once, each time."""
        return question.ask()
