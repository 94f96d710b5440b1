"""What gas costs."""

from __future__ import annotations

from typing import Any

from infernet.vm.block import Block
from infernet.vm.rpc.client import Client
from infernet.vm.rpc.errors import Malformed, refuse
from infernet.vm.rpc.fees import compute_rewards, compute_tip
from infernet.vm.rpc.format import Json
from infernet.vm.rpc.methods.params import BLOCK_NUMBER
from infernet.vm.rpc.table import Methods, Param
from infernet.vm.rpc.values import Tag, decode_list, decode_number, encode_quantity, show

MAX_HISTORY = 1_024
MAX_PERCENTILES = 100
_SAMPLED_BLOCKS = 20
_BLOB_FEE = "0x1"

methods = Methods()


def _decode_percentiles(value: Any) -> list[float]:
    percentiles = decode_list(value, _decode_percentile)
    if percentiles != sorted(percentiles):
        raise Malformed("want percentiles in ascending order")
    if len(percentiles) > MAX_PERCENTILES:
        raise Malformed(f"at most {MAX_PERCENTILES} percentiles, not {len(percentiles)}")
    return percentiles


def _decode_percentile(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        raise Malformed(f"a percentile is a number from 0 to 100, not {show(value)}")
    return float(value)


@methods.add("eth_gasPrice")
def get_gas_price(client: Client) -> str:
    return encode_quantity(client.chain.next_base_fee + read_tip(client))


@methods.add("eth_maxPriorityFeePerGas")
def get_max_priority_fee(client: Client) -> str:
    return encode_quantity(read_tip(client))


@methods.add("eth_blobBaseFee")
def get_blob_base_fee(_: Client) -> str:
    """The least there is: this chain has no blobs."""
    return _BLOB_FEE


@methods.add(
    "eth_feeHistory", Param("block count", decode_number), BLOCK_NUMBER, Param("percentiles", _decode_percentiles, None)
)
def get_fee_history(client: Client, count: int, newest: int | Tag, percentiles: list[float] | None) -> Json:
    head = client.chain.head.number
    last = newest if isinstance(newest, int) else 0 if newest == "earliest" else head
    if last > head:
        raise refuse(f"request beyond head block: requested {last}, head {head}")
    count = min(count, MAX_HISTORY, last + 1)
    if count == 0:
        return {"oldestBlock": "0x0", "gasUsedRatio": []}
    blocks = [_read(client, number) for number in range(last - count + 1, last + 1)]
    following = client.chain.block_by_number(last + 1)
    last_fee = client.chain.next_base_fee if following is None else following.header.base_fee
    answer: Json = {
        "oldestBlock": encode_quantity(blocks[0].number),
        "baseFeePerGas": [*(encode_quantity(block.header.base_fee) for block in blocks), encode_quantity(last_fee)],
        "gasUsedRatio": [block.header.gas_used / block.header.gas_limit for block in blocks],
        "baseFeePerBlobGas": [_BLOB_FEE] * (count + 1),
        "blobGasUsedRatio": [0] * count,
    }
    if percentiles:
        answer["reward"] = [
            [encode_quantity(tip) for tip in compute_rewards(block, client.chain.receipts(block), percentiles)]
            for block in blocks
        ]
    return answer


def read_tip(client: Client) -> int:
    """Wei per gas to offer beside the base fee."""
    head = client.chain.head.number
    return compute_tip(_read(client, number) for number in range(max(head - _SAMPLED_BLOCKS + 1, 0), head + 1))


def _read(client: Client, number: int) -> Block:
    block = client.chain.block_by_number(number)
    if block is None:
        raise refuse(f"block {number} is not kept")
    return block
