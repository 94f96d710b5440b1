"""Helpers for tests, by the names that anvil, hardhat and ganache gave them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from infernet.vm.block import Block
from infernet.vm.rpc.client import Client
from infernet.vm.rpc.errors import Malformed, invalid
from infernet.vm.rpc.format import Json
from infernet.vm.rpc.methods.fees import read_tip
from infernet.vm.rpc.methods.node import CLIENT_VERSION
from infernet.vm.rpc.methods.params import ADDRESS, TX_HASH
from infernet.vm.rpc.table import Methods, Param
from infernet.vm.rpc.values import (
    decode_boolean,
    decode_data,
    decode_field,
    decode_number,
    decode_object,
    decode_slot,
    encode_data,
    encode_quantity,
)

MAX_BLOCKS = 10_000

methods = Methods()


def _named(name: str, *prefixes: str) -> Iterable[str]:
    return [f"{prefix}_{name}" for prefix in prefixes]


def _decode_mine(value: Any) -> tuple[int, int | None]:
    """How many blocks, and when: a timestamp, or an object of ganache's."""
    if isinstance(value, dict):
        blocks = decode_field(value, "blocks", decode_number)
        return 1 if blocks is None else blocks, decode_field(value, "timestamp", decode_number)
    return 1, decode_number(value)


@methods.add("evm_mine", Param("options", _decode_mine, (1, None)))
def mine_one(client: Client, options: tuple[int, int | None]) -> str:
    _mine(client, *options)
    return "0x0"


@methods.add(
    _named("mine", "anvil", "hardhat"), Param("blocks", decode_number, 1), Param("interval", decode_number, None)
)
def mine(client: Client, blocks: int, interval_s: int | None) -> None:
    """Blocks, so many seconds apart where an interval is given."""
    if interval_s is None:
        _mine(client, blocks, None)
        return
    _check_count(blocks)
    for _ in range(blocks):
        client.chain.dev.mine(1, client.chain.head.timestamp + interval_s)


@methods.add(("evm_increaseTime", "anvil_increaseTime"), Param("seconds", decode_number))
def increase_time(client: Client, seconds: int) -> int:
    return client.chain.dev.increase_time(seconds)


@methods.add(("evm_setNextBlockTimestamp", "anvil_setNextBlockTimestamp"), Param("timestamp", decode_number))
def set_next_timestamp(client: Client, timestamp: int) -> None:
    client.chain.dev.set_next_timestamp(timestamp)


@methods.add(_named("setNextBlockBaseFeePerGas", "anvil", "hardhat"), Param("base fee", decode_number))
def set_next_base_fee(client: Client, base_fee: int) -> None:
    client.chain.dev.set_next_base_fee(base_fee)


@methods.add("anvil_setBlockTimestampInterval", Param("seconds", decode_number))
def set_timestamp_step(client: Client, seconds: int) -> None:
    """From each block's timestamp to the next's, whenever they are mined."""
    client.chain.dev.timestamp_step_s = seconds


@methods.add("anvil_removeBlockTimestampInterval")
def remove_timestamp_step(client: Client) -> bool:
    """Whether there was one."""
    dev = client.chain.dev
    was_set, dev.timestamp_step_s = dev.timestamp_step_s is not None, None
    return was_set


@methods.add(_named("snapshot", "evm", "anvil"))
def snapshot(client: Client) -> str:
    return encode_quantity(client.chain.dev.snapshot())


@methods.add(_named("revert", "evm", "anvil"), Param("snapshot id", decode_number))
def revert(client: Client, snapshot_id: int) -> bool:
    return client.chain.dev.revert(snapshot_id)


def _decode_origin(value: Any) -> None:
    if decode_object(value).get("forking") is not None:
        raise Malformed("forking: this chain stands on no other")


@methods.add(_named("reset", "anvil", "hardhat"), Param("options", _decode_origin, None))
def reset(client: Client, _: None) -> None:
    client.chain.dev.reset()


@methods.add(_named("setAutomine", "evm", "anvil"), Param("enabled", decode_boolean))
def set_automine(client: Client, on: bool) -> None:
    client.chain.dev.automine = on


@methods.add(_named("getAutomine", "anvil", "hardhat"))
def get_automine(client: Client) -> bool:
    return client.chain.dev.automine


