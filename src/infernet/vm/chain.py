"""The chain: blocks, state, the pool and production behind one class, which JSON-RPC and the command line use.
What only looks at it is in `ChainView`.

Every method is synchronous and keeps the processor busy: call them all on one thread. Addresses, hashes and slots are
bytes; amounts are plain integers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from infernet.errors import InvalidInput
from infernet.vm.admission import check_transaction, compute_least_fee, read_transaction
from infernet.vm.block import Block
from infernet.vm.calls import Calls
from infernet.vm.chain_store import ChainStore
from infernet.vm.chain_view import ChainView
from infernet.vm.dev import DevControls
from infernet.vm.duty import Duties
from infernet.vm.engine import BlockEnv, Engine, Proof
from infernet.vm.events import Event, Listeners, NewHead, NewPending, Removed
from infernet.vm.executor import BlockRejected, Executor, Proposal
from infernet.vm.genesis import DEV_PRODUCER_KEY, Genesis
from infernet.vm.ledger import Ledger
from infernet.vm.next_block import compute_base_fee
from infernet.vm.osaka.engine import OsakaEngine
from infernet.vm.outbox import Outbox
from infernet.vm.pending import Pending
from infernet.vm.place import Place
from infernet.vm.pool import Chosen, Pool
from infernet.vm.request import CallRequest, TxRejected
from infernet.vm.seal_book import SealBook, SealedBlock
from infernet.vm.spc.call import Spc
from infernet.vm.spc.outside import Outside
from infernet.vm.transaction import Transaction, compute_address
from infernet.vm.waiting import Waiting

__all__ = ["BlockRejected", "Chain", "Event", "NewHead", "NewPending", "Proof", "Removed"]

PRODUCTION_BUDGET_S = 2.0
EXECUTION_LIMIT_S = 10.0


class Chain(ChainView):
    """One layer.

    Args:
        spcs: the precompiles that its genesis enables.
        path: of its SQLite file; None is a chain in memory.
        run_recorded: whether calls run recorded precompiles, which cost the operator money or connections.
        producer_key: whose account is the genesis's `producer`; None for a follower, which makes no blocks.
        clock: seconds since 1970.
        budget_s: after so many seconds a block takes no more transactions from the pool.
        limit_s: how long one transaction of the pool, or one call, may take.

    Attributes:
        waiting: what recorded precompiles ask the outside, on this thread unless it is told to ask beside.
    """

    def __init__(
        self,
        genesis: Genesis,
        spcs: Sequence[Spc] = (),
        path: Path | None = None,
        *,
        producer_key: bytes | None = DEV_PRODUCER_KEY,
        engine: Engine | None = None,
        clock: Callable[[], float] = time.time,
        budget_s: float = PRODUCTION_BUDGET_S,
        limit_s: float = EXECUTION_LIMIT_S,
        run_recorded: bool = True,
    ) -> None:
        """Take up the chain where it stands, or begin it.

        Raises:
            NodeMisconfigured: its file is in use, damaged, of another version or another genesis.
        """
        by_address = {bytes.fromhex(spc.address[2:]): spc for spc in spcs}
        if set(by_address) != set(genesis.spcs):
            raise ValueError("the precompiles are not those of the genesis")
        if producer_key is not None and compute_address(producer_key) != genesis.producer:
            raise ValueError("the key is not that of the genesis's producer")
        self.genesis, self.chain_id, self.coinbase = genesis, genesis.chain_id, genesis.producer
        self.producer_key = producer_key
        engine = engine or OsakaEngine()
        store = ChainStore(path)
        try:
            ledger = Ledger(store, genesis, engine, by_address)
        except BaseException:
            store.close()
            raise
        self.seals = SealBook(store, genesis, ledger.genesis_hash, lambda: ledger.head.number)
        self.seals.advance()
        duties = Duties(engine, genesis.producer, producer_key, store)
        self.outbox = Outbox(producer_key)
        self._executor = Executor(
            engine, self.chain_id, self.coinbase, by_address, store, duties.find, self.outbox, budget_s, limit_s
        )
        calls = Calls(engine, self._executor, ledger, self.chain_id, run_recorded=run_recorded, limit_s=limit_s)
        super().__init__(ledger, calls, self._read_pending)
        self.waiting = Waiting()
        self.pool = Pool(self._read_nonce, self.waiting.forget, self.waiting.replace)
        self._pending = Pending(self._executor, self.pool)
        self._listeners = Listeners()
        self._clock = clock
        self.dev = DevControls(self, 0 if producer_key is None else genesis.block_time_s)

    @property
    def next_base_fee(self) -> int:
        """Wei per gas, of the next block."""
        chosen = self.dev.next_base_fee
        return compute_base_fee(self.head.header) if chosen is None else chosen

    def close(self) -> None:
        """Release the file. What was acknowledged is on disk already."""
        self.ledger.close()

    # Transactions

    def next_nonce(self, address: bytes) -> int:
        """With what waits in the pool."""
        return self.pool.next_nonce(address)

    def submit(self, raw: bytes) -> bytes:
        """Take a signed transaction; the answer is its hash. With automine on it is in a block on return, but for one
        that waits for the outside (`waiting`).

        Raises:
            TxRejected: with the wording that wallets know.
        """
        (result,) = self.submit_many([raw])
        if isinstance(result, Exception):
            raise result
        return result

    def submit_many(self, raws: Sequence[bytes]) -> list[bytes | Exception]:
        """The same for several, in one block where they fit; an error stands in the place of what was refused."""
        results: list[bytes | Exception] = []
        for raw in raws:
            try:
                results.append(self._admit(read_transaction(raw, self.chain_id)))
            except TxRejected as error:
                results.append(error)
        self.mine_ready()
        return results

    def submit_request(self, request: CallRequest, outside: Outside | None = None) -> bytes:
        """Take a transaction of an impersonated account, unsigned.

        Raises:
            TxRejected: as `submit`; `tx.unknown_account`: its sender is not impersonated.
            CallFailed: no gas was given, and none is enough.
            AnswerNeeded: no gas was given, and its estimate waits for the outside.
        """
        tx_hash = self._admit(self.dev.build_transaction(request, outside))
        self.mine_ready()
        return tx_hash

    # Blocks

    def pending_block(self) -> Block:
        """What the next block would be now."""
        return self._pending.read_block(self.ledger.parent, self._list_chosen(), self._build_env)

    def mine(self, timestamp: int | None = None) -> Block:
        """Make a block of what waits and add it.

        Raises:
            InvalidInput: `block.no_producer`.
        """
        self._require_key()
        proposal = self.prepare_proposal(timestamp)
        self.finalize(proposal)
        return proposal.block

    def mine_ready(self) -> None:
        """With automine on, make blocks until nothing is left but what waits for something. An answer from outside is a
        reason to call it.
        """
        while self.dev.automine and self.producer_key is not None and self._has_work():
            proposal, before = self.prepare_proposal(), self._count_waiting()
            if proposal.block.transactions or proposal.refused:
                self.finalize(proposal)
            if self._count_waiting() >= before:
                return

    def mine_chosen(self, transactions: Sequence[Transaction], timestamp: int) -> Block:
        """Make a block of these, which takes nothing from the pool; what is not possible is left out. What they ask the
        outside is asked at once.
        """
        env = self._build_env(timestamp)
        proposal = self._executor.prepare_proposal(self.ledger.parent, env, Chosen(transactions))
        self.finalize(proposal)
        return proposal.block

    def read_clock(self) -> int:
        return int(self._clock())

    def prepare_proposal(self, timestamp: int | None = None) -> Proposal:
        """A block of what waits in the pool, and not for the outside."""
        env = self._build_env(timestamp)
        return self._executor.prepare_proposal(self.ledger.parent, env, self.pool, self.waiting)

    def process_proposal(self, block: Block) -> Proposal:
        """Execute a block of another producer.

        Raises:
            BlockRejected: with the first difference.
        """
        return self._executor.process_proposal(self.ledger.parent, block)

    def finalize(self, proposal: Proposal, seals: Mapping[bytes, bytes] | None = None) -> None:
        """Add a block. It is on disk on return.

        Args:
            seals: by signer, of another producer's block; one of its own this node seals.

        Raises:
            InvalidInput: `block.no_producer`.
        """
        if seals is None:
            seals = {self.coinbase: self.seals.sign(self._require_key(), proposal.block)}
        receipts = self.ledger.append(proposal, seals)
        self.seals.advance()
        for transaction in proposal.refused:
            self.pool.drop(transaction.hash)
        self.outbox.note_block(proposal.block, proposal.refused)
        self.pool.forget_used({transaction.sender for transaction in proposal.block.transactions})
        self.pool.forget_old()
        self.dev.note_block()
        self._listeners.tell(NewHead(proposal.block, receipts))

    def export(self, from_block: int, to_block: int) -> Iterator[bytes]:
        """Blocks with their records and seals, one encoded item each."""
        for number in range(from_block, to_block + 1):
            block = self.block_by_number(number)
            if block is None:
                return
            yield self.seals.encode(block)

    def import_block(self, encoded: bytes) -> Block:
        """Execute a block of another producer and add it. Of one that is here already the seals are kept.

        Raises:
            BlockRejected: with the first difference.
        """
        return self.import_sealed(self.seals.decode(encoded))

    def import_sealed(self, sealed: SealedBlock) -> Block:
        """The same for a block whose seals were checked."""
        block = sealed.block
        ours = self.block_by_number(block.number)
        if ours is not None and ours.hash == block.hash:
            self.seals.add(block, sealed.seals)
        else:
            self.finalize(self.process_proposal(block), sealed.seals)
        return block

    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Call back with every event, on the thread that runs the chain; the answer ends it."""
        return self._listeners.add(callback)

    def tell(self, event: Event) -> None:
        self._listeners.tell(event)

    def _list_chosen(self) -> tuple[object, ...]:
        return self.dev.chosen, *self.outbox.waiting

    def _has_work(self) -> bool:
        return bool(self.outbox.waiting) or self.pool.has_payable(self.next_base_fee)

    def _count_waiting(self) -> int:
        return len(self.pool) + len(self.outbox.waiting)

    def _require_key(self) -> bytes:
        if self.producer_key is None:
            raise InvalidInput("block.no_producer", "this node makes no blocks: it has no key of the chain's producer")
        return self.producer_key

    def _read_nonce(self, address: bytes) -> int:
        return self.ledger.head_state.nonce(address)

    def _admit(self, transaction: Transaction) -> bytes:
        if self.producer_key is None:
            raise TxRejected("tx.no_producer", "this node makes no blocks: send transactions to the chain's producer")
        base_fee = self.next_base_fee
        queued_cost = self.pool.compute_cost(transaction.sender, transaction.nonce)
        least_fee = 0 if self.dev.automine else compute_least_fee(base_fee)
        check_transaction(
            transaction,
            self.ledger.head_state,
            self.head.header.gas_limit,
            least_fee=least_fee,
            queued_cost=queued_cost,
        )
        if self.dev.automine and transaction.max_fee < base_fee:
            message = (
                f"max fee per gas less than block base fee: maxFeePerGas: {transaction.max_fee}, baseFee: {base_fee}"
            )
            raise TxRejected("tx.fee_below_base_fee", message)
        self.pool.add(transaction)
        self._listeners.tell(NewPending(transaction.hash))
        return transaction.hash

    def _build_env(self, timestamp: int | None = None) -> BlockEnv:
        if timestamp is None:
            timestamp = self.dev.choose_timestamp(self.read_clock())
        return self._executor.build_next_env(self.ledger.parent, timestamp, self.dev.next_base_fee)

    def _read_pending(self) -> Place:
        if not self.pool.pending and not self.outbox.waiting:
            return Place(self.ledger.head_state, self._build_env())
        return self._pending.read_place(self.ledger.parent, self._list_chosen(), self._build_env)
