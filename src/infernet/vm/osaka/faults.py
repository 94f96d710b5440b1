"""What halted a frame, in the words that clients know from geth."""

from __future__ import annotations

from ethereum.exceptions import EthereumException
from ethereum.forks.osaka.vm import exceptions

from infernet.vm.request import REVERTED

_WORDS: dict[type[EthereumException], str] = {
    exceptions.Revert: REVERTED,
    exceptions.OutOfGasError: "out of gas",
    exceptions.StackUnderflowError: "stack underflow",
    exceptions.StackOverflowError: "stack limit reached 1024 (1023)",
    exceptions.InvalidJumpDestError: "invalid jump destination",
    exceptions.StackDepthLimitError: "max call depth exceeded",
    exceptions.WriteInStaticContext: "write protection",
    exceptions.OutOfBoundsRead: "return data out of bounds",
    exceptions.InvalidContractPrefix: "invalid code: must not begin with 0xef",
    exceptions.AddressCollision: "contract address collision",
    exceptions.InvalidParameter: "invalid precompile input",
    exceptions.KZGProofError: "invalid precompile input",
}


def describe(error: EthereumException | None) -> str | None:
    """None where nothing went wrong."""
    if error is None:
        return None
    if isinstance(error, exceptions.InvalidOpcode):
        return f"invalid opcode: 0x{error.code:02x}"
    return _WORDS.get(type(error), type(error).__name__)
