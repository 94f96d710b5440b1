"""Calls that leave no trace on the chain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infernet.vm.request import AccountOverride, BlockOverride, CallRequest, CallResult
from infernet.vm.rpc.client import Client
from infernet.vm.rpc.errors import refuse
from infernet.vm.rpc.format import Json, format_access_list
from infernet.vm.rpc.methods.params import BLOCK, BLOCK_OVERRIDE, CALL, OVERRIDES
from infernet.vm.rpc.reverts import build_revert
from infernet.vm.rpc.table import Methods, Param
from infernet.vm.rpc.values import BlockId, decode_block_id, encode_data, encode_quantity

methods = Methods()

PENDING_BLOCK = Param[Any]("block", decode_block_id, "pending")


@methods.add("eth_call", CALL, BLOCK, OVERRIDES, BLOCK_OVERRIDE, asks=True)
def call(
    client: Client,
    request: CallRequest,
    block: BlockId,
    overrides: Mapping[bytes, AccountOverride] | None,
    block_override: BlockOverride | None,
) -> str:
    place = client.read_call_place(block)
    result = client.chain.call(client.bound(request), place, overrides, block_override, outside=client.asked)
    return encode_data(read_success(result).return_data)


@methods.add("eth_estimateGas", CALL, PENDING_BLOCK, OVERRIDES, asks=True)
def estimate_gas(
    client: Client, request: CallRequest, block: BlockId, overrides: Mapping[bytes, AccountOverride] | None
) -> str:
    place = client.read_call_place(block)
    return encode_quantity(client.chain.estimate(request, place, overrides, client.asked))


@methods.add("eth_createAccessList", CALL, PENDING_BLOCK, asks=True)
def create_access_list(client: Client, request: CallRequest, block: BlockId) -> Json:
    """A call that fails has a list too: what it touched until then."""
    place = client.read_call_place(block)
    entries, result = client.chain.access_list(client.bound(request), place, client.asked)
    answer: Json = {"accessList": format_access_list(entries), "gasUsed": encode_quantity(result.gas_used)}
    return answer if result.error is None else answer | {"error": result.error}


def read_success(result: CallResult) -> CallResult:
    """
    Raises:
        RpcError: 3 where it reverted, -32000 where it halted.
    """
    if result.reverted:
        raise build_revert(result.return_data)
    if result.error is not None:
        raise refuse(result.error)
    return result
