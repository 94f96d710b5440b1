"""What a precompile keeps, each access at its price: words of its account's storage, and blobs by their sha256."""

from __future__ import annotations

import hashlib

from infernet.errors import NodeMisconfigured
from infernet.types import Address
from infernet.vm.spc.call import WORD_BYTES, SpcCall
from infernet.vm.spc.dispatch import count_words
from infernet.vm.spc.prices import Prices

ZERO_WORD = bytes(WORD_BYTES)


def compute_slot(label: str, *keys: bytes) -> bytes:
    """A place in storage. Labels have at most 32 bytes, keys a fixed length for each label: no two places meet."""
    return hashlib.sha256(label.encode().ljust(WORD_BYTES, b"\0") + b"".join(keys)).digest()


class SpcState:
    """The state of the precompile that a call runs in; or that of another one, to read from."""

    def __init__(self, call: SpcCall, prices: Prices, owner: Address | None = None, *, is_priced: bool = True) -> None:
        self._call = call
        self._prices = prices
        self._owner = owner
        self._is_priced = is_priced

    def unpriced(self) -> SpcState:
        """The same for what a node reads into its memory, which costs a caller nothing: other nodes have it there."""
        return SpcState(self._call, self._prices, self._owner, is_priced=False)

    def charge(self, gas: int) -> None:
        """Raises `SpcOutOfGas` where less is left."""
        if self._is_priced:
            self._call.charge(gas)

    def read(self, slot: bytes) -> bytes:
        """A word; zero where nothing was stored."""
        self.charge(self._prices.storage_read)
        return self._call.load(slot) if self._owner is None else self._call.load_from(self._owner, slot)

    def write(self, slot: bytes, word: bytes) -> None:
        """Store a word. Raises `SpcRevert` within a static call."""
        is_new = word != ZERO_WORD and self._call.load(slot) == ZERO_WORD
        self.charge(self._prices.storage_new if is_new else self._prices.storage_write)
        self._call.store(slot, word)

    def get(self, sha256: bytes) -> bytes:
        """A blob that this precompile's storage points to.

        What a node happens to have is not state: ask only for what the storage says is there.

        Raises:
            NodeMisconfigured: `vm.blob_missing`: the node's own store is damaged, and it cannot go on.
        """
        self.charge(self._prices.blob_read)
        try:
            return self._call.blobs.get(sha256)
        except KeyError:
            message = f"the blob {sha256.hex()} is gone, which the state needs: restore the data folder, or sync anew"
            raise NodeMisconfigured("vm.blob_missing", message) from None

    def put(self, data: bytes) -> bytes:
        """Keep a blob; the answer is its sha256."""
        prices = self._prices
        self.charge(prices.blob_write + prices.blob_byte * len(data) + prices.hash_word * count_words(data))
        return self._call.blobs.put(data)

    def hash(self, data: bytes) -> bytes:
        """Its sha256."""
        self.charge(self._prices.hash_word * count_words(data))
        return hashlib.sha256(data).digest()
