"""Transactions and calls executed again, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infernet.vm.request import AccountOverride, BlockOverride, CallRequest, CallResult
from infernet.vm.rpc.client import Client
from infernet.vm.rpc.errors import Malformed, refuse
from infernet.vm.rpc.format import Json
from infernet.vm.rpc.methods.params import BLOCK, BLOCK_HASH, BLOCK_NUMBER, CALL, TX_HASH
from infernet.vm.rpc.requests import decode_block_override, decode_overrides
from infernet.vm.rpc.table import Methods, Param
from infernet.vm.rpc.tracers import BoundedCallTracer, BoundedStructLogger, Budget
from infernet.vm.rpc.traces import format_frame, format_steps
from infernet.vm.rpc.values import (
    BlockId,
    decode_boolean,
    decode_field,
    decode_number,
    decode_object,
    decode_text,
    encode_data,
    show,
)
from infernet.vm.trace import CallTracer, StructLogger

methods = Methods()

_CALL_TRACER = "callTracer"


@dataclass(frozen=True, slots=True)
class TraceOptions:
    """How a trace is made and shown.

    Attributes:
        is_tree: the tree of calls rather than one line per instruction.
    """

    is_tree: bool = False
    only_top: bool = False
    with_logs: bool = False
    stack: bool = True
    memory: bool = False
    storage: bool = True
    return_data: bool = False
    limit: int = 0
    overrides: Mapping[bytes, AccountOverride] | None = None
    block_override: BlockOverride | None = None

    def build_tracer(self, budget: Budget) -> CallTracer | StructLogger:
        """A fresh one: it serves one transaction."""
        if self.is_tree:
            return BoundedCallTracer(budget, only_top=self.only_top)
        return BoundedStructLogger(
            budget,
            stack=self.stack,
            memory=self.memory,
            storage=self.storage,
            return_data=self.return_data,
            limit=self.limit,
        )

    def format(self, tracer: CallTracer | StructLogger, result: CallResult) -> Json:
        """What the tracer saw."""
        if isinstance(tracer, StructLogger):
            failed = result.error is not None
            return format_steps(tracer, gas_used=result.gas_used, output=result.return_data, failed=failed)
        if tracer.root is None:
            raise refuse(result.error or "nothing was executed")
        return format_frame(tracer.root, with_logs=self.with_logs)


def decode_trace_options(value: Any) -> TraceOptions:
    """The last parameter of the `debug_trace` methods, as geth takes it."""
    source = decode_object(value)
    name = decode_field(source, "tracer", decode_text)
    if name not in (None, "", _CALL_TRACER):
        raise Malformed(
            f"tracer: this node has {_CALL_TRACER} and, without a name, the struct logger; not {show(name)}"
        )
    tree = decode_field(source, "tracerConfig", decode_object) or {}

    def is_set(options: dict[str, Any], option: str) -> bool:
        return decode_field(options, option, decode_boolean) or False

    return TraceOptions(
        is_tree=name == _CALL_TRACER,
        only_top=is_set(tree, "onlyTopCall"),
        with_logs=is_set(tree, "withLog"),
        stack=not is_set(source, "disableStack"),
        memory=is_set(source, "enableMemory"),
        storage=not is_set(source, "disableStorage"),
        return_data=is_set(source, "enableReturnData"),
        limit=decode_field(source, "limit", decode_number) or 0,
        overrides=decode_field(source, "stateOverrides", decode_overrides),
        block_override=decode_field(source, "blockOverrides", decode_block_override),
    )


OPTIONS = Param("options", decode_trace_options, TraceOptions())


@methods.add("debug_traceTransaction", TX_HASH, OPTIONS)
def trace_transaction(client: Client, tx_hash: bytes, options: TraceOptions) -> Json:
    tracer = options.build_tracer(Budget())
    result = client.chain.trace_transaction(tx_hash, tracer)
    if result is None:
        raise refuse("transaction not found")
    return options.format(tracer, result)


@methods.add("debug_traceCall", CALL, BLOCK, OPTIONS, asks=True)
def trace_call(client: Client, request: CallRequest, block: BlockId, options: TraceOptions) -> Json:
    tracer = options.build_tracer(Budget())
    result = client.chain.call(
        client.bound(request),
        client.read_call_place(block),
        options.overrides,
        options.block_override,
        tracer,
        client.asked,
    )
    return options.format(tracer, result)


@methods.add("debug_traceBlockByNumber", BLOCK_NUMBER, OPTIONS)
@methods.add("debug_traceBlockByHash", BLOCK_HASH, OPTIONS)
def trace_block(client: Client, block_id: BlockId, options: TraceOptions) -> list[Json]:
    block = None if block_id == "pending" else client.find_block(block_id)
    if block is None:
        raise refuse("block not found")
    if block.number == 0:
        raise refuse("genesis is not traceable")
    budget = Budget()
    tracers = [options.build_tracer(budget) for _ in block.transactions]
    results = client.chain.trace_block(block, tracers)
    return [
        {"txHash": encode_data(transaction.hash), "result": options.format(tracer, result)}
        for transaction, tracer, result in zip(block.transactions, tracers, results, strict=True)
    ]
