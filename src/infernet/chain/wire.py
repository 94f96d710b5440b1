"""JSON-RPC values to ours and back: quantities, blocks, logs, receipts, calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infernet.protocol.hashing import to_address
from infernet.types import (
    Address,
    BlockRef,
    Call,
    ChainId,
    Gas,
    Hash32,
    Log,
    Receipt,
    Timestamp,
    TxHash,
    Wei,
)

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MinedTransaction:
    """A transaction as a block (or the pool, where `block_hash` is None) holds it."""

    hash: TxHash
    sender: Address
    to: Address | None
    data: bytes
    nonce: int
    gas: Gas
    block_number: int | None
    block_hash: Hash32 | None


def encode_data(value: bytes) -> str:
    return "0x" + value.hex()


def decode_quantity(value: str) -> int:
    """Raises ValueError or TypeError where the endpoint sent no hex quantity."""
    if not isinstance(value, str):
        raise TypeError(f"no hex quantity: {value!r}")
    return int(value, 16)


def decode_data(value: str) -> bytes:
    """Raises ValueError or TypeError where the endpoint sent no hex data."""
    if not isinstance(value, str) or value[:2] != "0x":
        raise TypeError(f"no hex data: {value!r}")
    return bytes.fromhex(value[2:])


def encode_call(call: Call) -> dict[str, str]:
    """The transaction object of `eth_call` and `eth_estimateGas`."""
    encoded = {"to": str(call.to), "data": encode_data(call.data)}
    if call.sender is not None:
        encoded["from"] = call.sender
    if call.gas is not None:
        encoded["gas"] = hex(call.gas)
    if call.value:
        encoded["value"] = hex(call.value)
    if call.gas_price is not None:
        encoded["gasPrice"] = hex(call.gas_price)
    return encoded


def decode_block(block: Json) -> BlockRef:
    return BlockRef(
        number=decode_quantity(block["number"]),
        hash=Hash32(decode_data(block["hash"])),
        parent_hash=Hash32(decode_data(block["parentHash"])),
        timestamp=Timestamp(decode_quantity(block["timestamp"])),
        base_fee=Wei(decode_quantity(block.get("baseFeePerGas") or "0x0")),
        gas_limit=Gas(decode_quantity(block["gasLimit"])),
    )


def decode_log(log: Json) -> Log:
    return Log(
        address=to_address(log["address"]),
        topics=tuple(decode_data(topic) for topic in log["topics"]),
        data=decode_data(log["data"]),
        block_number=decode_quantity(log["blockNumber"]),
        block_hash=Hash32(decode_data(log["blockHash"])),
        tx_hash=TxHash(decode_data(log["transactionHash"])),
        log_index=decode_quantity(log["logIndex"]),
    )


def decode_receipt(receipt: Json) -> Receipt:
    created = receipt.get("contractAddress")
    return Receipt(
        tx_hash=TxHash(decode_data(receipt["transactionHash"])),
        block_number=decode_quantity(receipt["blockNumber"]),
        block_hash=Hash32(decode_data(receipt["blockHash"])),
        succeeded=decode_quantity(receipt["status"]) == 1,
        gas_used=Gas(decode_quantity(receipt["gasUsed"])),
        effective_gas_price=Wei(decode_quantity(receipt.get("effectiveGasPrice") or "0x0")),
        contract_address=to_address(created) if created else None,
        logs=tuple(decode_log(log) for log in receipt["logs"]),
    )


def decode_transaction(found: Json) -> MinedTransaction:
    block_hash, number = found.get("blockHash"), found.get("blockNumber")
    return MinedTransaction(
        hash=TxHash(decode_data(found["hash"])),
        sender=to_address(found["from"]),
        to=to_address(found["to"]) if found.get("to") else None,
        data=decode_data(found["input"]),
        nonce=decode_quantity(found["nonce"]),
        gas=Gas(decode_quantity(found["gas"])),
        block_number=decode_quantity(number) if number else None,
        block_hash=Hash32(decode_data(block_hash)) if block_hash else None,
    )


def decode_chain_id(value: str) -> ChainId:
    return ChainId(decode_quantity(value))
