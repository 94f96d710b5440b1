"""Receipts, from a block and what its transactions did."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from infernet.vm.block import Block, LogEntry, Receipt, compute_bloom, compute_contract_address
from infernet.vm.engine import Executed


def build_receipts(block: Block, executed: Sequence[Executed]) -> tuple[Receipt, ...]:
    """One for each transaction."""
    receipts, cumulative, numbers = [], 0, count()
    for index, (tx, done) in enumerate(zip(block.transactions, executed, strict=True)):
        cumulative += done.gas_used
        logs = tuple(
            LogEntry(log.address, log.topics, log.data, block.number, block.hash, tx.hash, index, next(numbers))
            for log in done.logs
        )
        receipts.append(
            Receipt(
                tx_hash=tx.hash,
                tx_index=index,
                type=tx.type,
                block_number=block.number,
                block_hash=block.hash,
                sender=tx.sender,
                to=tx.to,
                contract_address=compute_contract_address(tx.sender, tx.nonce) if tx.to is None else None,
                succeeded=done.succeeded,
                gas_used=done.gas_used,
                cumulative_gas_used=cumulative,
                effective_gas_price=tx.effective_price(block.header.base_fee),
                logs=logs,
                bloom=compute_bloom([(log.address, log.topics) for log in logs]),
            )
        )
    return tuple(receipts)
