"""Code as the loop reads it: instructions in blocks, each with what it costs and needs of the stack.

A block is a run of instructions that always run together and whose static gas is known: it ends where control may leave
it, and before whatever looks at gas. Its cost and its stack bounds are checked once, on entry. Nothing outside the
frame can tell this from checking at each instruction: whatever is wrong within the block ends the frame with all of its
gas.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from ethereum.forks.osaka.vm.instructions import Ops, op_implementation
from ethereum_types.numeric import Uint

from infernet.vm.osaka.stack_ops import ENVIRONMENT, PURE, SOURCES

ENTER, PUSH, DUP, SWAP, POP, PURE_OP, ENV, GO, GO_IF, JUMP = range(10)
JUMPI, MLOAD, MSTORE, DATALOAD, COPY, KECCAK, GAS, SPEC, END, BAD = range(10, 20)

Instruction: TypeAlias = "tuple[int, Any]"


class Entry(NamedTuple):
    """What a block asks on entry: gas, items on the stack, room above them."""

    gas: int
    needs: int
    grows: int


class Plan(NamedTuple):
    """A contract's instructions, and where each jump destination stands among them."""

    instructions: list[Instruction]
    destinations: dict[int, int]


class SpecOp(NamedTuple):
    """An instruction that the specification's own function executes."""

    run: Callable[[Any], None]
    pops: int
    pushes: int
    op: int
    pc: Uint


_SPEC_OPS: dict[int, tuple[int, int]] = {
    Ops.EXP.value: (2, 1), Ops.CLZ.value: (1, 1), Ops.BALANCE.value: (1, 1), Ops.EXTCODESIZE.value: (1, 1),
    Ops.EXTCODECOPY.value: (4, 0), Ops.EXTCODEHASH.value: (1, 1), Ops.BLOCKHASH.value: (1, 1),
    Ops.BLOBHASH.value: (1, 1), Ops.BLOBBASEFEE.value: (0, 1), Ops.SLOAD.value: (1, 1), Ops.SSTORE.value: (2, 0),
    Ops.TLOAD.value: (1, 1), Ops.TSTORE.value: (2, 0), Ops.MSTORE8.value: (2, 0), Ops.LOG0.value: (2, 0),
    Ops.LOG1.value: (3, 0), Ops.LOG2.value: (4, 0), Ops.LOG3.value: (5, 0), Ops.LOG4.value: (6, 0),
    Ops.CREATE.value: (3, 1), Ops.CALL.value: (7, 1), Ops.CALLCODE.value: (7, 1), Ops.DELEGATECALL.value: (6, 1),
    Ops.CREATE2.value: (4, 1), Ops.STATICCALL.value: (6, 1),
}  # fmt: skip
"""How many items each takes from the stack and leaves there. They charge their own gas, so each ends a block."""
_KEPT_BYTES = 2 * 2**20
_ENDS = {Ops.STOP.value: 0, Ops.RETURN.value: 2, Ops.REVERT.value: 2, Ops.SELFDESTRUCT.value: 1}
_INLINE = {  # kind, static gas, pops, pushes
    Ops.POP.value: (POP, 2, 1, 0),
    Ops.MLOAD.value: (MLOAD, 3, 1, 1),
    Ops.MSTORE.value: (MSTORE, 3, 2, 0),
    Ops.CALLDATALOAD.value: (DATALOAD, 3, 1, 1),
    Ops.KECCAK.value: (KECCAK, 30, 2, 1),
}
_JUMP, _JUMPI, _PC, _GAS, _JUMPDEST, _PUSH0, _PUSH32, _DUP16, _SWAP16 = (
    0x56, 0x57, 0x58, 0x5A, 0x5B, 0x5F, 0x7F, 0x8F, 0x9F,
)  # fmt: skip


class _Plans:
    """The plans of late, as many as belong to 2 MiB of code: a plan takes some hundred times its code."""

    def __init__(self) -> None:
        self._plans: OrderedDict[bytes, Plan] = OrderedDict()
        self._size = 0

    def get(self, code: bytes) -> Plan:
        plan = self._plans.get(code)
        if plan is None:
            plan = self._plans[code] = _read_code(code)
            self._size += len(code)
            while self._size > _KEPT_BYTES:
                self._size -= len(self._plans.popitem(last=False)[0])
        else:
            self._plans.move_to_end(code)
        return plan


