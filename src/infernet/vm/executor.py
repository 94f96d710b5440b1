"""Makes blocks and checks those of others, in the shape of ABCI 2.0: prepare a proposal, process a proposal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from infernet.errors import InvalidInput
from infernet.vm.block import Block, Header, SpcRecord, compute_bloom
from infernet.vm.block_encoding import compute_records_hash, encode_receipt
from infernet.vm.draft import Draft
from infernet.vm.engine import AccountChange, BlockEnv, Engine, Executed, State, TransactionRefused
from infernet.vm.merkle import compute_ordered_root
from infernet.vm.next_block import Parent, build_env, build_header
from infernet.vm.outbox import Outbox
from infernet.vm.pool import Chosen, Pool
from infernet.vm.spc.call import Blobs, Spc
from infernet.vm.spc.host import Answers, RecordMismatch, Replayed, SpcHost
from infernet.vm.spc.outside import Outside
from infernet.vm.spc.outside_again import AskingHost, Difference
from infernet.vm.transaction import Transaction
from infernet.vm.waiting import Waiting

_MAX_TIMESTAMP = 2**40


class BlockRejected(InvalidInput):
    """A block of another producer that does not follow from its parent; the message names the first difference."""


@dataclass(frozen=True)
class Proposal:
    """A block and what it leads to. Nothing of it is kept until it is finalized.

    Attributes:
        refused: transactions of the pool that turned out not to be possible.
        blobs: what precompiles put.
    """

    block: Block
    executed: tuple[Executed, ...]
    state: State
    changes: tuple[AccountChange, ...]
    blobs: Mapping[bytes, bytes]
    refused: tuple[Transaction, ...] = ()


class Executor:
    """Executes the blocks of one chain.

    Args:
        find_duty: the transaction that a block must begin with, None where nothing is due.
        outbox: what follows it, of the producer's own.
        budget_s: after so many seconds no more transactions are taken from the pool.
        limit_s: a transaction of the pool that takes longer is left out, and forgotten.
    """

    def __init__(
        self,
        engine: Engine,
        chain_id: int,
        coinbase: bytes,
        spcs: Mapping[bytes, Spc],
        blobs: Blobs,
        find_duty: Callable[[State, BlockEnv], Transaction | None],
        outbox: Outbox,
        budget_s: float,
        limit_s: float,
    ) -> None:
        self._engine, self._chain_id, self._coinbase = engine, chain_id, coinbase
        self._spcs, self._blobs = spcs, blobs
        self._find_duty, self._outbox = find_duty, outbox
        self._budget_s, self._limit_s = budget_s, limit_s

    def open_host(
        self, answers: Answers | None = None, outside: Outside | None = None, blobs: Blobs | None = None
    ) -> SpcHost:
        """
        Args:
            blobs: those that the state refers to; None: the chain's.
        """
        return SpcHost(self._spcs, self._blobs if blobs is None else blobs, answers, outside)

    def build_next_env(self, parent: Parent, timestamp: int, base_fee: int | None = None) -> BlockEnv:
        """The block after `parent`."""
        return build_env(parent, self._chain_id, self._coinbase, timestamp, base_fee)

    def prepare_proposal(
        self, parent: Parent, env: BlockEnv, pool: Pool | Chosen, waiting: Waiting | None = None
    ) -> Proposal:
        """A block of what waits, as much as fits."""
        draft = self.open_draft(parent, env, waiting=waiting)
        self.fill(draft, pool)
        return self.close(draft)

    def open_draft(
        self, parent: Parent, env: BlockEnv, answers: Answers | None = None, waiting: Waiting | None = None
    ) -> Draft:
        """A block with what the chain's rules ask of its producer and what that has to say, and nothing else yet."""
        host = self.open_host(answers)
        draft = Draft(parent, env, host, self._engine.begin(parent.state, env, host), waiting)
        duty = self._find_duty(parent.state, env)
        if duty is not None:
            draft.execute(duty)
        if self._outbox.waiting:
            nonce = parent.state.nonce(self._coinbase) + (duty is not None)
            draft.take_own(self._outbox.sign(env, nonce), self._limit_s)
        return draft

    def fill(self, draft: Draft, pool: Pool | Chosen) -> bool:
        """As `Draft.fill`."""
        return draft.fill(pool, self._budget_s, self._limit_s)

    def close(self, draft: Draft) -> Proposal:
        """The block as it stands."""
        return _close(draft, tuple(draft.host.records))

    def process_proposal(self, parent: Parent, block: Block) -> Proposal:
        """Execute a block of another producer again.

        Raises:
            BlockRejected: it is not what its parent, its transactions and its records lead to.
        """
        timestamp = block.header.timestamp
        env = self.build_next_env(parent, timestamp)
        _compare(block, build_header(env, parent), ("parent_hash", "number", "gas_limit", "base_fee", "coinbase"))
        if not parent.block.timestamp < timestamp < _MAX_TIMESTAMP:
            raise _reject(block, f"timestamp {timestamp} is not after its parent's {parent.block.timestamp}")
        answers = Replayed(block.records)
        host = self.open_host(answers)
        draft = Draft(parent, env, host, self._engine.begin(parent.state, env, host))
        self._check_duty(block, self._find_duty(parent.state, env))
        for index, transaction in enumerate(block.transactions):
            try:
                draft.execute(transaction)
            except TransactionRefused as error:
                raise _reject(block, f"transaction {index} is not possible: {error}") from None
            except RecordMismatch as error:
                raise _reject(block, f"transaction {index}, {error}") from None
        try:
            answers.finish()
        except RecordMismatch as error:
            raise _reject(block, str(error)) from None
        proposal = _close(draft, block.records)
        _compare(block, proposal.block.header, tuple(Header.__dataclass_fields__))
        return proposal

    def compare_outside(self, state: State, env: BlockEnv, block: Block) -> tuple[Difference, ...]:
        """Execute a block of the chain once more, on its parent's state, and ask the outside beside each record."""
        if not any(self._spcs[record.spc].recorded for record in block.records):
            return ()
        host = AskingHost(self._spcs, self._blobs, Replayed(block.records))
        open_block = self._engine.begin(state, env, host)
        for transaction in block.transactions:
            open_block.execute(transaction)
        return tuple(host.differences)

    def _check_duty(self, block: Block, duty: Transaction | None) -> None:
        if duty is None:
            return
        first = block.transactions[0] if block.transactions else None
        wanted = ("type", "sender", "to", "data", "value", "gas", "max_fee", "nonce")
        if first is None or any(getattr(first, name) != getattr(duty, name) for name in wanted):
            raise _reject(block, "calls are due, and its first transaction is not the one that makes them")


