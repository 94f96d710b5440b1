"""Blocks, transactions, receipts and logs as JSON-RPC shows them."""

from __future__ import annotations

from typing import Any

from infernet.vm.block import Block, Header, LogEntry, MinedTransaction, Receipt, SpcRecord
from infernet.vm.rpc.values import encode_data, encode_quantity
from infernet.vm.transaction import FEE_MARKET, LEGACY, SET_CODE, Access, Authorization, Transaction, parity_of

Json = dict[str, Any]
_LOG_BYTES = 700  # with four topics and nothing else


def format_header(header: Header) -> Json:
    """A block's head, as subscriptions send it."""
    return {
        "hash": encode_data(header.hash),
        "parentHash": encode_data(header.parent_hash),
        "sha3Uncles": encode_data(header.ommers_hash),
        "miner": encode_data(header.coinbase),
        "stateRoot": encode_data(header.state_root),
        "transactionsRoot": encode_data(header.transactions_root),
        "receiptsRoot": encode_data(header.receipts_root),
        "logsBloom": encode_data(header.bloom),
        "difficulty": encode_quantity(header.difficulty),
        "number": encode_quantity(header.number),
        "gasLimit": encode_quantity(header.gas_limit),
        "gasUsed": encode_quantity(header.gas_used),
        "timestamp": encode_quantity(header.timestamp),
        "extraData": encode_data(header.extra_data),
        "mixHash": encode_data(header.prev_randao),
        "nonce": encode_data(header.nonce),
        "baseFeePerGas": encode_quantity(header.base_fee),
        "withdrawalsRoot": encode_data(header.withdrawals_root),
        "blobGasUsed": encode_quantity(header.blob_gas_used),
        "excessBlobGas": encode_quantity(header.excess_blob_gas),
        "parentBeaconBlockRoot": encode_data(header.parent_beacon_root),
        "requestsHash": encode_data(header.requests_hash),
    }


def format_block(block: Block, *, is_full: bool) -> Json:
    """A block with its transactions, or with their hashes."""
    transactions: list[Any] = (
        [
            format_mined(MinedTransaction(transaction, block, index))
            for index, transaction in enumerate(block.transactions)
        ]
        if is_full
        else [encode_data(transaction.hash) for transaction in block.transactions]
    )
    rest = {"size": encode_quantity(block.size), "uncles": [], "transactions": transactions, "withdrawals": []}
    return format_header(block.header) | rest


def format_pending_block(block: Block, *, is_full: bool) -> Json:
    """A block that is not made yet: its hash, nonce and miner are null."""
    return format_block(block, is_full=is_full) | {"hash": None, "nonce": None, "miner": None}


def format_mined(mined: MinedTransaction) -> Json:
    """A transaction and where it stands."""
    header = mined.block.header
    return _format_fields(mined.transaction, mined.transaction.effective_price(header.base_fee)) | {
        "blockHash": encode_data(header.hash),
        "blockNumber": encode_quantity(header.number),
        "transactionIndex": encode_quantity(mined.index),
        "blockTimestamp": encode_quantity(header.timestamp),
    }


def format_pooled(transaction: Transaction) -> Json:
    """A transaction that waits for its block."""
    place: Json = {"blockHash": None, "blockNumber": None, "transactionIndex": None}
    return _format_fields(transaction, transaction.max_fee) | place


def format_receipt(receipt: Receipt, block_timestamp: int) -> Json:
    """What became of a transaction."""
    return {
        "type": encode_quantity(receipt.type),
        "status": encode_quantity(receipt.succeeded),
        "cumulativeGasUsed": encode_quantity(receipt.cumulative_gas_used),
        "logs": [format_log(log, block_timestamp) for log in receipt.logs],
        "logsBloom": encode_data(receipt.bloom),
        "transactionHash": encode_data(receipt.tx_hash),
        "transactionIndex": encode_quantity(receipt.tx_index),
        "blockHash": encode_data(receipt.block_hash),
        "blockNumber": encode_quantity(receipt.block_number),
        "gasUsed": encode_quantity(receipt.gas_used),
        "effectiveGasPrice": encode_quantity(receipt.effective_gas_price),
        "from": encode_data(receipt.sender),
        "to": _encode_optional(receipt.to),
        "contractAddress": _encode_optional(receipt.contract_address),
    }


def format_log(log: LogEntry, block_timestamp: int, *, removed: bool = False) -> Json:
    """A log and where it stands; `removed` where its block is no longer on the chain."""
    return {
        "address": encode_data(log.address),
        "topics": [encode_data(topic) for topic in log.topics],
        "data": encode_data(log.data),
        "blockHash": encode_data(log.block_hash),
        "blockNumber": encode_quantity(log.block_number),
        "blockTimestamp": encode_quantity(block_timestamp),
        "transactionHash": encode_data(log.tx_hash),
        "transactionIndex": encode_quantity(log.tx_index),
        "logIndex": encode_quantity(log.log_index),
        "removed": removed,
    }


def measure_logs(count: int, data_bytes: int) -> int:
    """How many bytes so many logs with so much data come to as JSON, at most."""
    return _LOG_BYTES * count + 2 * data_bytes


def format_access_list(entries: tuple[Access, ...]) -> list[Json]:
    return [
        {"address": encode_data(entry.address), "storageKeys": [encode_data(slot) for slot in entry.slots]}
        for entry in entries
    ]


def format_record(record: SpcRecord) -> Json:
    """One call of a stateful precompile."""
    return {
        "transactionIndex": encode_quantity(record.tx_index),
        "spc": encode_data(record.spc),
        "caller": encode_data(record.caller),
        "input": encode_data(record.input),
        "output": encode_data(record.output),
        "outcome": record.outcome.name.lower(),
        "gasUsed": encode_quantity(record.gas),
        "computeMicroseconds": encode_quantity(record.compute_us),
    }


def _format_fields(tx: Transaction, gas_price: int) -> Json:
    """What a transaction says itself."""
    shown: Json = {
        "type": encode_quantity(tx.type),
        "hash": encode_data(tx.hash),
        "from": encode_data(tx.sender),
        "to": _encode_optional(tx.to),
        "nonce": encode_quantity(tx.nonce),
        "gas": encode_quantity(tx.gas),
        "value": encode_quantity(tx.value),
        "input": encode_data(tx.data),
        "gasPrice": encode_quantity(gas_price),
        "v": encode_quantity(tx.v),
        "r": encode_quantity(tx.r),
        "s": encode_quantity(tx.s),
    }
    if tx.chain_id is not None:
        shown["chainId"] = encode_quantity(tx.chain_id)
    if tx.type != LEGACY:
        shown |= {"yParity": encode_quantity(parity_of(tx)), "accessList": format_access_list(tx.access_list)}
    if tx.type in (FEE_MARKET, SET_CODE):
        shown["maxFeePerGas"] = encode_quantity(tx.max_fee)
        shown["maxPriorityFeePerGas"] = encode_quantity(tx.max_priority_fee)
    if tx.type == SET_CODE:
        shown["authorizationList"] = [_format_authorization(entry) for entry in tx.authorizations]
    return shown


def _format_authorization(entry: Authorization) -> Json:
    return {
        "chainId": encode_quantity(entry.chain_id),
        "address": encode_data(entry.address),
        "nonce": encode_quantity(entry.nonce),
        "yParity": encode_quantity(entry.y_parity),
        "r": encode_quantity(entry.r),
        "s": encode_quantity(entry.s),
    }


def _encode_optional(data: bytes | None) -> str | None:
    return None if data is None else encode_data(data)
