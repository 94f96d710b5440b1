"""What the rooms above need from the rooms beside, as protocols. The adapters implement them; tests fake them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from infernet.errors import InfernetError
from infernet.protocol.subscription import DelegateRequest
from infernet.types import (
    Address,
    BlockRef,
    Call,
    ChainId,
    ChainStatus,
    Hash32,
    Log,
    ModelUse,
    Receipt,
    SignedTransaction,
    SubscriptionId,
    SubscriptionKey,
    SubscriptionReport,
    Transaction,
    TxHash,
    Wei,
)


class Chain(Protocol):
    """One EVM chain. Every method raises `RetryLater` when the chain cannot be reached.

    The `_many` forms answer in order, one entry for each item, an error standing in the place of what failed.
    """

    async def fetch_chain_id(self) -> ChainId: ...
    async def fetch_head(self) -> BlockRef: ...
    async def fetch_block(self, number: int) -> BlockRef | None:
        """The canonical block of that number, None when there is none."""
        ...

    async def fetch_logs(self, addresses: Sequence[Address], from_block: int, to_block: int) -> list[Log]:
        """All logs of those contracts in the range, both ends included, in chain order.

        Raises:
            RetryLater: `chain.range_too_large` when the endpoint refuses a range of this size.
        """
        ...

    async def fetch_code(self, address: Address) -> bytes: ...
    async def fetch_nonce(self, address: Address, at: Hash32 | None = None) -> int:
        """Transactions of that account that are in blocks, up to the head or to the block of hash `at`."""
        ...

    async def fetch_balance(self, address: Address) -> Wei: ...
    async def call(self, call: Call, at: Hash32 | None = None) -> bytes:
        """`eth_call` on the head, or on the state after the block of hash `at`.

        Raises:
            JobRejected: the call reverted; `code` is `revert.<ErrorName>` for an error of the contracts' ABI.
        """
        ...

    async def call_many(self, calls: Sequence[Call], at: Hash32 | None = None) -> list[bytes | InfernetError]: ...
    async def estimate_gas(self, call: Call) -> int: ...
    async def submit_many(self, raws: Sequence[bytes]) -> list[InfernetError | None]:
        """Broadcast signed transactions. A transaction the endpoint already knows counts as accepted."""
        ...

    async def fetch_receipts(self, hashes: Sequence[TxHash]) -> list[Receipt | None]: ...


class Signer(Protocol):
    """One account that can sign."""

    @property
    def address(self) -> Address: ...
    def sign_transaction(self, transaction: Transaction) -> SignedTransaction: ...
    def sign_digest(self, digest: Hash32) -> bytes:
        """65 bytes r ‖ s ‖ v, v in {27, 28}, s in the lower half."""
        ...


class Container(Protocol):
    """Anything that turns features into an output (both ABI bytes)."""

    @property
    def id(self) -> str:
        """The name that subscriptions use."""
        ...

    @property
    def max_concurrency(self) -> int: ...
    async def start(self) -> None:
        """Be ready to run.

        Raises:
            NodeMisconfigured: a file is missing, a hash differs, a package is not installed.
        """
        ...

    async def run(self, features: bytes) -> bytes:
        """The output for these features, after those that came before, within the container's own time limit.
        Cancelling the call stops the work.

        Raises:
            JobRejected: the features do not fit, or the container refused them.
            RetryLater: the container broke and will be started anew.
        """
        ...

    async def stop(self) -> None: ...


@runtime_checkable
class TracedContainer(Protocol):
    """A container that tells which version of a model an output came from: it may change while the node runs."""

    async def run_traced(self, features: bytes) -> tuple[bytes, ModelUse]:
        """As `Container.run`. A run stays with the version that it began with."""
        ...


class ChainService(Protocol):
    """What a node's HTTP API may ask of its work on one chain."""

    def status(self) -> ChainStatus: ...
    async def accept_request(self, request: DelegateRequest) -> SubscriptionKey:
        """Take a subscription that was signed off chain; it is on disk when this returns.

        Raises:
            InvalidInput: it does not hold together, the Coordinator would not create it, this node will not serve it.
            RetryLater: the chain cannot be asked.
        """
        ...

    def report(self, owner: Address, number: SubscriptionId) -> SubscriptionReport | None:
        """What this node knows about one subscription, None where it knows nothing."""
        ...


class Clock(Protocol):
    """Wall time, for pauses and logs only: everything that the chain decides is decided by block time."""

    def now_s(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...
