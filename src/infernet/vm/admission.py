"""Which transactions the pool takes: the rules that geth checks first, in its words."""

from __future__ import annotations

from infernet.vm.engine import State
from infernet.vm.request import TxRejected
from infernet.vm.transaction import SET_CODE, Transaction, TransactionInvalid, compute_floor_gas, compute_intrinsic_gas
from infernet.vm.transaction import decode_transaction as decode

MAX_BYTES = 512 * 1024
"""Above what calldata the largest transaction can pay for."""
MAX_INIT_CODE_BYTES = 2 * 24_576
MAX_TRANSACTION_GAS = 2**24
"""EIP-7825."""
_DELEGATION_MARKER, _DELEGATION_BYTES = b"\xef\x01\x00", 23


def read_transaction(raw: bytes, chain_id: int) -> Transaction:
    """
    Raises:
        TxRejected: `tx.invalid`.
    """
    try:
        return decode(raw, chain_id)
    except TransactionInvalid as error:
        raise TxRejected("tx.invalid", str(error)) from None


def compute_least_fee(base_fee: int) -> int:
    """Wei per gas below which a transaction would wait long for its block: of the next one's base fee a tenth."""
    return -(-base_fee // 10)


def check_transaction(
    tx: Transaction, state: State, block_gas_limit: int, least_fee: int = 0, queued_cost: int = 0
) -> None:
    """What can be said of it in this state, whatever comes before it.

    Args:
        least_fee: wei per gas.
        queued_cost: wei that others of its sender, which wait already, may take.

    Raises:
        TxRejected: it could never be mined, or pays too little to be.
    """
    _check_shape(tx, block_gas_limit)
    if tx.max_priority_fee > tx.max_fee:
        raise TxRejected("tx.tip_above_fee", "max priority fee per gas higher than max fee per gas")
    if tx.max_fee < least_fee:
        message = f"transaction underpriced: gas fee cap {tx.max_fee}, minimum needed {least_fee}"
        raise TxRejected("tx.underpriced", message)
    nonce = state.nonce(tx.sender)
    if tx.nonce < nonce:
        raise TxRejected("tx.nonce_too_low", f"nonce too low: next nonce {nonce}, tx nonce {tx.nonce}")
    code = state.code(tx.sender)
    if code and tx.is_signed and not (len(code) == _DELEGATION_BYTES and code.startswith(_DELEGATION_MARKER)):
        raise TxRejected("tx.sender_not_eoa", f"sender not an eoa: address 0x{tx.sender.hex()}")
    balance, cost = state.balance(tx.sender), tx.gas * tx.max_fee + tx.value
    if balance < cost + queued_cost:
        queued = f"queued cost {queued_cost}, " if queued_cost else ""
        overshot = cost + queued_cost - balance
        detail = f"balance {balance}, {queued}tx cost {cost}, overshot {overshot}"
        raise TxRejected("tx.insufficient_funds", f"insufficient funds for gas * price + value: {detail}")


def _check_shape(tx: Transaction, block_gas_limit: int) -> None:
    if len(tx.raw) > MAX_BYTES:
        raise TxRejected("tx.too_large", f"oversized data: transaction size {len(tx.raw)}, limit {MAX_BYTES}")
    if tx.gas > block_gas_limit:
        raise TxRejected("tx.block_gas", f"exceeds block gas limit: {tx.gas} above {block_gas_limit}")
    if tx.gas > MAX_TRANSACTION_GAS:
        message = f"transaction gas limit too high (cap: {MAX_TRANSACTION_GAS}, tx: {tx.gas})"
        raise TxRejected("tx.gas_too_high", message)
    if tx.nonce >= 2**64 - 1:
        raise TxRejected("tx.nonce_max", "nonce has max value")
    if tx.to is None and len(tx.data) > MAX_INIT_CODE_BYTES:
        message = f"max initcode size exceeded: code size {len(tx.data)}, limit {MAX_INIT_CODE_BYTES}"
        raise TxRejected("tx.init_code", message)
    if tx.type == SET_CODE and not tx.authorizations:
        raise TxRejected("tx.no_authorizations", "set code tx must have at least one authorization tuple")
    intrinsic, floor = compute_intrinsic_gas(tx), compute_floor_gas(tx)
    if tx.gas < intrinsic:
        raise TxRejected("tx.intrinsic_gas", f"intrinsic gas too low: gas {tx.gas}, minimum needed {intrinsic}")
    if tx.gas < floor:
        message = f"insufficient gas for floor data gas cost: gas {tx.gas}, minimum needed {floor}"
        raise TxRejected("tx.intrinsic_gas", message)
