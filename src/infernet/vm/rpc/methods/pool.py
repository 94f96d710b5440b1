"""What waits to be mined."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from infernet.vm.rpc.client import Client
from infernet.vm.rpc.format import Json, format_pooled
from infernet.vm.rpc.methods.params import ADDRESS
from infernet.vm.rpc.table import Methods
from infernet.vm.rpc.values import encode_data, encode_quantity
from infernet.vm.transaction import Transaction

methods = Methods()

_Waiting = Mapping[bytes, Sequence[Transaction]]


@methods.add("txpool_status")
def get_status(client: Client) -> Json:
    pool = client.chain.pool
    return {"pending": _count(pool.pending), "queued": _count(pool.queued)}


@methods.add("txpool_content")
def get_content(client: Client) -> Json:
    pool = client.chain.pool
    return {"pending": _show(pool.pending, format_pooled), "queued": _show(pool.queued, format_pooled)}


@methods.add("txpool_contentFrom", ADDRESS)
def get_content_from(client: Client, address: bytes) -> Json:
    pool = client.chain.pool
    return {
        name: {str(transaction.nonce): format_pooled(transaction) for transaction in waiting.get(address, ())}
        for name, waiting in (("pending", pool.pending), ("queued", pool.queued))
    }


@methods.add("txpool_inspect")
def inspect(client: Client) -> Json:
    pool = client.chain.pool
    return {"pending": _show(pool.pending, _summarize), "queued": _show(pool.queued, _summarize)}


def _count(waiting: _Waiting) -> str:
    return encode_quantity(sum(map(len, waiting.values())))


def _show(waiting: _Waiting, show: Callable[[Transaction], object]) -> Json:
    return {
        encode_data(sender): {str(transaction.nonce): show(transaction) for transaction in transactions}
        for sender, transactions in waiting.items()
    }


def _summarize(transaction: Transaction) -> str:
    to = "contract creation" if transaction.to is None else encode_data(transaction.to)
    return f"{to}: {transaction.value} wei + {transaction.gas} gas × {transaction.max_fee} wei"
