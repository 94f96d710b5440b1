"""Blocks, receipts, logs and the records of precompile calls: what they hold. Their bytes are in `block_encoding`.

Header and receipt are those of Ethereum's Osaka fork, without withdrawals, blobs and requests. `extra_data` commits to
the records: keccak of their RLP list, empty where there are none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from hashlib import sha256

from infernet.protocol.hashing import keccak
from infernet.vm.rlp import encode, encode_int, encode_list
from infernet.vm.transaction import Transaction

EMPTY_ROOT = keccak(b"\x80")
EMPTY_OMMERS_HASH = keccak(b"\xc0")
NO_REQUESTS_HASH = sha256(b"").digest()


@dataclass(frozen=True)
class Header:
    """What a block's hash is made of, in the order of its RLP."""

    parent_hash: bytes
    ommers_hash: bytes
    coinbase: bytes
    state_root: bytes
    transactions_root: bytes
    receipts_root: bytes
    bloom: bytes
    difficulty: int
    number: int
    gas_limit: int
    gas_used: int
    timestamp: int
    extra_data: bytes
    prev_randao: bytes
    nonce: bytes
    base_fee: int
    withdrawals_root: bytes
    blob_gas_used: int
    excess_blob_gas: int
    parent_beacon_root: bytes
    requests_hash: bytes

    @cached_property
    def rlp(self) -> bytes:
        values = (getattr(self, name) for name in Header.__dataclass_fields__)
        return encode([encode_int(value) if isinstance(value, int) else value for value in values])

    @cached_property
    def hash(self) -> bytes:
        return keccak(self.rlp)


class Outcome(IntEnum):
    """How the call of a precompile ended."""

    OUT_OF_GAS = 0
    OK = 1
    REVERTED = 2


@dataclass(frozen=True, slots=True)
class SpcRecord:
    """One call of a stateful precompile, in a frame that reverted or not.

    Attributes:
        spc: address of the precompile.
        output: ABI-encoded answer, or `Error(string)` where it reverted.
        gas: what it charged.
        compute_us: microseconds that the producer's machine took; the one field that followers do not compare.
    """

    tx_index: int
    spc: bytes
    caller: bytes
    input: bytes
    output: bytes
    outcome: Outcome
    gas: int
    compute_us: int


@dataclass(frozen=True)
class Block:
    """A block with everything that a follower needs to execute it again."""

    header: Header
    transactions: tuple[Transaction, ...]
    records: tuple[SpcRecord, ...] = ()

    @property
    def hash(self) -> bytes:
        return self.header.hash

    @property
    def number(self) -> int:
        return self.header.number

    @property
    def timestamp(self) -> int:
        return self.header.timestamp

    @cached_property
    def size(self) -> int:
        """Bytes of the block's RLP as Ethereum counts it: header, transactions, no ommers, no withdrawals."""
        transactions = encode_list([_embed(transaction) for transaction in self.transactions])
        return len(encode_list([self.header.rlp, transactions, b"\xc0", b"\xc0"]))


@dataclass(frozen=True, slots=True)
class MinedTransaction:
    """A transaction and where it stands."""

    transaction: Transaction
    block: Block
    index: int


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One event log and where it stands; `log_index` counts within the block."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes
    block_number: int
    block_hash: bytes
    tx_hash: bytes
    tx_index: int
    log_index: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a mined transaction.

    Attributes:
        effective_gas_price: wei per gas that its sender paid.
        contract_address: of a deployment, whether it succeeded or not.
    """

    tx_hash: bytes
    tx_index: int
    type: int
    block_number: int
    block_hash: bytes
    sender: bytes
    to: bytes | None
    contract_address: bytes | None
    succeeded: bool
    gas_used: int
    cumulative_gas_used: int
    effective_gas_price: int
    logs: tuple[LogEntry, ...]
    bloom: bytes


def compute_contract_address(sender: bytes, nonce: int) -> bytes:
    """Where a deployment of this sender puts its contract."""
    return keccak(encode([sender, encode_int(nonce)]))[12:]


def compute_bloom(logs: Sequence[tuple[bytes, Sequence[bytes]]]) -> bytes:
    """The 2048-bit filter of logs given as (address, topics), as the yellow paper has it."""
    bits = 0
    for address, topics in logs:
        for entry in (address, *topics):
            digest = keccak(entry)
            for at in (0, 2, 4):
                bits |= 1 << (int.from_bytes(digest[at : at + 2], "big") & 2047)
    return bits.to_bytes(256, "big")


def bloom_matches(bloom: bytes, addresses: Sequence[bytes], topics: Sequence[Sequence[bytes]]) -> bool:
    """False only where no log of the block can match; topics as in `Chain.logs`."""
    groups = [group for group in (addresses, *topics) if group]
    bits = int.from_bytes(bloom, "big")
    return all(any(_bits_of(entry) & ~bits == 0 for entry in group) for group in groups)


def _bits_of(entry: bytes) -> int:
    return int.from_bytes(compute_bloom([(entry, ())]), "big")


def _embed(transaction: Transaction) -> bytes:
    """As it stands within a list: a typed transaction is a string there."""
    return encode(transaction.raw) if transaction.type else transaction.raw
