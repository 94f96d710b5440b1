"""Tells a tracer what the engine does: frames from the loop, instructions from the specification's own trace events."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from ethereum import trace
from ethereum.forks.osaka.blocks import Log
from ethereum.forks.osaka.fork_types import Address
from ethereum.forks.osaka.vm import Evm, Message
from ethereum.forks.osaka.vm.exceptions import ExceptionalHalt, InvalidOpcode
from ethereum.forks.osaka.vm.instructions import Ops
from ethereum_types.bytes import Bytes32

from infernet.vm.osaka import deadline
from infernet.vm.osaka.faults import describe
from infernet.vm.osaka.world import World, get_account, get_storage
from infernet.vm.request import CallLog
from infernet.vm.trace import CallFrame, Step, StepWants, Tracer

_LOG0, _LOG4, _SELFDESTRUCT = Ops.LOG0.value, Ops.LOG4.value, Ops.SELFDESTRUCT.value


@dataclass(slots=True)
class Touched:
    """What frames made warm, those as well that reverted."""

    addresses: set[Address] = field(default_factory=set)
    slots: set[tuple[Address, Bytes32]] = field(default_factory=set)


class _Tracing:
    """The tracer of what runs now, None mostly, its frames that are open, and the outermost one."""

    tracer: Tracer | None = None
    touched: Touched | None = None
    frames: list[CallFrame]
    outermost: CallFrame | None = None

    def settle(self, gas: int, gas_used: int) -> None:
        """Of a transaction the outermost frame shows the whole: what comes before its code, and refunds."""
        if self.outermost is not None:
            self.outermost.gas, self.outermost.gas_used = gas, gas_used


_now = _Tracing()


@contextmanager
def tracing(tracer: Tracer | None) -> Iterator[_Tracing]:
    """Tell this tracer everything that happens inside."""
    if tracer is None:
        yield _now
        return
    _now.tracer, _now.frames, _now.outermost = tracer, [], None
    old = trace.set_evm_trace(_StepEvents(tracer, tracer.wants)) if tracer.wants else None
    try:
        yield _now
    finally:
        _now.tracer = _now.outermost = None
        if old is not None:
            trace.set_evm_trace(old)


@contextmanager
def collecting() -> Iterator[Touched]:
    """What is touched inside."""
    _now.touched = Touched()
    try:
        yield _now.touched
    finally:
        _now.touched = None


def wants_steps() -> bool:
    return _now.tracer is not None and _now.tracer.wants is not None


def enter(message: Message) -> None:
    if _now.tracer is None:
        return
    is_create = message.target == b""
    frame = CallFrame(
        kind=_name_kind(message, is_create),
        sender=bytes(message.caller),
        to=bytes(message.current_target if is_create else message.code_address or b""),
        value=int(message.value),
        gas=int(message.gas),
        input=bytes(message.code if is_create else message.data),
    )
    _now.outermost = _now.outermost or frame
    _now.frames.append(frame)
    _now.tracer.enter(frame)


def leave(evm: Evm) -> None:
    if _now.touched is not None:
        _now.touched.addresses |= evm.accessed_addresses
        _now.touched.slots |= evm.accessed_storage_keys
    if _now.tracer is None:
        return
    frame = _now.frames.pop()
    frame.gas_used = frame.gas - int(evm.gas_left)
    frame.output, frame.error = bytes(evm.output), describe(evm.error)
    _now.tracer.leave(frame)


def before(op: int, evm: Evm) -> None:
    """An instruction that reaches beyond its frame comes next."""
    if _now.tracer is not None and op == _SELFDESTRUCT:
        owner = evm.message.current_target
        balance = int(get_account(_world(evm), owner).balance)
        beneficiary = evm.stack[-1].to_be_bytes32()[12:]
        frame = CallFrame("SELFDESTRUCT", bytes(owner), bytes(beneficiary), balance, 0, b"")
        _now.tracer.enter(frame)
        _now.tracer.leave(frame)


def after(op: int, evm: Evm) -> None:
    if _now.tracer is not None and _LOG0 <= op <= _LOG4:
        _now.tracer.log(_now.frames[-1], build_log(evm.logs[-1]))


def build_log(log: Log) -> CallLog:
    return CallLog(bytes(log.address), tuple(map(bytes, log.topics)), bytes(log.data))


def _name_kind(message: Message, is_create: bool) -> str:
    parent = message.parent_evm
    if parent is None:
        return "CREATE" if is_create else "CALL"
    return Ops(parent.code[int(parent.pc)]).name


class _StepEvents:
    """Turns the specification's events into steps. A step is told when it begins, and filled in as it goes on."""

    def __init__(self, tracer: Tracer, wants: StepWants) -> None:
        self._tracer, self._wants = tracer, wants
        self._open: dict[int, Step] = {}
        self._storage: dict[bytes, dict[bytes, bytes]] = {}

    def __call__(self, evm: Any, event: trace.TraceEvent) -> None:
        match event:
            case trace.OpStart():
                deadline.check()
                self._begin(evm, event.op.name)
            case trace.GasAndRefund():
                step = self._open.get(id(evm))
                if step is not None:
                    step.cost += event.gas_cost
            case trace.OpEnd():
                self._open.pop(id(evm), None)
            case trace.OpException():
                self._fail(evm, event.error)

    def _begin(self, evm: Evm, name: str) -> None:
        wants = self._wants
        step = Step(
            pc=int(evm.pc),
            op="KECCAK256" if name == "KECCAK" else "DIFFICULTY" if name == "PREVRANDAO" else name,
            gas=int(evm.gas_left),
            cost=0,
            depth=int(evm.message.depth) + 1,
            refund=_sum_refunds(evm),
            stack=[int(value) for value in evm.stack] if wants.stack else None,
            memory=bytes(evm.memory) if wants.memory else None,
            storage=self._note_storage(evm, name) if wants.storage else None,
            return_data=bytes(evm.return_data) if wants.return_data else None,
        )
        self._open[id(evm)] = step
        self._tracer.step(step)

    def _fail(self, evm: Evm, error: Exception) -> None:
        if isinstance(error, InvalidOpcode):
            self._begin(evm, f"opcode 0x{error.code:02x} not defined")
        step = self._open.pop(id(evm), None)
        if step is not None and isinstance(error, ExceptionalHalt):
            step.error = describe(error)

    def _note_storage(self, evm: Evm, name: str) -> dict[bytes, bytes] | None:
        if name not in ("SLOAD", "SSTORE") or not evm.stack:
            return None
        slot = Bytes32(evm.stack[-1].to_be_bytes32())
        seen = self._storage.setdefault(bytes(evm.message.current_target), {})
        if name == "SSTORE" and len(evm.stack) > 1:
            seen[bytes(slot)] = bytes(evm.stack[-2].to_be_bytes32())
        else:
            value = get_storage(_world(evm), evm.message.current_target, slot)
            seen[bytes(slot)] = bytes(value.to_be_bytes32())
        return dict(seen)


def _world(evm: Evm) -> World:
    return cast(World, evm.message.block_env.state)


def _sum_refunds(evm: Evm | None) -> int:
    total = 0
    while evm is not None:
        total += evm.refund_counter
        evm = evm.message.parent_evm
    return total
