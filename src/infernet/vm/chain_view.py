"""What can be asked of a chain: what is there, and what would come of calls. Nothing of it changes the chain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from infernet.vm.block import Block, LogEntry, MinedTransaction, Receipt
from infernet.vm.calls import Calls
from infernet.vm.engine import State
from infernet.vm.ledger import Ledger
from infernet.vm.place import Place
from infernet.vm.request import AccountOverride, At, BlockOverride, CallRequest, CallResult, StateUnavailable
from infernet.vm.simulation import BlockPlan, Imagined, Terms
from infernet.vm.spc.outside import Outside
from infernet.vm.spc.outside_again import Difference
from infernet.vm.trace import Tracer
from infernet.vm.transaction import Access


class ChainView:
    """
    Args:
        read_pending: what `pending` is now.
    """

    def __init__(self, ledger: Ledger, calls: Calls, read_pending: Callable[[], Place]) -> None:
        self.ledger = ledger
        self._calls, self._pending_place = calls, read_pending

    @property
    def head(self) -> Block:
        return self.ledger.head

    # What is there

    def block_by_number(self, number: int) -> Block | None:
        return self.ledger.block(number)

    def block_by_hash(self, block_hash: bytes) -> Block | None:
        return self.ledger.block_by_hash(block_hash)

    def transaction(self, tx_hash: bytes) -> MinedTransaction | None:
        return self.ledger.transaction(tx_hash)

    def receipt(self, tx_hash: bytes) -> Receipt | None:
        mined = self.transaction(tx_hash)
        return None if mined is None else self.receipts(mined.block)[mined.index]

    def receipts(self, block: Block) -> tuple[Receipt, ...]:
        return self.ledger.receipts(block)

    def logs(
        self,
        from_block: int,
        to_block: int,
        addresses: Sequence[bytes],
        topics: Sequence[Sequence[bytes]],
        limit: int,
    ) -> list[LogEntry]:
        """In chain order, both ends included, `limit` at most. No addresses: of any; `topics[i]` empty: any there."""
        return self.ledger.logs(from_block, to_block, addresses, topics, limit)

    def measure_logs(
        self,
        from_block: int,
        to_block: int,
        addresses: Sequence[bytes],
        topics: Sequence[Sequence[bytes]],
        limit: int,
    ) -> tuple[int, int]:
        """How many logs `logs` would answer with, and how many bytes of data they have together."""
        return self.ledger.measure_logs(from_block, to_block, addresses, topics, limit)

    def state(self, at: At) -> State:
        """
        Raises:
            StateUnavailable: no such block, or older than the last 128.
        """
        return self._read_place(at).state

    # Calls

    def call(
        self,
        request: CallRequest,
        at: At,
        overrides: Mapping[bytes, AccountOverride] | None = None,
        block_override: BlockOverride | None = None,
        tracer: Tracer | None = None,
        outside: Outside | None = None,
    ) -> CallResult:
        """
        Args:
            outside: who answers what recorded precompiles ask; None: they are asked at once, and this thread waits.

        Raises:
            StateUnavailable: as `state`.
            CallFailed: it could not even begin.
            AnswerNeeded: `outside` has no answer yet.
        """
        return self._calls.call(request, self._read_place(at), overrides, block_override, tracer, outside)

    def estimate(
        self,
        request: CallRequest,
        at: At,
        overrides: Mapping[bytes, AccountOverride] | None = None,
        outside: Outside | None = None,
    ) -> int:
        """A gas limit with which it succeeds.

        Raises:
            StateUnavailable, AnswerNeeded: as `call`.
            CallFailed: with the revert's data where it fails with any gas.
        """
        return self._calls.estimate(request, self._read_place(at), overrides, outside)

    def access_list(
        self, request: CallRequest, at: At, outside: Outside | None = None
    ) -> tuple[tuple[Access, ...], CallResult]:
        """Raises as `call`."""
        return self._calls.access_list(request, self._read_place(at), outside)

    def simulate(
        self, plans: Sequence[BlockPlan], at: At, terms: Terms, outside: Outside | None = None
    ) -> list[Imagined]:
        """Blocks on top of this one; `pending` is the head. Raises as `call` and `Simulation.run`."""
        place = self._read_place(self.head.number if at == "pending" else at)
        return self._calls.simulate(place.env.number, plans, terms, outside)

    def trace_transaction(self, tx_hash: bytes, tracer: Tracer) -> CallResult | None:
        """Execute a mined transaction again where it stood; None where there is none.

        Raises:
            StateUnavailable: its block is too old.
        """
        mined = self.transaction(tx_hash)
        return None if mined is None else self._calls.trace(mined.block, [*[None] * mined.index, tracer])[0]

    def trace_block(self, block: Block, tracers: Sequence[Tracer]) -> list[CallResult]:
        """The same for all transactions of a block at once, each with its tracer.

        Raises:
            StateUnavailable: it is too old.
        """
        return self._calls.trace(block, tracers)

    def compare_outside(self, block: Block) -> tuple[Difference, ...]:
        """Ask the outside again for what a block of this chain recorded; the answer is what differs.

        Raises:
            StateUnavailable: it is too old.
        """
        return self._calls.compare_outside(block)

    def _read_place(self, at: At) -> Place:
        if at == "pending":
            return self._pending_place()
        if isinstance(at, bytes):
            block = self.block_by_hash(at)
            if block is None:
                raise StateUnavailable("state.unknown_block", "header for hash not found")
            at = block.number
        if self.block_by_number(at) is None:
            raise StateUnavailable("state.unknown_block", "header not found")
        return Place(self.ledger.state(at), self._calls.describe(at))
