"""`anvil_reorg`: the last blocks are replaced by others, which hold what the caller names and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from infernet.errors import InvalidInput
from infernet.vm.admission import read_transaction
from infernet.vm.rpc.client import Client
from infernet.vm.rpc.errors import Malformed, invalid
from infernet.vm.rpc.methods.sending import sign_request
from infernet.vm.rpc.requests import TxRequest, decode_tx_request
from infernet.vm.rpc.table import Methods, Param
from infernet.vm.rpc.values import decode_data, decode_list, decode_number
from infernet.vm.transaction import Transaction

methods = Methods()


def _decode_depth(value: Any) -> int:
    """A number, or anvil's older object of it."""
    return decode_number(value.get("depth") if isinstance(value, dict) else value)


def _decode_entry(value: Any) -> tuple[bytes | TxRequest, int]:
    """A transaction, signed or for the node to sign, and which of the new blocks holds it, 0 the first."""
    if not isinstance(value, list) or len(value) != 2:
        raise Malformed("want pairs of a transaction and a block's place")
    transaction, place = value
    is_signed = isinstance(transaction, str)
    return decode_data(transaction) if is_signed else decode_tx_request(transaction), decode_number(place)


def _decode_entries(value: Any) -> list[tuple[bytes | TxRequest, int]]:
    return decode_list(value, _decode_entry)


@methods.add("anvil_reorg", Param("depth", _decode_depth), Param("transactions", _decode_entries, ()), asks=True)
def reorg(client: Client, depth: int, entries: Sequence[tuple[bytes | TxRequest, int]]) -> None:
    dev = client.chain.dev
    try:
        parent = dev.find_parent(depth)
    except InvalidInput as error:
        raise invalid(f"invalid argument 0 (depth): {error.message}") from None
    if any(place >= depth for _, place in entries):
        raise invalid(f"invalid argument 1 (transactions): places are below the depth, {depth}")
    blocks: list[list[Transaction]] = [[] for _ in range(depth)]
    used: Counter[bytes] = Counter()
    for given, place in entries:
        transaction = _build_transaction(client, given, parent, used)
        used[transaction.sender] += 1
        blocks[place].append(transaction)
    dev.reorg(blocks)


def _build_transaction(client: Client, given: bytes | TxRequest, parent: int, used: Counter[bytes]) -> Transaction:
    """With the nonce that its sender has on the new blocks where the request leaves it open."""
    chain = client.chain
    if isinstance(given, bytes):
        return read_transaction(given, chain.chain_id)
    call = given.call
    if call.nonce is None:
        call = replace(call, nonce=chain.state(parent).nonce(call.sender) + used[call.sender])
    if call.sender in client.node.accounts:
        return sign_request(client, replace(given, call=call))
    return chain.dev.build_transaction(call, client.asked)
