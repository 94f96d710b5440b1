"""Send one transaction and see it mined: for clients. The node's sender, which journals nonces, is in `node`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from infernet.chain.fees import Fees, compute_fees
from infernet.errors import InfernetError, JobRejected, RetryLater
from infernet.ports import Chain, Signer
from infernet.types import Address, Call, ChainId, Gas, Receipt, Transaction, TxHash, Wei

GAS_HEADROOM_PERCENT = 20
"""Above the estimate: state may move between estimate and block, and a refund does not lower what is needed."""

_NOTHING = Wei(0)
_FIRST_POLL_S, _LAST_POLL_S = 0.02, 1.0


class SendingChain(Chain, Protocol):
    """What sending needs beyond the port."""

    async def fetch_pending_nonce(self, address: Address) -> int: ...
    async def estimate_deployment(self, data: bytes, sender: Address) -> int: ...
    async def fetch_transaction(self, tx_hash: TxHash) -> object | None: ...


@dataclass(frozen=True, slots=True)
class Message:
    """What to send. `to` is None for a deployment; `gas` None to have it estimated."""

    to: Address | None
    data: bytes
    value: Wei = _NOTHING
    gas: Gas | None = None


def build_transaction(message: Message, chain_id: ChainId, nonce: int, gas: Gas, fees: Fees) -> Transaction:
    """The unsigned EIP-1559 transaction of a message."""
    return Transaction(
        chain_id=chain_id,
        nonce=nonce,
        to=message.to,
        data=message.data,
        gas=gas,
        max_fee=fees.max_fee,
        max_priority_fee=fees.max_priority_fee,
        value=message.value,
    )


def add_headroom(estimate: int, block_gas_limit: Gas) -> Gas:
    """The gas limit for an estimate: a fifth more, and never more than a block holds."""
    return Gas(max(estimate, min(estimate * (100 + GAS_HEADROOM_PERCENT) // 100, block_gas_limit)))


async def submit(
    chain: SendingChain, signer: Signer, message: Message, chain_id: ChainId, max_fee_cap: Wei | None = None
) -> TxHash:
    """Sign and broadcast one transaction with the account's next nonce. One at a time per account.

    Raises:
        JobRejected: the estimate says that it reverts.
        RetryLater: the chain cannot be reached, the account cannot pay, the base fee is above the cap.
    """
    head, nonce = await chain.fetch_head(), await chain.fetch_pending_nonce(signer.address)
    gas = message.gas
    if gas is None:
        gas = add_headroom(await _estimate(chain, signer.address, message), head.gas_limit)
    fees = compute_fees(head.base_fee, cap=max_fee_cap)
    signed = signer.sign_transaction(build_transaction(message, chain_id, nonce, gas, fees))
    (refused,) = await chain.submit_many([signed.raw])
    if refused is not None:
        raise refused
    return signed.hash


async def wait_for_receipt(chain: SendingChain, tx_hash: TxHash, timeout_s: float) -> Receipt:
    """The receipt, as soon as the transaction is in a block.

    Raises:
        RetryLater: after `timeout_s`; `tx.not_mined`: it may still come; `tx.dropped`: it will hardly.
    """
    pause_s = _FIRST_POLL_S
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                (receipt,) = await chain.fetch_receipts([tx_hash])
                if receipt is not None:
                    return receipt
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 1.5, _LAST_POLL_S)
    except TimeoutError:
        if not await _is_known(chain, tx_hash):
            raise RetryLater(
                "tx.dropped",
                f"transaction 0x{tx_hash.hex()} is in no block, and the endpoint knows it no more: send it again",
                tx_hash=tx_hash,
            ) from None
        raise RetryLater(
            "tx.not_mined",
            f"transaction 0x{tx_hash.hex()} is not in a block after {timeout_s:g} s: it may still come",
            tx_hash=tx_hash,
        ) from None


async def _is_known(chain: SendingChain, tx_hash: TxHash) -> bool:
    """Whether the endpoint has that transaction, or does not answer."""
    try:
        return await chain.fetch_transaction(tx_hash) is not None
    except RetryLater:
        return True


async def send_and_wait(
    chain: SendingChain,
    signer: Signer,
    message: Message,
    chain_id: ChainId,
    *,
    timeout_s: float = 60.0,
    max_fee_cap: Wei | None = None,
) -> Receipt:
    """Send a transaction and wait until it succeeded.

    Raises:
        JobRejected: it reverted; `code` is `revert.<ErrorName>`.
        RetryLater: it could not be sent, or is not in a block in time.
    """
    tx_hash = await submit(chain, signer, message, chain_id, max_fee_cap)
    receipt = await wait_for_receipt(chain, tx_hash, timeout_s)
    if not receipt.succeeded:
        raise await find_revert(chain, signer.address, message, receipt)
    return receipt


async def find_revert(chain: Chain, sender: Address, message: Message, receipt: Receipt) -> InfernetError:
    """Why a mined transaction failed, by running it again on the state before its block.

    What other transactions of its block changed is not seen; then all that can be said is that it reverted.
    """
    block = await chain.fetch_block(receipt.block_number)
    if message.to is not None and block is not None:
        call = Call(message.to, message.data, sender, message.gas, message.value)
        try:
            await chain.call(call, at=block.parent_hash)
        except JobRejected as error:
            return error
    return JobRejected(
        "revert.Unknown", f"transaction 0x{receipt.tx_hash.hex()} reverted in block {receipt.block_number}"
    )


async def _estimate(chain: SendingChain, sender: Address, message: Message) -> int:
    if message.to is None:
        return await chain.estimate_deployment(message.data, sender)
    return await chain.estimate_gas(Call(message.to, message.data, sender, value=message.value))
