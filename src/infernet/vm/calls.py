"""Calls that leave nothing behind: results, estimates, access lists, traces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial

from infernet.vm.block import Block, Header
from infernet.vm.engine import BlockEnv, Engine
from infernet.vm.executor import Executor
from infernet.vm.ledger import Ledger
from infernet.vm.next_block import Parent
from infernet.vm.place import Place
from infernet.vm.request import AccountOverride, BlockOverride, CallFailed, CallRequest, CallResult
from infernet.vm.simulation import BlockPlan, Imagined, Simulation, Terms
from infernet.vm.spc.call import Blobs
from infernet.vm.spc.host import Replayed, SpcHost, Unanswered
from infernet.vm.spc.outside import Outside, Remembered
from infernet.vm.spc.outside_again import Difference
from infernet.vm.trace import Outermost, Tracer
from infernet.vm.transaction import Access

MAX_CALL_GAS = 2**24
"""An estimate is for a transaction, which may not have more (EIP-7825)."""
_TOLERANCE = 0.015


class Calls:
    """Executes on any state that is kept.

    Args:
        run_recorded: whether recorded precompiles are run for whoever asks.
        limit_s: how long a call may take.
    """

    def __init__(
        self,
        engine: Engine,
        executor: Executor,
        ledger: Ledger,
        chain_id: int,
        *,
        run_recorded: bool,
        limit_s: float,
    ) -> None:
        self._engine, self._executor, self._ledger, self._chain_id = engine, executor, ledger, chain_id
        self._run_recorded, self._limit_s = run_recorded, limit_s
        self._describe = lru_cache(maxsize=256)(self._read_env)

    def call(
        self,
        request: CallRequest,
        place: Place,
        overrides: Mapping[bytes, AccountOverride] | None,
        block_override: BlockOverride | None = None,
        tracer: Tracer | None = None,
        outside: Outside | None = None,
    ) -> CallResult:
        return self._engine.call(
            place.state,
            place.env,
            self._open_host(outside, place.blobs),
            request,
            overrides=overrides,
            block_override=block_override,
            tracer=tracer,
            limit_s=self._limit_s,
        )

    def estimate(
        self,
        request: CallRequest,
        place: Place,
        overrides: Mapping[bytes, AccountOverride] | None,
        outside: Outside | None = None,
    ) -> int:
        """By bisection, to 1.5 %; exactly what it used where that is enough, as it mostly is."""
        outside = outside or Remembered()
        most = _bound_gas(request, place, overrides)

        def run(gas: int) -> CallResult:
            return self.call(replace(request, gas=gas), place, overrides, outside=outside)

        try:
            result = run(most)
        except CallFailed as error:
            if error.code == "call.gas":  # not even what comes before the first instruction
                raise _exceed(most) from None
            raise
        if result.error is not None:
            raise _explain(result, most)
        least = result.gas_used
        if run(least).error is None:
            return least
        while most - least > most * _TOLERANCE:
            middle = min((most + least) // 2, least * 2)
            if run(middle).error is None:
                most = middle
            else:
                least = middle
        return most

    def access_list(
        self, request: CallRequest, place: Place, outside: Outside | None = None
    ) -> tuple[tuple[Access, ...], CallResult]:
        host = self._open_host(outside, place.blobs)
        return self._engine.list_accesses(place.state, place.env, host, request, self._limit_s)

    def simulate(
        self, number: int, plans: Sequence[BlockPlan], terms: Terms, outside: Outside | None = None
    ) -> list[Imagined]:
        """Blocks on top of this one."""
        block = self._ledger.block(number)
        if block is None:
            raise AssertionError(number)
        parent = Parent(block, self._ledger.state(number), tuple(self._ledger.hashes_before(number + 1)))
        open_host = partial(self._open_host, outside)
        simulation = Simulation(self._engine, self._executor, self._chain_id, parent, terms, self._limit_s, open_host)
        return simulation.run(plans)

    def trace(self, block: Block, tracers: Sequence[Tracer | None]) -> list[CallResult]:
        """Execute a block's first transactions again, with the answers that it recorded: what came of those traced."""
        env = self.describe(block.number)
        open_block = self._engine.begin(
            self._ledger.state(block.number - 1), env, self._executor.open_host(Replayed(block.records))
        )
        results = []
        for transaction, tracer in zip(block.transactions, tracers, strict=False):
            if tracer is None:
                open_block.execute(transaction)
                continue
            outermost = Outermost(tracer)
            done = open_block.execute(transaction, outermost)
            results.append(CallResult(outermost.output, done.gas_used, outermost.error, done.logs))
        return results

    def compare_outside(self, block: Block) -> tuple[Difference, ...]:
        """Ask the outside again for what a block recorded."""
        env = self.describe(block.number)
        return self._executor.compare_outside(self._ledger.state(block.number - 1), env, block)

    def describe(self, number: int) -> BlockEnv:
        """A block that is on the chain, as code in it saw it."""
        block = self._ledger.block(number)
        if block is None:
            raise AssertionError(number)
        return self._describe(block.header)

    def _open_host(self, outside: Outside | None, blobs: Blobs | None) -> SpcHost:
        return self._executor.open_host(None if self._run_recorded else Unanswered(), outside, blobs)

    def _read_env(self, header: Header) -> BlockEnv:
        return BlockEnv(
            chain_id=self._chain_id,
            number=header.number,
            timestamp=header.timestamp,
            gas_limit=header.gas_limit,
            base_fee=header.base_fee,
            coinbase=header.coinbase,
            prev_randao=header.prev_randao,
            hashes=self._ledger.hashes_before(header.number),
        )


def _bound_gas(request: CallRequest, place: Place, overrides: Mapping[bytes, AccountOverride] | None) -> int:
    most = min(request.gas or MAX_CALL_GAS, MAX_CALL_GAS, place.env.gas_limit)
    if not request.max_fee:
        return most
    override = (overrides or {}).get(request.sender, AccountOverride())
    balance = place.state.balance(request.sender) if override.balance is None else override.balance
    if balance < request.value:
        raise CallFailed("call.funds", f"insufficient funds for transfer: have {balance}, want {request.value}")
    return min(most, (balance - request.value) // request.max_fee)


def _exceed(gas: int) -> CallFailed:
    return CallFailed("call.gas", f"gas required exceeds allowance ({gas})")


def _explain(result: CallResult, gas: int) -> CallFailed:
    if result.reverted:
        return CallFailed("call.reverted", "execution reverted", result.return_data)
    if result.error == "out of gas":
        return _exceed(gas)
    return CallFailed("call.halted", result.error or "")
