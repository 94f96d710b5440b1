"""The node itself: its version, its chain, its peers."""

from __future__ import annotations

import platform
from importlib.metadata import version

from infernet.protocol.hashing import keccak
from infernet.vm.rpc.client import Client
from infernet.vm.rpc.table import Methods, Param
from infernet.vm.rpc.values import decode_data, encode_data, encode_quantity

methods = Methods()

CLIENT_VERSION = f"infernet/v{version('infernet')}/{platform.system().lower()}/python{platform.python_version()}"


@methods.add("web3_clientVersion")
def get_client_version(_: Client) -> str:
    return CLIENT_VERSION


@methods.add("web3_sha3", Param("data", decode_data))
def hash_data(_: Client, data: bytes) -> str:
    return encode_data(keccak(data))


@methods.add("net_version")
def get_network(client: Client) -> str:
    return str(client.chain.chain_id)


@methods.add("net_listening")
def is_listening(_: Client) -> bool:
    return True


@methods.add("net_peerCount")
def count_peers(_: Client) -> str:
    """Followers come by JSON-RPC: there are no peers."""
    return "0x0"


@methods.add("eth_chainId")
def get_chain_id(client: Client) -> str:
    return encode_quantity(client.chain.chain_id)


@methods.add("eth_syncing")
def is_syncing(_: Client) -> bool:
    return False


@methods.add("eth_coinbase")
def get_coinbase(client: Client) -> str:
    return encode_data(client.chain.coinbase)


@methods.add("eth_mining")
def is_mining(client: Client) -> bool:
    """Whether blocks come by themselves."""
    return client.chain.dev.automine or client.chain.dev.interval_s > 0


@methods.add("eth_hashrate")
def get_hashrate(_: Client) -> str:
    return "0x0"
