"""Instructions that look at nothing but the stack, and those that put a constant of the frame on it, on plain integers.

Each does what the specification's function for it does with `U256`; gas and stack bounds are the block's (`plan.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, cast

from ethereum.forks.osaka.vm import Evm
from ethereum.forks.osaka.vm.instructions import Ops

from infernet.vm.osaka.world import World, get_account

Stack: TypeAlias = "list[int]"

MASK = 2**256 - 1
_SIGN = 1 << 255
_ALL = 1 << 256


def _signed(value: int) -> int:
    return value - _ALL if value & _SIGN else value


def _add(stack: Stack) -> None:
    stack[-1] = (stack.pop() + stack[-1]) & MASK


def _mul(stack: Stack) -> None:
    stack[-1] = (stack.pop() * stack[-1]) & MASK


def _sub(stack: Stack) -> None:
    stack[-1] = (stack.pop() - stack[-1]) & MASK


def _div(stack: Stack) -> None:
    left, right = stack.pop(), stack[-1]
    stack[-1] = left // right if right else 0


def _sdiv(stack: Stack) -> None:
    left, right = _signed(stack.pop()), _signed(stack[-1])
    quotient = abs(left) // abs(right) if right else 0
    stack[-1] = (-quotient if (left < 0) != (right < 0) else quotient) & MASK


def _mod(stack: Stack) -> None:
    left, right = stack.pop(), stack[-1]
    stack[-1] = left % right if right else 0


def _smod(stack: Stack) -> None:
    left, right = _signed(stack.pop()), _signed(stack[-1])
    remainder = abs(left) % abs(right) if right else 0
    stack[-1] = (-remainder if left < 0 else remainder) & MASK


def _addmod(stack: Stack) -> None:
    total, modulus = stack.pop() + stack.pop(), stack[-1]
    stack[-1] = total % modulus if modulus else 0


def _mulmod(stack: Stack) -> None:
    product, modulus = stack.pop() * stack.pop(), stack[-1]
    stack[-1] = product % modulus if modulus else 0


def _signextend(stack: Stack) -> None:
    size, value = stack.pop(), stack[-1]
    if size < 31:
        bits = 8 * (size + 1)
        low = value & ((1 << bits) - 1)
        stack[-1] = low | (MASK ^ ((1 << bits) - 1)) if low >> (bits - 1) else low


def _lt(stack: Stack) -> None:
    stack[-1] = 1 if stack.pop() < stack[-1] else 0


def _gt(stack: Stack) -> None:
    stack[-1] = 1 if stack.pop() > stack[-1] else 0


def _slt(stack: Stack) -> None:
    stack[-1] = 1 if _signed(stack.pop()) < _signed(stack[-1]) else 0


def _sgt(stack: Stack) -> None:
    stack[-1] = 1 if _signed(stack.pop()) > _signed(stack[-1]) else 0


def _eq(stack: Stack) -> None:
    stack[-1] = 1 if stack.pop() == stack[-1] else 0


def _iszero(stack: Stack) -> None:
    stack[-1] = 0 if stack[-1] else 1


def _and(stack: Stack) -> None:
    stack[-1] = stack.pop() & stack[-1]


def _or(stack: Stack) -> None:
    stack[-1] = stack.pop() | stack[-1]


def _xor(stack: Stack) -> None:
    stack[-1] = stack.pop() ^ stack[-1]


def _not(stack: Stack) -> None:
    stack[-1] ^= MASK


def _byte(stack: Stack) -> None:
    index, value = stack.pop(), stack[-1]
    stack[-1] = (value >> (8 * (31 - index))) & 0xFF if index < 32 else 0


def _shl(stack: Stack) -> None:
    shift, value = stack.pop(), stack[-1]
    stack[-1] = (value << shift) & MASK if shift < 256 else 0


def _shr(stack: Stack) -> None:
    shift, value = stack.pop(), stack[-1]
    stack[-1] = value >> shift if shift < 256 else 0


def _sar(stack: Stack) -> None:
    shift, value = stack.pop(), _signed(stack[-1])
    stack[-1] = (value >> min(shift, 256)) & MASK


PURE: dict[int, tuple[Callable[[Stack], None], int, int]] = {  # what it does, its gas, how many items it takes
    Ops.ADD.value: (_add, 3, 2), Ops.MUL.value: (_mul, 5, 2), Ops.SUB.value: (_sub, 3, 2), Ops.DIV.value: (_div, 5, 2),
    Ops.SDIV.value: (_sdiv, 5, 2), Ops.MOD.value: (_mod, 5, 2), Ops.SMOD.value: (_smod, 5, 2),
    Ops.ADDMOD.value: (_addmod, 8, 3), Ops.MULMOD.value: (_mulmod, 8, 3), Ops.SIGNEXTEND.value: (_signextend, 5, 2),
    Ops.LT.value: (_lt, 3, 2), Ops.GT.value: (_gt, 3, 2), Ops.SLT.value: (_slt, 3, 2), Ops.SGT.value: (_sgt, 3, 2),
    Ops.EQ.value: (_eq, 3, 2), Ops.ISZERO.value: (_iszero, 3, 1), Ops.AND.value: (_and, 3, 2),
    Ops.OR.value: (_or, 3, 2), Ops.XOR.value: (_xor, 3, 2), Ops.NOT.value: (_not, 3, 1), Ops.BYTE.value: (_byte, 3, 2),
    Ops.SHL.value: (_shl, 3, 2), Ops.SHR.value: (_shr, 3, 2), Ops.SAR.value: (_sar, 3, 2),
}  # fmt: skip


def _self_balance(evm: Evm) -> int:
    world = cast(World, evm.message.block_env.state)
    return int(get_account(world, evm.message.current_target).balance)


ENVIRONMENT: dict[int, Callable[[Evm], int]] = {
    Ops.ADDRESS.value: lambda evm: int.from_bytes(evm.message.current_target, "big"),
    Ops.ORIGIN.value: lambda evm: int.from_bytes(evm.message.tx_env.origin, "big"),
    Ops.CALLER.value: lambda evm: int.from_bytes(evm.message.caller, "big"),
    Ops.CALLVALUE.value: lambda evm: int(evm.message.value),
    Ops.CALLDATASIZE.value: lambda evm: len(evm.message.data),
    Ops.CODESIZE.value: lambda evm: len(evm.code),
    Ops.GASPRICE.value: lambda evm: int(evm.message.tx_env.gas_price),
    Ops.RETURNDATASIZE.value: lambda evm: len(evm.return_data),
    Ops.COINBASE.value: lambda evm: int.from_bytes(evm.message.block_env.coinbase, "big"),
    Ops.TIMESTAMP.value: lambda evm: int(evm.message.block_env.time),
    Ops.NUMBER.value: lambda evm: int(evm.message.block_env.number),
    Ops.PREVRANDAO.value: lambda evm: int.from_bytes(evm.message.block_env.prev_randao, "big"),
    Ops.GASLIMIT.value: lambda evm: int(evm.message.block_env.block_gas_limit),
    Ops.CHAINID.value: lambda evm: int(evm.message.block_env.chain_id),
    Ops.BASEFEE.value: lambda evm: int(evm.message.block_env.base_fee_per_gas),
    Ops.MSIZE.value: lambda evm: len(evm.memory),
    Ops.SELFBALANCE.value: _self_balance,
}
"""Each costs 2, but for SELFBALANCE, which costs 5."""

SOURCES: dict[int, Callable[[Evm], bytes | bytearray]] = {
    Ops.CALLDATACOPY.value: lambda evm: evm.message.data,
    Ops.CODECOPY.value: lambda evm: evm.code,
    Ops.RETURNDATACOPY.value: lambda evm: evm.return_data,
    Ops.MCOPY.value: lambda evm: evm.memory,
}
"""What the instructions that copy to memory copy from. Each costs 3, and 3 a word."""
