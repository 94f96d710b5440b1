"""A signed transaction as `eth_call` takes it."""

from __future__ import annotations

from typing import Any

from infernet.types import ChainId
from infernet.vm.transaction import FEE_MARKET, Transaction, TransactionInvalid, decode_transaction


def describe_raw(raw: Any, chain_id: ChainId) -> dict[str, Any] | None:
    """None for bytes that are no transaction, or of a type that is not known here: the chain may know better."""
    try:
        return _describe(decode_transaction(bytes.fromhex(str(raw).removeprefix("0x")), chain_id))
    except (TransactionInvalid, ValueError):
        return None


def _describe(transaction: Transaction) -> dict[str, Any]:
    call: dict[str, Any] = {
        "from": _write(transaction.sender),
        "gas": hex(transaction.gas),
        "value": hex(transaction.value),
        "input": _write(transaction.data),
    }
    if transaction.to is not None:
        call["to"] = _write(transaction.to)
    if transaction.type < FEE_MARKET:
        call["gasPrice"] = hex(transaction.max_fee)
    else:
        call["maxFeePerGas"] = hex(transaction.max_fee)
        call["maxPriorityFeePerGas"] = hex(transaction.max_priority_fee)
    if transaction.access_list:
        call["accessList"] = [
            {"address": _write(access.address), "storageKeys": [_write(slot) for slot in access.slots]}
            for access in transaction.access_list
        ]
    return call


def _write(data: bytes) -> str:
    return "0x" + data.hex()
