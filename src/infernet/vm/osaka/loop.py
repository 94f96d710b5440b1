"""The interpreter's loop on plain integers.

It stands in for `process_message` of `ethereum.forks.osaka.vm.interpreter` and says the same about the same message:
gas, output, logs, state, and whether it failed. Only which of several faults of one block is named may differ. Every
instruction that reaches beyond its frame is executed by the specification's own function. While instructions are
traced, the specification's own loop runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from ethereum.crypto.hash import keccak256
from ethereum.forks.osaka.vm import Evm, Message, interpreter
from ethereum.forks.osaka.vm.exceptions import (
    ExceptionalHalt,
    InvalidJumpDestError,
    InvalidOpcode,
    OutOfBoundsRead,
    OutOfGasError,
    Revert,
    StackDepthLimitError,
    StackOverflowError,
    StackUnderflowError,
)
from ethereum.forks.osaka.vm.instructions import Ops
from ethereum.forks.osaka.vm.precompiled_contracts.mapping import PRE_COMPILED_CONTRACTS
from ethereum_types.numeric import U256, Uint, Unsigned

from infernet.vm.osaka import deadline, tracing, world
from infernet.vm.osaka.plan import (
    BAD,
    COPY,
    DATALOAD,
    DUP,
    END,
    ENTER,
    ENV,
    GAS,
    GO,
    GO_IF,
    JUMP,
    JUMPI,
    KECCAK,
    MLOAD,
    MSTORE,
    POP,
    PURE_OP,
    PUSH,
    SPEC,
    SWAP,
    SpecOp,
    plan_code,
)

_original_message, _original_create = interpreter.process_message, interpreter.process_create_message
_STACK_LIMIT = 1024
_GAS_PER_LOOK = 1_000_000
_START = Uint(0)
_NO_ADDRESS: Any = b""
_MCOPY, _RETURNDATACOPY = Ops.MCOPY.value, Ops.RETURNDATACOPY.value
_new = object.__new__
_set_number: Callable[[Unsigned, int], None] = vars(Unsigned)["_number"].__set__


def run_code(evm: Evm) -> None:  # noqa: PLR0912, PLR0915  one branch for each kind, the most frequent first
    """Execute a frame's code to its end.

    Raises:
        ExceptionalHalt, Revert: as the specification's functions do.
    """
    instructions, destinations = plan_code(evm.code)
    stack: list[Any] = evm.stack
    memory, data = evm.memory, evm.message.data
    push, pop = stack.append, stack.pop
    gas: int = evm.gas_left._number
    mark = max(gas - _GAS_PER_LOOK, 0)  # below it, something is looked after: gas that is gone, or time
    at = 0
    while True:
        kind, argument = instructions[at]
        at += 1
        if kind == PUSH:
            push(argument)
        elif kind == PURE_OP:
            argument(stack)
        elif kind == ENTER:
            gas -= argument[0]
            if gas < mark:
                if gas < 0:
                    raise OutOfGasError
                deadline.check()
                mark = max(gas - _GAS_PER_LOOK, 0)
            height = len(stack)
            if height < argument[1]:
                raise StackUnderflowError
            if height + argument[2] > _STACK_LIMIT:
                raise StackOverflowError
        elif kind == DUP:
            push(stack[argument])
        elif kind == SWAP:
            stack[-1], stack[argument] = stack[argument], stack[-1]
        elif kind == POP:
            pop()
        elif kind == GO_IF:
            if pop():
                at = argument
                if at < 0:
                    raise InvalidJumpDestError
        elif kind == GO:
            at = argument
            if at < 0:
                raise InvalidJumpDestError
        elif kind == MSTORE:
            offset = pop()
            if offset + 32 > len(memory):
                gas = _extend(memory, offset + 32, gas)
            memory[offset : offset + 32] = pop().to_bytes(32, "big")
        elif kind == MLOAD:
            offset = stack[-1]
            if offset + 32 > len(memory):
                gas = _extend(memory, offset + 32, gas)
            stack[-1] = int.from_bytes(memory[offset : offset + 32], "big")
        elif kind == JUMP:
            at = destinations.get(pop(), -1)
            if at < 0:
                raise InvalidJumpDestError
        elif kind == DATALOAD:
            offset = stack[-1]
            stack[-1] = int.from_bytes(data[offset : offset + 32].ljust(32, b"\0"), "big") if offset < len(data) else 0
        elif kind == ENV:
            push(argument(evm))
        elif kind == SPEC:
            _set_gas(evm, gas)
            _run_spec(argument, evm, stack)
            gas = evm.gas_left._number
        elif kind == KECCAK:
            offset, size = pop(), stack[-1]
            gas -= 6 * ((size + 31) >> 5)
            if gas < 0:
                raise OutOfGasError
            if size and offset + size > len(memory):
                gas = _extend(memory, offset + size, gas)
            stack[-1] = int.from_bytes(keccak256(memory[offset : offset + size]), "big")
        elif kind == COPY:
            gas = _copy(argument, evm, stack, memory, gas)
        elif kind == JUMPI:
            at_target = destinations.get(pop(), -1)
            if pop():
                at = at_target
                if at < 0:
                    raise InvalidJumpDestError
        elif kind == GAS:
            push(gas)
        elif kind == END:
            _set_gas(evm, gas)
            _run_spec(argument, evm, stack)
            return
        elif kind == BAD:
            raise InvalidOpcode(argument)


def process_message(message: Message) -> Evm:
    """A frame from its beginning to its end, its effects kept or undone."""
    tracing.enter(message)
    evm = _original_message(message) if tracing.wants_steps() else _process_frame(message)
    if message.target:
        tracing.leave(evm)
    return evm


def process_create_message(message: Message) -> Evm:
    """The original, whose frame ends when its code is stored."""
    evm = _original_create(message)
    tracing.leave(evm)
    return evm


def _process_frame(message: Message) -> Evm:
    if message.depth._number > _STACK_LIMIT:
        raise StackDepthLimitError("Stack depth limit reached")
    state, transient = cast(world.World, message.block_env.state), message.tx_env.transient_storage
    evm = Evm(
        pc=_START,
        stack=[],
        memory=bytearray(),
        code=message.code,
        gas_left=message.gas,
        valid_jump_destinations=set(),
        logs=(),
        refund_counter=0,
        running=True,
        message=message,
        output=b"",
        accounts_to_delete=set(),
        return_data=b"",
        error=None,
        accessed_addresses=message.accessed_addresses,
        accessed_storage_keys=message.accessed_storage_keys,
    )
    world.begin_transaction(state, transient)
    if message.should_transfer_value and message.value._number:
        world.move_ether(state, message.caller, message.current_target, message.value)
    try:
        _execute(evm, message)
    except ExceptionalHalt as error:
        evm.gas_left = _START
        evm.output = b""
        evm.error = error
    except Revert as error:
        evm.error = error
    if evm.error is None:
        world.commit_transaction(state, transient)
    else:
        world.rollback_transaction(state, transient)
    return evm


def _execute(evm: Evm, message: Message) -> None:
    precompile: Callable[[Evm], None] | None = PRE_COMPILED_CONTRACTS.get(message.code_address or _NO_ADDRESS)
    if precompile is None:
        if message.code:
            run_code(evm)
    elif not message.disable_precompiles:
        deadline.check_precompile(message.code_address or b"", message.data, evm.gas_left._number)
        precompile(evm)


def _copy(argument: Any, evm: Evm, stack: list[Any], memory: bytearray, gas: int) -> int:
    """Copy to memory, zeros where the source ends; the answer is what gas is left."""
    read, op = argument
    to, start, size = stack.pop(), stack.pop(), stack.pop()
    source = read(evm)
    gas -= 3 * ((size + 31) >> 5)
    if gas < 0:
        raise OutOfGasError
    end = max(to, start) + size if op == _MCOPY else to + size
    if size and end > len(memory):
        gas = _extend(memory, end, gas)
    if op == _RETURNDATACOPY and start + size > len(source):
        raise OutOfBoundsRead
    if size:
        memory[to : to + size] = source[start : start + size].ljust(size, b"\0")
    return gas


def _run_spec(op: SpecOp, evm: Evm, stack: list[Any]) -> None:
    for index in range(-op.pops, 0):
        value = _new(U256)
        _set_number(value, stack[index])
        stack[index] = value
    evm.pc = op.pc
    tracing.before(op.op, evm)
    op.run(evm)
    tracing.after(op.op, evm)
    if op.pushes:
        stack[-1] = stack[-1]._number


def _set_gas(evm: Evm, gas: int) -> None:
    value = _new(Uint)
    _set_number(value, gas)
    evm.gas_left = value


def _extend(memory: bytearray, end: int, gas: int) -> int:
    """Make the memory reach `end`, by whole words; the answer is what gas is left."""
    before, after = len(memory) >> 5, (end + 31) >> 5
    gas -= 3 * (after - before) + after * after // 512 - before * before // 512
    if gas < 0:
        raise OutOfGasError
    memory.extend(bytes((after - before) << 5))
    return gas


REPLACED = ((_original_message, process_message), (_original_create, process_create_message))
