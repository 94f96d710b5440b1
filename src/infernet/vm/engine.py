"""What the chain asks of an engine. One is written (`osaka`); another can be checked against it by the same tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from infernet.vm.request import AccountOverride, BlockOverride, CallLog, CallRequest, CallResult
from infernet.vm.spc.host import SpcHost
from infernet.vm.trace import Tracer
from infernet.vm.transaction import Access, Transaction


class TransactionRefused(Exception):
    """This transaction cannot stand here in this block; nothing has happened."""


class TransactionTooSlow(TransactionRefused):
    """It takes longer than it may."""


@dataclass(frozen=True, slots=True)
class BlockEnv:
    """What code can learn of the block that it runs in.

    Attributes:
        hashes: of the blocks before it, oldest first, the parent's last; 256 at most.
    """

    chain_id: int
    number: int
    timestamp: int
    gas_limit: int
    base_fee: int
    coinbase: bytes
    prev_randao: bytes
    hashes: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Account:
    """An account without its slots."""

    nonce: int
    balance: int
    code: bytes


@dataclass(frozen=True, slots=True)
class AccountChange:
    """What became of an account: None where there was none, or is none. Slots as (slot, before, after), 0 for none."""

    address: bytes
    before: Account | None
    after: Account | None
    slots: tuple[tuple[bytes, int, int], ...]

    def reversed(self) -> AccountChange:
        slots = tuple((slot, after, before) for slot, before, after in self.slots)
        return AccountChange(self.address, self.after, self.before, slots)


@dataclass(frozen=True, slots=True)
class Proof:
    """An account and slots of it, provable against a block's state root: nodes of the tries, root first.

    Attributes:
        storage: slot, value and proof of each slot that was asked for.
    """

    balance: int
    nonce: int
    code_hash: bytes
    storage_root: bytes
    account_proof: tuple[bytes, ...]
    storage: tuple[tuple[bytes, int, tuple[bytes, ...]], ...]


class State(Protocol):
    """The state after a block. It never changes; keeping many costs what differs between them."""

    @property
    def root(self) -> bytes: ...
    def balance(self, address: bytes) -> int: ...
    def nonce(self, address: bytes) -> int: ...
    def code(self, address: bytes) -> bytes: ...
    def storage(self, address: bytes, slot: bytes) -> bytes:
        """32 bytes, zeros where nothing is stored."""
        ...

    def prove(self, address: bytes, slots: Sequence[bytes]) -> Proof: ...
    def apply(self, changes: Iterable[AccountChange]) -> State:
        """The state in which these accounts and slots are as they are `after`."""
        ...

    def edit(self, overrides: Mapping[bytes, AccountOverride]) -> tuple[State, tuple[AccountChange, ...]]:
        """The state with these accounts as told, and what changed."""
        ...

    def compare(self, newer: State) -> tuple[AccountChange, ...]:
        """What differs in `newer`. It looks at every account."""
        ...


@dataclass(frozen=True, slots=True)
class Executed:
    """What one transaction did. `gas_used` is what its sender pays for."""

    succeeded: bool
    gas_used: int
    logs: tuple[CallLog, ...]


class OpenBlock(Protocol):
    """A block while its transactions are executed, one after the other."""

    @property
    def gas_used(self) -> int: ...
    def execute(self, transaction: Transaction, tracer: Tracer | None = None, limit_s: float | None = None) -> Executed:
        """
        Args:
            limit_s: how long it may take, waiting for the outside apart; None for a block of another producer.

        Raises:
            TransactionRefused: it cannot stand here.
            TransactionTooSlow: it takes too long.
            AnswerNeeded: it waits for the outside. Nothing of it remains; `spent_s` says what of `limit_s` it took.
        """
        ...

    def finish(self) -> tuple[State, tuple[AccountChange, ...]]:
        """The state after the block, and what changed in it."""
        ...


class Engine(Protocol):
    """Executes blocks, transactions and calls."""

    def empty(self) -> State: ...
    def begin(self, state: State, env: BlockEnv, host: SpcHost) -> OpenBlock:
        """Open a block: what comes before its first transaction happens here."""
        ...

    def call(
        self,
        state: State,
        env: BlockEnv,
        host: SpcHost,
        request: CallRequest,
        *,
        overrides: Mapping[bytes, AccountOverride] | None = None,
        block_override: BlockOverride | None = None,
        tracer: Tracer | None = None,
        limit_s: float | None = None,
    ) -> CallResult:
        """Execute a message and keep nothing of it.

        Raises:
            CallFailed: it could not begin: gas below the intrinsic cost, or value above the balance; or takes too long.
            AnswerNeeded: it waits for the outside.
        """
        ...

    def list_accesses(
        self, state: State, env: BlockEnv, host: SpcHost, request: CallRequest, limit_s: float | None = None
    ) -> tuple[tuple[Access, ...], CallResult]:
        """Accounts and slots that a message touches, without its sender, its target and precompiles."""
        ...
