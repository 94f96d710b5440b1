"""Reverts in words: `Error(string)` and `Panic(uint256)`, which every client knows."""

from __future__ import annotations

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from infernet.vm.rpc.errors import EXECUTION_REVERTED, RpcError
from infernet.vm.rpc.values import encode_data

_ERROR, _PANIC = bytes.fromhex("08c379a0"), bytes.fromhex("4e487b71")
_PANICS = {
    0x00: "generic panic",
    0x01: "assert(false)",
    0x11: "arithmetic underflow or overflow",
    0x12: "division or modulo by zero",
    0x21: "enum overflow",
    0x22: "invalid encoded storage byte array accessed",
    0x31: "out-of-bounds array access; popping on an empty array",
    0x32: "out-of-bounds access of an array or bytesN",
    0x41: "out of memory",
    0x51: "uninitialized function",
}


def decode_reason(data: bytes) -> str | None:
    """What the revert says; None where it says it in an error of the contract's own, or nothing."""
    try:
        if data[:4] == _ERROR:
            return str(decode(["string"], data[4:])[0])
        if data[:4] == _PANIC:
            code = int(decode(["uint256"], data[4:])[0])
            return _PANICS.get(code, f"unknown panic code: {code:#x}")
    except (DecodingError, UnicodeDecodeError, OverflowError):
        return None
    return None


def build_revert(data: bytes) -> RpcError:
    """The error of a call that reverted, its bytes beside the message."""
    reason = decode_reason(data)
    message = "execution reverted" if reason is None else f"execution reverted: {reason}"
    return RpcError(EXECUTION_REVERTED, message, encode_data(data))
