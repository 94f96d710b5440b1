"""What is asked of the chain without a transaction: calls, what they assume, what comes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from infernet.errors import InvalidInput
from infernet.vm.transaction import Access, Authorization

At: TypeAlias = int | bytes | Literal["pending"]
"""A block by number or by hash, or what the next one would be."""


class TxRejected(InvalidInput):
    """The pool does not take this transaction; the message has the wording that wallets know."""


class StateUnavailable(InvalidInput):
    """The block is not there, or its state is older than what is kept."""


class CallFailed(InvalidInput):
    """A call that could not even begin (`insufficient funds`, `nonce too high` ...), or an estimate that found no gas.

    Attributes:
        data: what the call reverted with; empty otherwise.
    """

    def __init__(self, code: str, message: str, data: bytes = b"") -> None:
        super().__init__(code, message)
        self.data = data


@dataclass(frozen=True, slots=True)
class CallRequest:
    """A message call. What is None is chosen: the block's gas limit, a price of zero (no balance is asked for then)."""

    sender: bytes = bytes(20)
    to: bytes | None = None
    data: bytes = b""
    value: int = 0
    gas: int | None = None
    nonce: int | None = None
    max_fee: int | None = None
    max_priority_fee: int | None = None
    access_list: tuple[Access, ...] = ()
    authorizations: tuple[Authorization, ...] = ()


@dataclass(frozen=True, slots=True)
class AccountOverride:
    """An account as a call is to see it; None leaves it. `storage` replaces all slots, `storage_diff` some."""

    balance: int | None = None
    nonce: int | None = None
    code: bytes | None = None
    storage: Mapping[bytes, bytes] | None = None
    storage_diff: Mapping[bytes, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BlockOverride:
    """The block as a call is to see it; None leaves it."""

    number: int | None = None
    timestamp: int | None = None
    gas_limit: int | None = None
    coinbase: bytes | None = None
    prev_randao: bytes | None = None
    base_fee: int | None = None


@dataclass(frozen=True, slots=True)
class CallLog:
    """A log of a call, or of a transaction before its block is known."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class CallResult:
    """What came of a call or of a transaction.

    Attributes:
        error: None where it succeeded; `execution reverted`, or what halted it (`out of gas`, ...).
        return_data: what it returned, or reverted with.
        gas_used: with what comes before the first instruction, less refunds.
        logs: none where it failed.
    """

    return_data: bytes
    gas_used: int
    error: str | None
    logs: tuple[CallLog, ...]

    @property
    def reverted(self) -> bool:
        return self.error == REVERTED


REVERTED = "execution reverted"
