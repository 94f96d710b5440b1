"""The transaction that is being executed: what is known of it already is not computed from its fields again.

Each function stands in for the one of that name in `ethereum.forks.osaka.fork`. Of any other transaction they know
nothing, and call the original.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ethereum.exceptions import EthereumException
from ethereum.forks.osaka import transactions
from ethereum.forks.osaka.blocks import Log
from ethereum.forks.osaka.fork import make_receipt as make_spec_receipt
from ethereum.forks.osaka.fork_types import Address, Authorization
from ethereum.forks.osaka.vm import eoa_delegation
from ethereum_types.bytes import Bytes0, Bytes32
from ethereum_types.numeric import U8, U64, U256, Uint

from infernet.vm.transaction import ACCESS_LIST, LEGACY, SET_CODE, Transaction

_original_encode, _original_recover = transactions.encode_transaction, transactions.recover_sender
_original_hash, _original_receipt = transactions.get_transaction_hash, make_spec_receipt


@dataclass(slots=True)
class Running:
    """A transaction in both forms, and how it ended."""

    spec: Any
    transaction: Transaction
    error: EthereumException | None = None
    logs: tuple[Log, ...] = ()


class _Current:
    running: Running | None = None


current = _Current()


def encode_transaction(tx: Any) -> Any:
    """The bytes that it was decoded from: decoding accepts nothing but what encoding gives."""
    running = current.running
    if running is None or tx is not running.spec:
        return _original_encode(tx)
    return running.spec if running.transaction.type == LEGACY else running.transaction.raw


def get_transaction_hash(tx: Any) -> Bytes32:
    running = current.running
    if running is None or (tx is not running.spec and tx is not running.transaction.raw):
        return _original_hash(tx)
    return Bytes32(running.transaction.hash)


def recover_sender(chain_id: U64, tx: Any) -> Address:
    """By `transaction.recover_sender` when it came in, whose rules are the same; or an impersonated sender."""
    running = current.running
    if running is None or tx is not running.spec:
        return _original_recover(chain_id, tx)
    return Address(running.transaction.sender)


def make_receipt(tx: Any, error: EthereumException | None, cumulative_gas_used: Uint, logs: tuple[Log, ...]) -> Any:
    """Take what it is made of: the chain encodes receipts itself, and asks for no root of these."""
    running = current.running
    if running is None or tx is not running.spec:
        return _original_receipt(tx, error, cumulative_gas_used, logs)
    running.error, running.logs = error, logs
    return b""


def is_valid_delegation(code: bytes) -> bool:
    """For `check_transaction` alone: whether an account with this code may send. An impersonated one may."""
    running = current.running
    return (running is not None and not running.transaction.is_signed) or eoa_delegation.is_valid_delegation(code)


REPLACED = (
    (_original_encode, encode_transaction),
    (_original_hash, get_transaction_hash),
    (_original_recover, recover_sender),
    (_original_receipt, make_receipt),
)


def build_spec_transaction(tx: Transaction) -> Any:
    """The same transaction as the specification's dataclass."""
    to: Any = Bytes0() if tx.to is None else Address(tx.to)
    nonce, gas, value = U256(tx.nonce), Uint(tx.gas), U256(tx.value)
    signature = (U256(tx.v), U256(tx.r), U256(tx.s))
    if tx.type == LEGACY:
        return transactions.LegacyTransaction(nonce, Uint(tx.max_fee), gas, to, value, tx.data, *signature)
    chain_id = U64(tx.chain_id or 0)
    access = tuple(
        transactions.Access(Address(entry.address), tuple(map(Bytes32, entry.slots))) for entry in tx.access_list
    )
    if tx.type == ACCESS_LIST:
        return transactions.AccessListTransaction(
            chain_id, nonce, Uint(tx.max_fee), gas, to, value, tx.data, access, *signature
        )
    fees = (Uint(tx.max_priority_fee), Uint(tx.max_fee))
    if tx.type == SET_CODE:
        authorizations = tuple(
            Authorization(
                U256(entry.chain_id),
                Address(entry.address),
                U64(entry.nonce),
                U8(entry.y_parity),
                U256(entry.r),
                U256(entry.s),
            )
            for entry in tx.authorizations
        )
        return transactions.SetCodeTransaction(
            chain_id, U64(tx.nonce), *fees, gas, to, value, tx.data, access, authorizations, *signature
        )
    return transactions.FeeMarketTransaction(chain_id, nonce, *fees, gas, to, value, tx.data, access, *signature)
