"""The rule that makes scheduled calls: a block in which one is due begins with a transaction of its producer's.

The Scheduler itself is a contract in the genesis state (`contracts/src/spc/Scheduler.sol`); here is what a producer
adds to a block and what a follower looks for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from infernet.protocol.hashing import keccak
from infernet.vm.spc.addresses import SCHEDULER
from infernet.vm.transaction import FEE_MARKET, Transaction

MIN_BLOCK_GAS_LIMIT = 4_000_000
"""A layer with a scheduler has blocks of at least so much gas: below it the longest call would never fit."""

_MAX_TRANSACTION_GAS = 1 << 24
"""EIP-7825."""
_ADDRESS = bytes.fromhex(SCHEDULER[2:])
_IS_DUE = keccak(b"isDue()")[:4]
_RUN_DUE = keccak(b"runDue()")[:4]


@dataclass(frozen=True, slots=True)
class DueCall:
    """The first transaction of a block in which calls are due. Its nonce and fees are the producer's to choose."""

    to: bytes
    data: bytes
    gas: int


def due_call(read: Callable[[bytes, bytes], bytes], block_gas_limit: int) -> DueCall | None:
    """What the block begins with, None where nothing is due.

    Args:
        read: what a contract (20 bytes) returns to calldata in the state before the block, with the block's own number
            and timestamp; empty where the call fails or there is no code.
    """
    if int.from_bytes(read(_ADDRESS, _IS_DUE), "big") != 1:
        return None
    return DueCall(_ADDRESS, _RUN_DUE, min(_MAX_TRANSACTION_GAS, block_gas_limit // 2))


def find_difference(due: DueCall, transaction: Transaction | None, producer: bytes) -> str | None:
    """Why a block's first transaction is not the one that it must be; None where it is."""
    if transaction is None or transaction.sender != producer or transaction.to != due.to:
        return "calls are due, and the block does not begin with its producer's call of the scheduler"
    if transaction.type != FEE_MARKET or transaction.value or transaction.access_list:
        return "the producer's call of the scheduler is not of type 2, or carries a value or an access list"
    if transaction.data != due.data or transaction.gas != due.gas:
        return f"the producer's call of the scheduler is not 0x{due.data.hex()} with {due.gas} gas"
    return None
