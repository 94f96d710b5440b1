"""The chain so far: its blocks, the states that are kept, and what is on disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial

from infernet.errors import NodeMisconfigured
from infernet.vm.block import Block, LogEntry, MinedTransaction, Receipt
from infernet.vm.chain_store import KEPT_STATES, ChainStore
from infernet.vm.engine import AccountChange, Engine, State
from infernet.vm.executor import Proposal
from infernet.vm.genesis import Genesis, build_beginning
from infernet.vm.next_block import Parent
from infernet.vm.receipts import build_receipts
from infernet.vm.recent import Recent
from infernet.vm.request import StateUnavailable
from infernet.vm.spc.call import Spc

_CACHED_BYTES = 64 * 2**20
_OBJECT_BYTES = 1_000  # of a transaction, a record, a log: about what Python takes beside its bytes
_HASHES = 256
_GENESIS, _EDITED = "genesis", "edited"


class Ledger:
    """It grows by `append`. `truncate` and `edit` are for development alone."""

    def __init__(self, store: ChainStore, genesis: Genesis, engine: Engine, spcs: Mapping[bytes, Spc]) -> None:
        """Take up the chain where it stands on disk, or begin it.

        Raises:
            NodeMisconfigured: the disk holds another chain, or a damaged one.
        """
        self._store, self._engine = store, engine
        self._begin = partial(build_beginning, genesis, engine, spcs, store)
        self._blocks = Recent(store.read_block, _measure_block, _CACHED_BYTES)
        self._receipts = Recent(self._build_receipts, _measure_receipts, _CACHED_BYTES)
        self._states: dict[int, State] = {}
        self._newest_receipts: tuple[Receipt, ...] = ()
        number = store.read_head_number()
        if number is None:
            beginning = self._begin()
            store.write_parameter(_GENESIS, genesis.fingerprint())
            store.append(beginning.block, (), beginning.changes, beginning.blobs, {})
            self.head, state = beginning.block, beginning.state
        else:
            self.head = self._take_up(number, genesis)
            state = engine.empty().apply(store.read_state())
            self._check_root(state)
        self._states[self.head.number] = state
        (self._genesis_hash,) = store.read_hashes(1, 1)
        self._hashes = deque(store.read_hashes(self.head.number + 1, _HASHES), maxlen=_HASHES)

    @property
    def parent(self) -> Parent:
        """What the next block stands on."""
        return Parent(self.head, self.head_state, tuple(self._hashes))

    @property
    def genesis_hash(self) -> bytes:
        return self._genesis_hash

    @property
    def head_state(self) -> State:
        return self._states[self.head.number]

    def block(self, number: int) -> Block | None:
        if number == self.head.number:
            return self.head
        return self._blocks.read(number) if 0 <= number < self.head.number else None

    def block_by_hash(self, block_hash: bytes) -> Block | None:
        number = self._store.find_block(block_hash)
        return None if number is None else self.block(number)

    def transaction(self, tx_hash: bytes) -> MinedTransaction | None:
        found = self._store.find_transaction(tx_hash)
        block = None if found is None else self.block(found[0])
        return (
            None if found is None or block is None else MinedTransaction(block.transactions[found[1]], block, found[1])
        )

    def receipts(self, block: Block) -> tuple[Receipt, ...]:
        newest = self._newest_receipts
        return newest if newest and newest[0].block_hash == block.hash else self._receipts.read(block.number)

    def logs(
        self, first: int, last: int, addresses: Sequence[bytes], topics: Sequence[Sequence[bytes]], limit: int
    ) -> list[LogEntry]:
        return self._store.read_logs(first, last, addresses, topics, limit)

    def measure_logs(
        self, first: int, last: int, addresses: Sequence[bytes], topics: Sequence[Sequence[bytes]], limit: int
    ) -> tuple[int, int]:
        return self._store.measure_logs(first, last, addresses, topics, limit)

    def build_first_state(self) -> State:
        """The state after the first block, which is executed again: it is not kept."""
        return self._begin().state

    def timestamp(self, number: int) -> int:
        """Of a block that is there, without the rest of it."""
        return self._store.read_timestamp(number)

    def hashes_before(self, number: int) -> Sequence[bytes]:
        """Of the 256 blocks before this one."""
        return self._store.read_hashes(number, _HASHES)

    def state(self, number: int) -> State:
        """The state after a block.

        Raises:
            StateUnavailable: there is none, or it is too old.
        """
        if number not in self._states:
            if not self.head.number - KEPT_STATES <= number <= self.head.number:
                kept = f"the last {KEPT_STATES} blocks' are kept"
                raise StateUnavailable("state.unavailable", f"state of block {number} is not available: {kept}")
            undo = self._store.read_undo(number + 1)
            if undo is None:
                raise StateUnavailable("state.unavailable", f"state of block {number} is not available any more")
            self._states[number] = self.state(number + 1).apply(undo)
        return self._states[number]

    def append(self, proposal: Proposal, seals: Mapping[bytes, bytes]) -> tuple[Receipt, ...]:
        """It is on disk when this returns, with its seals by signer."""
        block = proposal.block
        self._store.append(block, proposal.executed, proposal.changes, proposal.blobs, seals)
        self.head = block
        self._newest_receipts = build_receipts(block, proposal.executed)
        self._hashes.append(block.hash)
        self._states[block.number] = proposal.state
        self._states.pop(block.number - KEPT_STATES - 1, None)
        return self._newest_receipts

    def truncate(self, number: int, state: State) -> None:
        """Take back all blocks above this one, whose state is `state` then."""
        self._store.truncate(number, self.head_state.compare(state))
        self._blocks.clear()
        self._receipts.clear()
        self.head = self._store.read_block(number) or self.head
        self._states = {at: kept for at, kept in self._states.items() if at < number} | {number: state}
        self._hashes = deque(self._store.read_hashes(number + 1, _HASHES), maxlen=_HASHES)

    def edit(self, state: State, changes: Sequence[AccountChange]) -> None:
        """Change the head's state without a block."""
        self._store.change_state(changes, self.head.number)
        self._states[self.head.number] = state

    def close(self) -> None:
        self._store.close()

    def _build_receipts(self, number: int) -> tuple[Receipt, ...]:
        block = self.block(number)
        return () if block is None else self._store.read_receipts(block)

    def _take_up(self, number: int, genesis: Genesis) -> Block:
        if self._store.read_parameter(_GENESIS) != genesis.fingerprint():
            raise NodeMisconfigured(
                "chain.other_genesis",
                "the data folder holds a chain of another genesis: use its file, or another folder",
            )
        head = self._store.read_block(number)
        if head is None:
            raise NodeMisconfigured(
                "chain.damaged", f"block {number} is missing: restore the data folder, or sync anew"
            )
        return head

    def _check_root(self, state: State) -> None:
        if state.root != self.head.header.state_root and not self._store.read_parameter(_EDITED):
            raise NodeMisconfigured(
                "chain.damaged",
                f"the state on disk is not that of block {self.head.number}: restore the data folder, or sync anew",
            )


def _measure_block(block: Block | None) -> int:
    if block is None:
        return 0
    raws = [2 * len(transaction.raw) for transaction in block.transactions]  # once parsed
    answers = [len(record.input) + len(record.output) for record in block.records]
    return sum(raws) + sum(answers) + _OBJECT_BYTES * (1 + len(raws) + len(answers))


def _measure_receipts(receipts: Sequence[Receipt]) -> int:
    logs = [len(log.data) for receipt in receipts for log in receipt.logs]
    return sum(logs) + _OBJECT_BYTES * (1 + len(logs) + len(receipts))
