"""Traces in the shapes that geth gives them: the tree of calls, and one line per instruction."""

from __future__ import annotations

from typing import Any

from infernet.vm.rpc.format import Json
from infernet.vm.rpc.reverts import decode_reason
from infernet.vm.rpc.values import encode_data, encode_quantity
from infernet.vm.trace import CallFrame, Step, StructLogger

_CREATIONS = ("CREATE", "CREATE2")
_WITHOUT_VALUE = ("STATICCALL", "DELEGATECALL")


def format_frame(frame: CallFrame, *, with_logs: bool) -> Json:
    """A frame of `callTracer`, with the calls inside it."""
    shown: Json = {
        "from": encode_data(frame.sender),
        "gas": encode_quantity(frame.gas),
        "gasUsed": encode_quantity(frame.gas_used),
        "input": encode_data(frame.input),
        "type": frame.kind,
    }
    if frame.error is None or frame.kind not in _CREATIONS:
        shown["to"] = encode_data(frame.to)
    if frame.output:
        shown["output"] = encode_data(frame.output)
    if frame.error is not None:
        shown |= {"error": frame.error} | _format_reason(frame)
    if frame.calls:
        shown["calls"] = [format_frame(call, with_logs=with_logs) for call in frame.calls]
    if with_logs and frame.logs and frame.error is None:
        shown["logs"] = [
            {
                "address": encode_data(log.address),
                "topics": [encode_data(topic) for topic in log.topics],
                "data": encode_data(log.data),
                "position": encode_quantity(position),
            }
            for position, log in frame.logs
        ]
    if frame.kind not in _WITHOUT_VALUE:
        shown["value"] = encode_quantity(frame.value)
    return shown


def format_steps(logger: StructLogger, *, gas_used: int, output: bytes, failed: bool) -> Json:
    """What the struct logger saw; its lines' numbers are JSON numbers, as in geth."""
    steps = [_format_step(step) for step in logger.steps]
    return {"gas": gas_used, "failed": failed, "returnValue": encode_data(output), "structLogs": steps}


def _format_step(step: Step) -> Json:
    shown: dict[str, Any] = {"pc": step.pc, "op": step.op, "gas": step.gas, "gasCost": step.cost, "depth": step.depth}
    if step.refund:
        shown["refund"] = step.refund
    if step.error is not None:
        shown["error"] = step.error
    if step.stack is not None:
        shown["stack"] = [encode_quantity(word) for word in step.stack]
    if step.memory is not None:
        shown["memory"] = [encode_data(step.memory[at : at + 32]) for at in range(0, len(step.memory), 32)]
    if step.storage is not None:
        shown["storage"] = {encode_data(slot): encode_data(word) for slot, word in step.storage.items()}
    if step.return_data is not None:
        shown["returnData"] = encode_data(step.return_data)
    return shown


def _format_reason(frame: CallFrame) -> Json:
    reason = decode_reason(frame.output) if frame.error == "execution reverted" else None
    return {} if reason is None else {"revertReason": reason}
