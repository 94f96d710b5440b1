"""Blocks that are imagined on top of one that is there: calls as transactions that nobody signed, each on what the one
before it left. Nothing of them is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

from infernet.vm.admission import MAX_TRANSACTION_GAS, check_transaction
from infernet.vm.block import Block
from infernet.vm.draft import Draft
from infernet.vm.engine import BlockEnv, Engine, State, TransactionRefused
from infernet.vm.executor import Executor
from infernet.vm.impersonated import build_impersonated
from infernet.vm.next_block import Parent, build_env
from infernet.vm.request import AccountOverride, BlockOverride, CallFailed, CallRequest, CallResult, TxRejected
from infernet.vm.spc.call import Blobs
from infernet.vm.spc.host import SpcHost
from infernet.vm.trace import Outermost, TransferLogs
from infernet.vm.transaction import Transaction

MAX_BLOCKS = 256
_HASHES = 256
_STEP_S = 12
_OVERRIDDEN = ("gas_limit", "coinbase", "prev_randao")


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """A block to imagine.

    Attributes:
        accounts: as they are to be before its first call.
    """

    block: BlockOverride
    accounts: Mapping[bytes, AccountOverride]
    calls: Sequence[CallRequest]


@dataclass(frozen=True, slots=True)
class Imagined:
    """A block, and what came of each of its calls."""

    block: Block
    results: tuple[CallResult, ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """How to execute.

    Attributes:
        is_strict: refuse what a block would, signatures apart; else nonces are chosen, and the base fee is zero.
        with_transfers: show the movements of ether among the logs.
        gas: of all calls together, at most.
    """

    is_strict: bool
    with_transfers: bool
    gas: int


class Simulation:
    """
    Args:
        parent: what the first block stands on.
        limit_s: how long all may take together.
        open_host: gives each block its precompiles, on the blobs of those before it; None: the chain's alone.
    """

    def __init__(
        self,
        engine: Engine,
        executor: Executor,
        chain_id: int,
        parent: Parent,
        terms: Terms,
        limit_s: float,
        open_host: Callable[[Blobs | None], SpcHost],
    ) -> None:
        self._engine, self._executor, self._chain_id = engine, executor, chain_id
        self._parent, self._terms, self._open_host = parent, terms, open_host
        self._blobs: Blobs | None = None
        self._gas, self._limit_s, self._ends_at = terms.gas, limit_s, perf_counter() + limit_s

    def run(self, plans: Sequence[BlockPlan]) -> list[Imagined]:
        """These blocks, and empty ones where their numbers leave gaps.

        Raises:
            TxRejected: `block.number`, `block.timestamp`, `block.count`; as the pool, of a call that no block holds.
            CallFailed: `call.timeout`.
        """
        first, done = self._parent.block.number, list[Imagined]()
        for plan in plans:
            number = self._parent.block.number + 1 if plan.block.number is None else plan.block.number
            if number <= self._parent.block.number:
                message = f"block numbers must be in order: {number} <= {self._parent.block.number}"
                raise TxRejected("block.number", message)
            if number - first > MAX_BLOCKS:
                raise TxRejected("block.count", f"too many blocks: at most {MAX_BLOCKS}")
            gap = range(self._parent.block.number + 1, number)
            done += [self._imagine(BlockPlan(BlockOverride(), {}, ())) for _ in gap]
            done.append(self._imagine(plan))
        return done

    def _imagine(self, plan: BlockPlan) -> Imagined:
        self._read_time_left()
        parent = self._parent
        if plan.accounts:
            parent = replace(parent, state=parent.state.edit(plan.accounts)[0])
        env, host = self._build_env(parent, plan.block), self._open_host(self._blobs)
        draft = Draft(parent, env, host, self._engine.begin(parent.state, env, host))
        results = tuple([self._execute(draft, call) for call in plan.calls])
        proposal = self._executor.close(draft)
        hashes = (*parent.hashes, proposal.block.hash)[-_HASHES:]
        self._parent, self._blobs = Parent(proposal.block, proposal.state, hashes), host.blobs
        return Imagined(proposal.block, results)

    def _build_env(self, parent: Parent, wanted: BlockOverride) -> BlockEnv:
        header = parent.block.header
        timestamp = header.timestamp + _STEP_S if wanted.timestamp is None else wanted.timestamp
        if timestamp <= header.timestamp:
            message = f"block timestamps must be in order: {timestamp} <= {header.timestamp}"
            raise TxRejected("block.timestamp", message)
        base_fee = 0 if wanted.base_fee is None and not self._terms.is_strict else wanted.base_fee
        env = build_env(parent, self._chain_id, header.coinbase, timestamp, base_fee)
        chosen = {name: getattr(wanted, name) for name in _OVERRIDDEN}
        return replace(env, **{name: value for name, value in chosen.items() if value is not None})

    def _execute(self, draft: Draft, call: CallRequest) -> CallResult:
        left_s = self._read_time_left()
        state, _ = draft.block.finish()
        transaction = self._build_transaction(draft, state, call)
        self._check(draft, state, transaction)
        inner = TransferLogs()
        tracer = Outermost(inner)
        try:
            done = draft.block.execute(transaction, tracer, left_s)
        except TransactionRefused as error:
            raise CallFailed("call.refused", str(error)) from None
        draft.taken.append((transaction, done))
        self._gas -= done.gas_used
        logs = tuple(inner.logs) if self._terms.with_transfers else done.logs
        return CallResult(tracer.output, done.gas_used, tracer.error, logs)

    def _build_transaction(self, draft: Draft, state: State, call: CallRequest) -> Transaction:
        room = draft.env.gas_limit - draft.block.gas_used
        nonce = state.nonce(call.sender) if call.nonce is None or not self._terms.is_strict else call.nonce
        fee = call.max_fee
        if fee is None:
            fee = 0 if self._terms.is_strict else draft.env.base_fee
        return build_impersonated(
            call.sender,
            chain_id=self._chain_id,
            nonce=nonce,
            max_priority_fee=call.max_priority_fee or 0,
            max_fee=fee,
            gas=min(room, self._gas, MAX_TRANSACTION_GAS) if call.gas is None else call.gas,
            to=call.to,
            value=call.value,
            data=call.data,
            access_list=call.access_list,
            authorizations=call.authorizations,
        )

    def _read_time_left(self) -> float:
        left_s = self._ends_at - perf_counter()
        if left_s <= 0:
            raise CallFailed("call.timeout", f"execution aborted (timeout = {self._limit_s}s)")
        return left_s

    def _check(self, draft: Draft, state: State, transaction: Transaction) -> None:
        check_transaction(transaction, state, draft.env.gas_limit - draft.block.gas_used)
        nonce, base_fee = state.nonce(transaction.sender), draft.env.base_fee
        if transaction.nonce > nonce:
            raise TxRejected("tx.nonce_too_high", f"nonce too high: next nonce {nonce}, tx nonce {transaction.nonce}")
        if transaction.max_fee < base_fee:
            message = f"max fee per gas less than block base fee: {transaction.max_fee} < {base_fee}"
            raise TxRejected("tx.fee_below_base_fee", message)
        if transaction.gas > self._gas:
            raise TxRejected("tx.block_gas", f"all calls together have {self._gas} gas left, not {transaction.gas}")
