"""The engine: blocks and transactions by the specification's functions, calls by the same without its checks."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace

from ethereum.exceptions import EthereumException
from ethereum.forks.osaka import fork, vm
from ethereum_types.numeric import Uint

from infernet.vm.engine import AccountChange, BlockEnv, Executed, State, TransactionRefused, TransactionTooSlow
from infernet.vm.osaka.call import collect_accesses, simulate
from infernet.vm.osaka.deadline import TooSlow, limited, read_spent
from infernet.vm.osaka.environment import build_env, override_block, restored_on_error
from infernet.vm.osaka.install import install
from infernet.vm.osaka.state import OsakaState, override, own
from infernet.vm.osaka.tracing import build_log, collecting, tracing
from infernet.vm.osaka.transactions import Running, build_spec_transaction, current
from infernet.vm.request import AccountOverride, BlockOverride, CallRequest, CallResult
from infernet.vm.spc.host import SpcHost
from infernet.vm.spc.outside import AnswerNeeded
from infernet.vm.trace import Tracer
from infernet.vm.transaction import Access, Transaction

HISTORY_ADDRESS = bytes(fork.HISTORY_STORAGE_ADDRESS)
HISTORY_CODE = bytes.fromhex(
    "3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff81430311604257611fff90"
    "06545f5260205ff35b5f5ffd5b5f35611fff60014303065500"
)
"""The contract of EIP-2935, which every genesis holds: it keeps the last 8,191 block hashes."""
_PYTHON_FRAMES_PER_CALL = 12
_ACCESS_ROUNDS = 8


class OsakaBlock:
    """A block while its transactions are executed."""

    def __init__(self, state: State, env: BlockEnv, host: SpcHost) -> None:
        self._state, self._host = own(state), host
        self._world = self._state.world()
        self._env = build_env(self._world, env, host)
        self._output = vm.BlockOutput()
        if env.hashes:
            fork.process_unchecked_system_transaction(self._env, fork.HISTORY_STORAGE_ADDRESS, env.hashes[-1])

    @property
    def gas_used(self) -> int:
        return int(self._output.block_gas_used)

    def execute(self, transaction: Transaction, tracer: Tracer | None = None, limit_s: float | None = None) -> Executed:
        index, before = len(self._output.receipt_keys), self.gas_used
        self._host.tx_index = index
        running = Running(build_spec_transaction(transaction), transaction)
        with restored_on_error(self._world, self._host), limited(limit_s), tracing(tracer) as traced:
            current.running = running
            try:
                fork.process_transaction(self._env, self._output, running.spec, Uint(index))
            except EthereumException as error:
                raise TransactionRefused(str(error) or type(error).__name__) from None
            except TooSlow:
                raise TransactionTooSlow(f"it takes longer than {limit_s:g} s") from None
            except AnswerNeeded as needed:
                needed.spent_s = read_spent()
                raise
            finally:
                current.running = None
            traced.settle(transaction.gas, self.gas_used - before)
        logs = tuple(map(build_log, running.logs))
        return Executed(running.error is None, self.gas_used - before, logs)

    def finish(self) -> tuple[OsakaState, tuple[AccountChange, ...]]:
        return self._state.advance(self._world)


class OsakaEngine:
    """The execution specification's Osaka."""

    def __init__(self) -> None:
        install()
        sys.setrecursionlimit(max(sys.getrecursionlimit(), 1024 * _PYTHON_FRAMES_PER_CALL))

    def empty(self) -> OsakaState:
        return OsakaState()

    def begin(self, state: State, env: BlockEnv, host: SpcHost) -> OsakaBlock:
        return OsakaBlock(state, env, host)

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
        world = own(state).world()
        override(world, overrides or {})
        hosted = build_env(world, override_block(env, block_override), host)
        return simulate(hosted, request, tracer, limit_s)[0]

    def list_accesses(
        self, state: State, env: BlockEnv, host: SpcHost, request: CallRequest, limit_s: float | None = None
    ) -> tuple[tuple[Access, ...], CallResult]:
        for _ in range(_ACCESS_ROUNDS):
            with collecting() as touched:
                result, message = simulate(build_env(own(state).world(), env, host), request, None, limit_s)
            found = collect_accesses(touched, {request.sender, bytes(message.current_target), env.coinbase})
            if found == request.access_list:
                break
            request = replace(request, access_list=found)
        return request.access_list, result
