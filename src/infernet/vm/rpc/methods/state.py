"""Accounts: balances, code, slots, nonces, and their proofs."""

from __future__ import annotations

from infernet.vm.rpc.client import Client
from infernet.vm.rpc.errors import Malformed
from infernet.vm.rpc.format import Json
from infernet.vm.rpc.methods.params import ADDRESS, BLOCK
from infernet.vm.rpc.table import Methods, Param
from infernet.vm.rpc.values import BlockId, decode_list, decode_slot, encode_data, encode_quantity

MAX_PROOF_SLOTS = 1_024

methods = Methods()


def _decode_slots(value: object) -> list[bytes]:
    slots = decode_list(value, decode_slot)
    if len(slots) > MAX_PROOF_SLOTS:
        raise Malformed(f"at most {MAX_PROOF_SLOTS} slots, not {len(slots)}")
    return slots


@methods.add("eth_getBalance", ADDRESS, BLOCK)
def get_balance(client: Client, address: bytes, block: BlockId) -> str:
    return encode_quantity(client.chain.state(client.read_place(block)).balance(address))


@methods.add("eth_getCode", ADDRESS, BLOCK)
def get_code(client: Client, address: bytes, block: BlockId) -> str:
    return encode_data(client.chain.state(client.read_place(block)).code(address))


@methods.add("eth_getStorageAt", ADDRESS, Param("slot", decode_slot), BLOCK)
def get_storage(client: Client, address: bytes, slot: bytes, block: BlockId) -> str:
    return encode_data(client.chain.state(client.read_place(block)).storage(address, slot))


@methods.add("eth_getTransactionCount", ADDRESS, BLOCK)
def get_nonce(client: Client, address: bytes, block: BlockId) -> str:
    if block == "pending":
        return encode_quantity(client.chain.next_nonce(address))
    return encode_quantity(client.chain.state(client.read_place(block)).nonce(address))


@methods.add("eth_getProof", ADDRESS, Param("slots", _decode_slots), BLOCK)
def get_proof(client: Client, address: bytes, slots: list[bytes], block: BlockId) -> Json:
    """EIP-1186."""
    proof = client.chain.state(client.read_place(block)).prove(address, slots)
    return {
        "address": encode_data(address),
        "balance": encode_quantity(proof.balance),
        "codeHash": encode_data(proof.code_hash),
        "nonce": encode_quantity(proof.nonce),
        "storageHash": encode_data(proof.storage_root),
        "accountProof": [encode_data(node) for node in proof.account_proof],
        "storageProof": [
            {"key": encode_data(slot), "value": encode_quantity(value), "proof": [encode_data(node) for node in nodes]}
            for slot, value, nodes in proof.storage
        ],
    }
