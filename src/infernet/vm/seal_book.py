"""Who answers for the blocks of one chain: whose seals are taken, what they add up to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from infernet.vm.block import Block
from infernet.vm.block_encoding import decode_block, encode_block
from infernet.vm.chain_store import ChainStore
from infernet.vm.executor import BlockRejected
from infernet.vm.genesis import Genesis
from infernet.vm.rlp import RlpError
from infernet.vm.seals import SealInvalid, compute_seal_digest, recover_signer, sign_digest
from infernet.vm.transaction import TransactionInvalid


@dataclass(frozen=True)
class SealedBlock:
    """A block that its producer sealed; `seals` are by signer, and all hold."""

    block: Block
    seals: Mapping[bytes, bytes]


class SealBook:
    """The seals of one chain. A block has a quorum when as many witnesses have sealed it as the genesis asks for.

    Attributes:
        produced: the last block that exists as far as this node was told, which may be ahead of what it has.
    """

    def __init__(self, store: ChainStore, genesis: Genesis, genesis_hash: bytes, read_head: Callable[[], int]) -> None:
        self._store, self._genesis, self._genesis_hash = store, genesis, genesis_hash
        self._read_head = read_head
        self.producer, self.witnesses = genesis.producer, genesis.witnesses.addresses
        self.threshold = genesis.witnesses.threshold
        self.produced = 0

    @property
    def sealed(self) -> int:
        """The last block which has a quorum, and all before it: the head where no witness is asked for."""
        return self._store.read_sealed() if self.threshold else self._read_head()

    def read(self, number: int) -> dict[bytes, bytes]:
        """The seals of a block by signer."""
        return self._store.read_seals(number)

    def has_quorum(self, seals: Mapping[bytes, bytes]) -> bool:
        return sum(signer in self.witnesses for signer in seals) >= self.threshold

    def sign(self, private_key: bytes, block: Block) -> bytes:
        return sign_digest(private_key, self._digest(block))

    def recover(self, block: Block, seal: bytes) -> bytes:
        """Who sealed it.

        Raises:
            SealInvalid: `seal.malformed`, or `seal.stranger`: neither the producer nor a witness.
        """
        signer = recover_signer(seal, self._digest(block))
        if signer != self.producer and signer not in self.witnesses:
            raise SealInvalid(
                "seal.stranger",
                f"this is no seal of block {block.number} (0x{block.hash.hex()}) by its producer or a witness: "
                f"its signer would be 0x{signer.hex()}",
            )
        return signer

    def select(self, block: Block, given: Iterable[bytes]) -> dict[bytes, bytes]:
        """Those that count, by signer."""
        found: dict[bytes, bytes] = {}
        for seal in dict.fromkeys(given):
            try:
                found.setdefault(self.recover(block, seal), seal)
            except SealInvalid:
                continue
        return found

    def encode(self, block: Block) -> bytes:
        """With the seals that it has by now."""
        seals = self.read(block.number)
        first = [seals.pop(self.producer)] if self.producer in seals else []
        return encode_block(block, [*first, *seals.values()])

    def decode(self, encoded: bytes) -> SealedBlock:
        """A block of another node, with those of its seals that count.

        Raises:
            BlockRejected: it is no block, or its producer has not sealed it.
        """
        try:
            block, given = decode_block(encoded, self._genesis.chain_id)
        except (RlpError, TransactionInvalid) as error:
            raise BlockRejected("block.malformed", f"this is no block: {error}") from None
        if len(given) > 1 + len(self.witnesses):
            raise BlockRejected("block.malformed", f"this is no block: {len(given)} seals are more than can count")
        seals = self.select(block, given)
        if self.producer not in seals:
            what = "it has no seal" if not given else "the seals with it are of others, or of another block or layer"
            raise BlockRejected(
                "block.not_sealed",
                f"block {block.number} (0x{block.hash.hex()}): its producer 0x{self.producer.hex()} has not sealed "
                f"it: {what}",
            )
        return SealedBlock(block, seals)

    def add(self, block: Block, seals: Mapping[bytes, bytes]) -> None:
        """Keep more seals of a block of this chain, each of which holds."""
        self._store.add_seals(block.number, seals)
        self.advance()

    def advance(self) -> None:
        """Count up to where a quorum has sealed every block by now."""
        if not self.threshold:
            return
        before = number = self._store.read_sealed()
        head = self._read_head()
        while number < head and self._store.count_seals(number + 1, self.producer) >= self.threshold:
            number += 1
        if number > before:
            self._store.write_sealed(number)

    def _digest(self, block: Block) -> bytes:
        return compute_seal_digest(self._genesis.chain_id, self._genesis_hash, block.hash)