def _decode_seconds(value: Any) -> float:
    if isinstance(value, float) and value >= 0:
        return value
    return decode_number(value)


@methods.add(_named("setIntervalMining", "evm", "anvil"), Param("seconds", _decode_seconds))
def set_interval(client: Client, seconds: float) -> None:
    """A block every so many seconds, and none in between; 0 ends that."""
    client.chain.dev.interval_s = seconds
    if seconds > 0:
        client.chain.dev.automine = False
    client.node.change_pace()


@methods.add("anvil_getIntervalMining")
def get_interval(client: Client) -> float | None:
    return client.chain.dev.interval_s or None


@methods.add(_named("impersonateAccount", "anvil", "hardhat"), ADDRESS)
def impersonate(client: Client, address: bytes) -> None:
    client.chain.dev.impersonate(address)


@methods.add(_named("stopImpersonatingAccount", "anvil", "hardhat"), ADDRESS)
def stop_impersonating(client: Client, address: bytes) -> None:
    client.chain.dev.stop_impersonating(address)


@methods.add("anvil_autoImpersonateAccount", Param("enabled", decode_boolean))
def impersonate_all(client: Client, on: bool) -> None:
    """Unsigned transactions of any account are taken."""
    client.chain.dev.impersonates_all = on


@methods.add(
    (*_named("setBalance", "anvil", "hardhat"), "evm_setAccountBalance"), ADDRESS, Param("balance", decode_number)
)
def set_balance(client: Client, address: bytes, balance: int) -> None:
    client.chain.dev.set_balance(address, balance)


@methods.add((*_named("setNonce", "anvil", "hardhat"), "evm_setAccountNonce"), ADDRESS, Param("nonce", decode_number))
def set_nonce(client: Client, address: bytes, nonce: int) -> None:
    client.chain.dev.set_nonce(address, nonce)


@methods.add((*_named("setCode", "anvil", "hardhat"), "evm_setAccountCode"), ADDRESS, Param("code", decode_data))
def set_code(client: Client, address: bytes, code: bytes) -> None:
    client.chain.dev.set_code(address, code)


@methods.add(
    (*_named("setStorageAt", "anvil", "hardhat"), "evm_setAccountStorageAt"),
    ADDRESS,
    Param("slot", decode_slot),
    Param("value", decode_slot),
)
def set_storage(client: Client, address: bytes, slot: bytes, word: bytes) -> bool:
    client.chain.dev.set_storage(address, slot, word)
    return True


@methods.add(_named("dropTransaction", "anvil", "hardhat"), TX_HASH)
def drop_transaction(client: Client, tx_hash: bytes) -> str | None:
    return encode_data(tx_hash) if client.chain.pool.drop(tx_hash) else None


@methods.add("anvil_dropAllTransactions")
def drop_all_transactions(client: Client) -> None:
    client.chain.pool.restore([])


@methods.add("anvil_nodeInfo")
def get_node_info(client: Client) -> Json:
    head = client.chain.head
    base_fee = client.chain.next_base_fee
    return {
        "currentBlockNumber": encode_quantity(head.number),
        "currentBlockTimestamp": head.timestamp,
        "currentBlockHash": encode_data(head.hash),
        "hardFork": "Osaka",
        "transactionOrder": "fees",
        "environment": {
            "baseFee": encode_quantity(base_fee),
            "chainId": client.chain.chain_id,
            "gasLimit": encode_quantity(head.header.gas_limit),
            "gasPrice": encode_quantity(base_fee + read_tip(client)),
        },
        "forkConfig": {"forkUrl": None, "forkBlockNumber": None, "forkRetryBackoff": None},
    }


@methods.add(_named("metadata", "anvil", "hardhat"))
def get_metadata(client: Client) -> Json:
    head = client.chain.head
    return {
        "clientVersion": CLIENT_VERSION,
        "chainId": client.chain.chain_id,
        "latestBlockNumber": head.number,
        "latestBlockHash": encode_data(head.hash),
        "forkedNetwork": None,
    }


def _mine(client: Client, blocks: int, timestamp: int | None) -> list[Block]:
    _check_count(blocks)
    return client.chain.dev.mine(blocks, timestamp)


def _check_count(blocks: int) -> None:
    if blocks > MAX_BLOCKS:
        raise invalid(f"at most {MAX_BLOCKS} blocks at once, not {blocks}")
