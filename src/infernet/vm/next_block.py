"""What is known of a block before anything in it is executed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from infernet.protocol.hashing import keccak
from infernet.vm.block import EMPTY_OMMERS_HASH, EMPTY_ROOT, NO_REQUESTS_HASH, Block, Header
from infernet.vm.engine import BlockEnv, State

_ELASTICITY, _CHANGE_DENOMINATOR = 2, 8


@dataclass(frozen=True)
class Parent:
    """What a block stands on.

    Attributes:
        hashes: of the last 256 blocks, oldest first, this one's last.
    """

    block: Block
    state: State
    hashes: Sequence[bytes]


def build_env(parent: Parent, chain_id: int, coinbase: bytes, timestamp: int, base_fee: int | None = None) -> BlockEnv:
    """The block after `parent`, at its base fee unless another is given."""
    header = parent.block.header
    return BlockEnv(
        chain_id=chain_id,
        number=header.number + 1,
        timestamp=timestamp,
        gas_limit=header.gas_limit,
        base_fee=compute_base_fee(header) if base_fee is None else base_fee,
        coinbase=coinbase,
        prev_randao=compute_randao(header),
        hashes=parent.hashes,
    )


def compute_base_fee(parent: Header) -> int:
    """Of the block after this one (EIP-1559)."""
    target = parent.gas_limit // _ELASTICITY
    change = parent.base_fee * abs(parent.gas_used - target) // target // _CHANGE_DENOMINATOR
    return parent.base_fee + max(change, 1) if parent.gas_used > target else parent.base_fee - change


def compute_randao(parent: Header) -> bytes:
    """A number that no contract knows before its block. Its producer does: do not bet on it."""
    return keccak(parent.prev_randao + parent.hash)


def build_header(env: BlockEnv, parent: Parent) -> Header:
    """What is known of a header before anything is executed."""
    return Header(
        parent_hash=parent.block.hash,
        ommers_hash=EMPTY_OMMERS_HASH,
        coinbase=env.coinbase,
        state_root=EMPTY_ROOT,
        transactions_root=EMPTY_ROOT,
        receipts_root=EMPTY_ROOT,
        bloom=bytes(256),
        difficulty=0,
        number=env.number,
        gas_limit=env.gas_limit,
        gas_used=0,
        timestamp=env.timestamp,
        extra_data=b"",
        prev_randao=env.prev_randao,
        nonce=bytes(8),
        base_fee=env.base_fee,
        withdrawals_root=EMPTY_ROOT,
        blob_gas_used=0,
        excess_blob_gas=0,
        parent_beacon_root=bytes(32),
        requests_hash=NO_REQUESTS_HASH,
    )
