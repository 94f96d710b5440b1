"""Transactions: those that are signed already, and those that the node signs with a development account."""

from __future__ import annotations

from typing import Any

import coincurve

from infernet.protocol.hashing import keccak
from infernet.vm.rpc.client import Client
from infernet.vm.rpc.errors import refuse
from infernet.vm.rpc.methods.fees import read_tip
from infernet.vm.rpc.methods.params import ADDRESS
from infernet.vm.rpc.requests import TxRequest, decode_tx_request
from infernet.vm.rpc.table import Methods, Param
from infernet.vm.rpc.values import decode_data, decode_object, encode_data
from infernet.vm.transaction import ACCESS_LIST, FEE_MARKET, LEGACY, Transaction, sign_transaction

methods = Methods()

TX_REQUEST = Param("transaction", decode_tx_request)


@methods.add("eth_sendRawTransaction", Param("transaction", decode_data))
async def send_raw_transaction(client: Client, raw: bytes) -> str:
    """On the event loop: transactions that come together go to the chain together."""
    return encode_data(await client.node.submit(raw))


@methods.add("eth_accounts")
def get_accounts(client: Client) -> list[str]:
    return [encode_data(address) for address in client.node.accounts]


@methods.add("eth_sendTransaction", TX_REQUEST, asks=True)
def send_transaction(client: Client, request: TxRequest) -> str:
    if request.call.sender not in client.node.accounts:
        return encode_data(client.chain.submit_request(request.call, client.asked))
    return encode_data(client.chain.submit(sign_request(client, request).raw))


@methods.add("eth_signTransaction", TX_REQUEST, asks=True)
def sign(client: Client, request: TxRequest) -> str:
    return encode_data(sign_request(client, request).raw)


@methods.add("eth_sign", ADDRESS, Param("message", decode_data))
def sign_message(client: Client, address: bytes, message: bytes) -> str:
    """EIP-191, as `personal_sign`."""
    return _sign_digest(client, address, b"\x19Ethereum Signed Message:\n%d%b" % (len(message), message))


@methods.add("personal_sign", Param("message", decode_data), ADDRESS)
def sign_personally(client: Client, message: bytes, address: bytes) -> str:
    return sign_message(client, address, message)


@methods.add(("eth_signTypedData_v4", "eth_signTypedData"), ADDRESS, Param("typed data", decode_object))
def sign_typed_data(client: Client, address: bytes, typed_data: dict[str, Any]) -> str:
    """EIP-712."""
    from eth_account.messages import encode_typed_data  # noqa: PLC0415  (it takes a third of a second to load)

    try:
        message = encode_typed_data(full_message=typed_data)
    except Exception as error:  # noqa: BLE001  (whatever a stranger's types make of the encoder)
        raise refuse(f"the typed data cannot be encoded: {error}") from None
    return _sign_digest(client, address, b"\x19\x01" + message.header + message.body)


def sign_request(client: Client, request: TxRequest) -> Transaction:
    """With what the request leaves open: type, nonce, fees and gas, as a wallet would choose them."""
    chain, call = client.chain, request.call
    kind = FEE_MARKET if request.kind is None else request.kind
    tip = read_tip(client) if call.max_priority_fee is None else call.max_priority_fee
    base_fee = chain.next_base_fee
    if call.max_fee is not None:
        max_fee, tip = call.max_fee, min(tip, call.max_fee)
    else:
        max_fee = base_fee + tip if kind in (LEGACY, ACCESS_LIST) else 2 * base_fee + tip
    return sign_transaction(
        kind,
        _find_key(client, call.sender),
        chain_id=chain.chain_id,
        nonce=chain.next_nonce(call.sender) if call.nonce is None else call.nonce,
        gas=chain.estimate(call, "pending", outside=client.asked) if call.gas is None else call.gas,
        max_fee=max_fee,
        max_priority_fee=tip,
        to=call.to,
        value=call.value,
        data=call.data,
        access_list=call.access_list,
        authorizations=call.authorizations,
    )


def _sign_digest(client: Client, address: bytes, message: bytes) -> str:
    key = coincurve.PrivateKey(_find_key(client, address))
    signature = key.sign_recoverable(keccak(message), hasher=None)
    return encode_data(signature[:64] + bytes((27 + signature[64],)))


def _find_key(client: Client, address: bytes) -> bytes:
    key = client.node.accounts.get(address)
    if key is None:
        raise refuse(f"unknown account {encode_data(address)}: the node holds keys of development accounts alone")
    return key
