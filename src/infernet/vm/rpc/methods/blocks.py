"""Blocks, their transactions and receipts."""

from __future__ import annotations

from infernet.vm.block import Block, MinedTransaction
from infernet.vm.rpc.client import Client
from infernet.vm.rpc.format import (
    Json,
    format_block,
    format_mined,
    format_pending_block,
    format_pooled,
    format_receipt,
)
from infernet.vm.rpc.methods.params import BLOCK, BLOCK_HASH, BLOCK_NUMBER, INDEX, IS_FULL, TX_HASH
from infernet.vm.rpc.table import Methods
from infernet.vm.rpc.values import BlockId, encode_data, encode_quantity

methods = Methods()


@methods.add("eth_blockNumber")
def get_block_number(client: Client) -> str:
    return encode_quantity(client.chain.head.number)


@methods.add("eth_getBlockByNumber", BLOCK_NUMBER, IS_FULL)
@methods.add("eth_getBlockByHash", BLOCK_HASH, IS_FULL)
def get_block(client: Client, block_id: BlockId, is_full: bool) -> Json | None:
    if block_id == "pending":
        return format_pending_block(client.chain.pending_block(), is_full=is_full)
    block = client.find_block(block_id)
    return None if block is None else format_block(block, is_full=is_full)


@methods.add("eth_getBlockTransactionCountByNumber", BLOCK_NUMBER)
@methods.add("eth_getBlockTransactionCountByHash", BLOCK_HASH)
def get_transaction_count(client: Client, block_id: BlockId) -> str | None:
    block = _find(client, block_id)
    return None if block is None else encode_quantity(len(block.transactions))


@methods.add("eth_getUncleCountByBlockNumber", BLOCK_NUMBER)
@methods.add("eth_getUncleCountByBlockHash", BLOCK_HASH)
def get_uncle_count(client: Client, block_id: BlockId) -> str | None:
    return None if _find(client, block_id) is None else "0x0"


@methods.add("eth_getUncleByBlockNumberAndIndex", BLOCK_NUMBER, INDEX)
@methods.add("eth_getUncleByBlockHashAndIndex", BLOCK_HASH, INDEX)
def get_uncle(client: Client, block_id: BlockId, index: int) -> None:
    """A block of one producer has none."""


@methods.add("eth_getTransactionByBlockNumberAndIndex", BLOCK_NUMBER, INDEX)
@methods.add("eth_getTransactionByBlockHashAndIndex", BLOCK_HASH, INDEX)
def get_transaction_in_block(client: Client, block_id: BlockId, index: int) -> Json | None:
    block = _find(client, block_id)
    if block is None or index >= len(block.transactions):
        return None
    transaction = block.transactions[index]
    return (
        format_pooled(transaction)
        if block_id == "pending"
        else format_mined(MinedTransaction(transaction, block, index))
    )


@methods.add("eth_getTransactionByHash", TX_HASH)
def get_transaction(client: Client, tx_hash: bytes) -> Json | None:
    mined = client.chain.transaction(tx_hash)
    if mined is not None:
        return format_mined(mined)
    pooled = client.chain.pool.get(tx_hash)
    return None if pooled is None else format_pooled(pooled)


@methods.add(("eth_getRawTransactionByHash", "debug_getRawTransaction"), TX_HASH)
def get_raw_transaction(client: Client, tx_hash: bytes) -> str | None:
    mined = client.chain.transaction(tx_hash)
    transaction = client.chain.pool.get(tx_hash) if mined is None else mined.transaction
    return None if transaction is None else encode_data(transaction.raw)


@methods.add("eth_getTransactionReceipt", TX_HASH)
def get_receipt(client: Client, tx_hash: bytes) -> Json | None:
    receipt = client.chain.receipt(tx_hash)
    block = None if receipt is None else client.chain.block_by_number(receipt.block_number)
    return None if receipt is None or block is None else format_receipt(receipt, block.timestamp)


@methods.add("eth_getBlockReceipts", BLOCK)
def get_block_receipts(client: Client, block_id: BlockId) -> list[Json] | None:
    block = None if block_id == "pending" else client.find_block(block_id)
    if block is None:
        return None
    return [format_receipt(receipt, block.timestamp) for receipt in client.chain.receipts(block)]


@methods.add("debug_getRawHeader", BLOCK)
def get_raw_header(client: Client, block_id: BlockId) -> str | None:
    block = _find(client, block_id)
    return None if block is None else encode_data(block.header.rlp)


def _find(client: Client, block_id: BlockId) -> Block | None:
    return client.chain.pending_block() if block_id == "pending" else client.find_block(block_id)
