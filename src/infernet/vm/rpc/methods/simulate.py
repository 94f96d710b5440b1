"""`eth_simulateV1`: whole blocks of calls that build on one another, as the execution APIs specify it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Any

from infernet.vm.block import LogEntry
from infernet.vm.request import BlockOverride, CallResult, TxRejected
from infernet.vm.rpc.client import Client
from infernet.vm.rpc.errors import RpcError
from infernet.vm.rpc.format import Json, format_block, format_log
from infernet.vm.rpc.methods.params import BLOCK
from infernet.vm.rpc.requests import decode_block_override, decode_call, decode_overrides
from infernet.vm.rpc.reverts import build_revert
from infernet.vm.rpc.table import Methods, Param
from infernet.vm.rpc.values import (
    BlockId,
    decode_boolean,
    decode_field,
    decode_list,
    decode_object,
    encode_data,
    encode_quantity,
)
from infernet.vm.simulation import BlockPlan, Imagined, Terms

methods = Methods()

_HALTED = -32015
_CODES = {
    "tx.nonce_too_low": -38010,
    "tx.nonce_too_high": -38011,
    "tx.fee_below_base_fee": -38012,
    "tx.intrinsic_gas": -38013,
    "tx.insufficient_funds": -38014,
    "tx.block_gas": -38015,
    "block.number": -38020,
    "block.timestamp": -38021,
    "tx.init_code": -38025,
    "block.count": -38026,
}


@dataclass(frozen=True, slots=True)
class _Payload:
    plans: list[BlockPlan]
    is_strict: bool
    with_transfers: bool
    is_full: bool


def _decode_payload(value: Any) -> _Payload:
    source = decode_object(value)
    return _Payload(
        plans=decode_list(source.get("blockStateCalls"), _decode_plan),
        is_strict=decode_field(source, "validation", decode_boolean) or False,
        with_transfers=decode_field(source, "traceTransfers", decode_boolean) or False,
        is_full=decode_field(source, "returnFullTransactions", decode_boolean) or False,
    )


def _decode_plan(value: Any) -> BlockPlan:
    source = decode_object(value)
    return BlockPlan(
        block=decode_field(source, "blockOverrides", decode_block_override) or BlockOverride(),
        accounts=decode_field(source, "stateOverrides", decode_overrides) or {},
        calls=decode_field(source, "calls", lambda calls: decode_list(calls, decode_call)) or (),
    )


@methods.add("eth_simulateV1", Param("payload", _decode_payload), BLOCK, asks=True)
def simulate(client: Client, payload: _Payload, block: BlockId) -> list[Json]:
    """A call that fails is an answer; one that could stand in no block is an error of the whole."""
    terms = Terms(payload.is_strict, payload.with_transfers, client.node.limits.call_gas)
    try:
        done = client.chain.simulate(payload.plans, client.read_call_place(block), terms, client.asked)
    except TxRejected as error:
        raise RpcError(_CODES.get(error.code, -32000), error.message) from None
    return [_format_block(imagined, is_full=payload.is_full) for imagined in done]


def _format_block(imagined: Imagined, *, is_full: bool) -> Json:
    numbers = count()
    calls = []
    for index, result in enumerate(imagined.results):
        calls.append(_format_call(imagined, index, result, numbers))
    return format_block(imagined.block, is_full=is_full) | {"calls": calls}


def _format_call(imagined: Imagined, index: int, result: CallResult, numbers: count[int]) -> Json:
    block, transaction = imagined.block, imagined.block.transactions[index]
    logs = [
        LogEntry(log.address, log.topics, log.data, block.number, block.hash, transaction.hash, index, next(numbers))
        for log in result.logs
    ]
    shown: Json = {
        "returnData": encode_data(result.return_data),
        "logs": [format_log(log, block.timestamp) for log in logs],
        "gasUsed": encode_quantity(result.gas_used),
        "status": encode_quantity(result.error is None),
    }
    if result.error is None:
        return shown
    reverted = build_revert(result.return_data).describe()
    return shown | {"error": reverted if result.reverted else {"code": _HALTED, "message": result.error}}