def _close(draft: Draft, records: tuple[SpcRecord, ...]) -> Proposal:
    state, changes = draft.block.finish()
    receipts, blooms, gas_used = [], 0, 0
    for transaction, done in draft.taken:
        gas_used += done.gas_used
        bloom = compute_bloom([(entry.address, entry.topics) for entry in done.logs])
        blooms |= int.from_bytes(bloom, "big")
        logs = [(entry.address, entry.topics, entry.data) for entry in done.logs]
        receipts.append(encode_receipt(transaction.type, done.succeeded, gas_used, bloom, logs))
    header = replace(
        build_header(draft.env, draft.parent),
        state_root=state.root,
        transactions_root=compute_ordered_root([transaction.raw for transaction, _ in draft.taken]),
        receipts_root=compute_ordered_root(receipts),
        bloom=blooms.to_bytes(256, "big"),
        gas_used=gas_used,
        extra_data=compute_records_hash(records),
    )
    block = Block(header, tuple(transaction for transaction, _ in draft.taken), records)
    executed = tuple(done for _, done in draft.taken)
    return Proposal(block, executed, state, changes, draft.host.blobs.added, tuple(draft.refused))


def _compare(block: Block, ours: Header, names: Sequence[str]) -> None:
    for name in names:
        theirs, mine = getattr(block.header, name), getattr(ours, name)
        if theirs != mine:
            raise _reject(block, f"{name} is {_show(theirs)}, here it is {_show(mine)}")


def _reject(block: Block, what: str) -> BlockRejected:
    return BlockRejected("block.rejected", f"block {block.number} (0x{block.hash.hex()}): {what}")


def _show(value: object) -> str:
    return f"0x{value.hex()}" if isinstance(value, bytes) else str(value)