def plan_code(code: bytes) -> Plan:
    """A contract's plan, which is made once."""
    return _plans.get(code)


def _read_code(code: bytes) -> Plan:
    planner = _Planner()
    pc = 0
    while pc < len(code):
        pc = planner.add(code, pc)
    planner.add_end(Ops.STOP.value, len(code))
    return planner.finish()


class _Planner:
    def __init__(self) -> None:
        self._out: list[Instruction] = []
        self._destinations: dict[int, int] = {}
        self._start = self._gas = self._needs = self._grows = self._height = 0
        self._begin()

    def add(self, code: bytes, pc: int) -> int:
        """Read the instruction at `pc`; the answer is where the next one stands."""
        op = code[pc]
        if _PUSH0 <= op <= _PUSH32:
            size = op - _PUSH0
            value = int.from_bytes(code[pc + 1 : pc + 1 + size].ljust(size, b"\0"), "big")
            self._emit(PUSH, value, 3 if size else 2, 0, 1)
            return pc + 1 + size
        if _PUSH32 < op <= _DUP16:
            self._emit(DUP, _PUSH32 - op, 3, op - _PUSH32, op - _PUSH32 + 1)
        elif _DUP16 < op <= _SWAP16:
            self._emit(SWAP, _DUP16 - op - 1, 3, op - _DUP16 + 1, op - _DUP16 + 1)
        elif op in PURE:
            run, gas, pops = PURE[op]
            self._emit(PURE_OP, run, gas, pops, 1)
        elif op in _INLINE:
            kind, gas, pops, pushes = _INLINE[op]
            self._emit(kind, None, gas, pops, pushes)
        elif op in ENVIRONMENT:
            self._emit(ENV, ENVIRONMENT[op], 5 if op == Ops.SELFBALANCE.value else 2, 0, 1)
        elif op in SOURCES:
            self._emit(COPY, (SOURCES[op], op), 3, 3, 0)
        else:
            self._add_control(op, pc)
        return pc + 1

    def add_end(self, op: int, pc: int) -> None:
        pops = _ENDS[op]
        self._emit(END, SpecOp(op_implementation[Ops(op)], pops, 0, op, Uint(pc)), 0, pops, 0)
        self._begin()

    def finish(self) -> Plan:
        """Give jumps to a constant their place."""
        self._close()
        for at, (kind, argument) in enumerate(self._out):
            if kind in (GO, GO_IF):
                self._out[at] = (kind, self._destinations.get(argument, -1))
        return Plan(self._out, self._destinations)

    def _add_control(self, op: int, pc: int) -> None:
        if op == _JUMPDEST:
            self._begin()
            self._destinations[pc] = self._start
            self._gas += 1
        elif op in (_JUMP, _JUMPI):
            self._add_jump(op)
        elif op == _PC:
            self._emit(PUSH, pc, 2, 0, 1)
        elif op == _GAS:
            self._emit(GAS, None, 2, 0, 1)
            self._begin()
        elif op in _SPEC_OPS:
            pops, pushes = _SPEC_OPS[op]
            self._emit(SPEC, SpecOp(op_implementation[Ops(op)], pops, pushes, op, Uint(pc)), 0, pops, pushes)
            self._begin()
        elif op in _ENDS:
            self.add_end(op, pc)
        else:
            self._emit(BAD, op, 0, 0, 0)
            self._begin()

    def _add_jump(self, op: int) -> None:
        gas, pops = (8, 1) if op == _JUMP else (10, 2)
        self._emit(JUMP if op == _JUMP else JUMPI, None, gas, pops, 0)
        if len(self._out) - self._start > 2 and self._out[-2][0] == PUSH:
            target = self._out[-2][1]
            self._out[-2:] = [(GO if op == _JUMP else GO_IF, target)]
        self._begin()

    def _emit(self, kind: int, argument: Any, gas: int, pops: int, pushes: int) -> None:
        self._out.append((kind, argument))
        self._gas += gas
        self._needs = max(self._needs, pops - self._height)
        self._height += pushes - pops
        self._grows = max(self._grows, self._height)

    def _begin(self) -> None:
        if self._out:
            self._close()
        self._start = len(self._out)
        self._out.append((ENTER, None))
        self._gas = self._needs = self._grows = self._height = 0

    def _close(self) -> None:
        self._out[self._start] = (ENTER, Entry(self._gas, self._needs, self._grows))


_plans = _Plans()
