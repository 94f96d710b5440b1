"""The chain: blocks, state, the pool and production behind one class, which JSON-RPC and the command line use.

Every method is synchronous and keeps the processor busy: call them all on one thread (`engine_thread.EngineThread`).
Addresses, hashes and slots are bytes; amounts are plain integers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from infernet.vm.block import Block, LogEntry, MinedTransaction, Receipt
from infernet.vm.request import AccountOverride, At, BlockOverride, CallRequest, CallResult
from infernet.vm.trace import Tracer
from infernet.vm.transaction import Access, Transaction


@dataclass(frozen=True, slots=True)
class Proof:
    """An account and slots of it, provable against a block's state root: nodes of the tries, root first."""

    balance: int
    nonce: int
    code_hash: bytes
    storage_root: bytes
    account_proof: tuple[bytes, ...]
    storage: tuple[tuple[bytes, int, tuple[bytes, ...]], ...]


class StateView(Protocol):
    """The state after one block."""

    def balance(self, address: bytes) -> int: ...
    def nonce(self, address: bytes) -> int: ...
    def code(self, address: bytes) -> bytes: ...
    def storage(self, address: bytes, slot: bytes) -> bytes:
        """32 bytes, zeros where nothing is stored."""
        ...

    def proof(self, address: bytes, slots: Sequence[bytes]) -> Proof: ...


class PoolView(Protocol):
    """Transactions that wait: `pending` could be mined next, `queued` wait for a nonce before theirs."""

    @property
    def pending(self) -> Mapping[bytes, Sequence[Transaction]]:
        """By sender, in order of nonce."""
        ...

    @property
    def queued(self) -> Mapping[bytes, Sequence[Transaction]]: ...
    def get(self, tx_hash: bytes) -> Transaction | None: ...
    def drop(self, tx_hash: bytes) -> bool:
        """Forget one; those of its sender that come after it wait again."""
        ...


@dataclass(frozen=True, slots=True)
class NewHead:
    """A block was added."""

    block: Block
    receipts: tuple[Receipt, ...]


@dataclass(frozen=True, slots=True)
class NewPending:
    """The pool took a transaction."""

    tx_hash: bytes


@dataclass(frozen=True, slots=True)
class Removed:
    """Blocks were taken back, newest first: `revert` or `reorg`."""

    blocks: tuple[NewHead, ...]


Event: TypeAlias = NewHead | NewPending | Removed


class Chain(Protocol):
    """What JSON-RPC and the command line see."""

    @property
    def chain_id(self) -> int: ...
    @property
    def coinbase(self) -> bytes: ...
    @property
    def head(self) -> Block: ...
    @property
    def pool(self) -> PoolView: ...
    @property
    def dev(self) -> DevControls:
        """Time, mining on demand, impersonation and writes to the state: for development alone."""
        ...

    def block_by_number(self, number: int) -> Block | None: ...
    def block_by_hash(self, block_hash: bytes) -> Block | None: ...
    def pending_block(self) -> Block:
        """What the next block would be now; its header's roots are as they would be."""
        ...

    def transaction(self, tx_hash: bytes) -> MinedTransaction | None: ...
    def receipt(self, tx_hash: bytes) -> Receipt | None: ...
    def receipts(self, block: Block) -> tuple[Receipt, ...]: ...
    def logs(
        self,
        from_block: int,
        to_block: int,
        addresses: Sequence[bytes],
        topics: Sequence[Sequence[bytes]],
        limit: int,
    ) -> list[LogEntry]:
        """In chain order, both ends included. No addresses: of any; `topics[i]` empty: any at that place.

        Raises:
            InvalidInput: `logs.too_many`: more than `limit`.
        """
        ...

    def state(self, at: At) -> StateView:
        """
        Raises:
            StateUnavailable: no such block, or older than the last 128.
        """
        ...

    def next_nonce(self, address: bytes) -> int:
        """With what waits in the pool: `eth_getTransactionCount(…, "pending")`."""
        ...

    def submit(self, raw: bytes) -> bytes:
        """Take a signed transaction; the answer is its hash. With automine on it is in a block on return.

        Raises:
            TxRejected: with the wording that wallets know.
        """
        ...

    def submit_many(self, raws: Sequence[bytes]) -> list[bytes | Exception]:
        """The same for several, in one block where they fit; an error stands in the place of what was refused."""
        ...

    def submit_request(self, request: CallRequest) -> bytes:
        """`eth_sendTransaction` of an impersonated account: no signature.

        Raises:
            TxRejected: as `submit`; `tx.unknown_account` where its sender is not impersonated.
        """
        ...

    def call(
        self,
        request: CallRequest,
        at: At,
        overrides: Mapping[bytes, AccountOverride] | None = None,
        block_override: BlockOverride | None = None,
        tracer: Tracer | None = None,
    ) -> CallResult:
        """
        Raises:
            StateUnavailable, CallFailed: it could not even begin.
        """
        ...

    def estimate(self, request: CallRequest, at: At, overrides: Mapping[bytes, AccountOverride] | None = None) -> int:
        """The least gas limit with which it succeeds.

        Raises:
            StateUnavailable, CallFailed: with the revert's data where it fails with any gas.
        """
        ...

    def access_list(self, request: CallRequest, at: At) -> tuple[tuple[Access, ...], CallResult]: ...
    def trace_transaction(self, tx_hash: bytes, tracer: Tracer) -> CallResult | None:
        """Execute a mined transaction again where it stood; None where there is none.

        Raises:
            StateUnavailable: its block is too old.
        """
        ...

    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Call back with every event, on the engine's thread; the answer ends it."""
        ...

    def export(self, from_block: int, to_block: int) -> Iterator[bytes]:
        """Blocks with their records, one encoded item each."""
        ...

    def import_block(self, encoded: bytes) -> Block:
        """Execute a block of another producer and add it.

        Raises:
            BlockRejected: with the first difference.
        """
        ...

    def close(self) -> None: ...


class DevControls(Protocol):
    """What tests do to a chain and no real one allows."""

    automine: bool
    """A block for each transaction, at once."""
    interval_s: float
    """Seconds between blocks, 0 for none: whoever runs the chain calls `mine` at this pace."""

    def mine(self, blocks: int = 1, timestamp: int | None = None) -> list[Block]: ...
    def set_next_timestamp(self, timestamp: int) -> None:
        """
        Raises:
            InvalidInput: `timestamp.past`: not after the head's.
        """
        ...

    def increase_time(self, seconds: int) -> int:
        """The clock's whole offset, in seconds."""
        ...

    def set_next_base_fee(self, base_fee: int) -> None: ...
    def snapshot(self) -> int: ...
    def revert(self, snapshot_id: int) -> bool:
        """False where there is no such snapshot; it and later ones are used up."""
        ...

    def reorg(self, depth: int) -> list[Block]:
        """Replace the last blocks by as many empty ones; their transactions wait again."""
        ...

    def impersonate(self, address: bytes) -> None: ...
    def stop_impersonating(self, address: bytes) -> None: ...
    def set_balance(self, address: bytes, balance: int) -> None: ...
    def set_nonce(self, address: bytes, nonce: int) -> None: ...
    def set_code(self, address: bytes, code: bytes) -> None: ...
    def set_storage(self, address: bytes, slot: bytes, word: bytes) -> None: ...
