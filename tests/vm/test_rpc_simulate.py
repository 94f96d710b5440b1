"""`eth_simulateV1`: blocks that are imagined."""

from __future__ import annotations

from typing import Any

import pytest
from rpc_client import ALICE, BOB, FOREVER, GWEI, LOGGER, NOBODY, REASON, RpcClient, deployment

from infernet.vm.chain import Chain
from infernet.vm.genesis import Genesis
from infernet.vm.request import BlockOverride, CallFailed, CallRequest
from infernet.vm.simulation import BlockPlan, Terms
from infernet.vm.trace import TRANSFER_TOPIC

HERE = "0x" + "c0" * 20
COUNTER = "0x5f546001018060005560005260206000f3"
"""Code that adds one to slot 0 and returns it."""
NUMBER_AND_TIME = "0x43600052426020524860405260606000f3"
PARENT_HASH = "0x6001430340600052" + "60206000f3"
PAY_BOB_AND_FAIL = "0x5f5f5f5f600573" + BOB.address[2:].lower() + "5af15f5ffd"


def call(to: str | None = HERE, **fields: Any) -> dict[str, Any]:
    return {"from": ALICE.address, "to": to} | fields


def code(text: str, **fields: Any) -> dict[str, Any]:
    return {HERE: {"code": text} | fields}


async def simulate(rpc: RpcClient, *blocks: dict[str, Any], at: str = "latest", **options: bool) -> Any:
    return await rpc("eth_simulateV1", {"blockStateCalls": list(blocks)} | options, at)


def words(result: dict[str, Any]) -> list[int]:
    data = result["returnData"][2:]
    return [int(data[at : at + 64], 16) for at in range(0, len(data), 64)]


async def test_calls_build_on_one_another_and_nothing_is_kept(rpc: RpcClient) -> None:
    before = await rpc("eth_getBlockByNumber", "latest", False)
    first, second = await simulate(
        rpc, {"stateOverrides": code(COUNTER), "calls": [call(), call()]}, {"calls": [call()]}
    )
    assert [words(result) for block in (first, second) for result in block["calls"]] == [[1], [2], [3]]
    assert [(block["number"], block["parentHash"]) for block in (first, second)] == [
        ("0x1", before["hash"]),
        ("0x2", first["hash"]),
    ]
    assert first["stateRoot"] != second["stateRoot"]
    assert int(first["gasUsed"], 16) == sum(int(result["gasUsed"], 16) for result in first["calls"])
    assert await rpc("eth_getBlockByNumber", "latest", False) == before
    assert await rpc("eth_getCode", HERE, "latest") == "0x"


async def test_blocks_are_as_they_are_wanted_and_gaps_are_filled(rpc: RpcClient) -> None:
    start = await rpc.number("eth_blockNumber")
    time = int((await rpc("eth_getBlockByNumber", "latest", False))["timestamp"], 16)
    wanted = {"number": hex(start + 3), "time": hex(time + 1000), "baseFeePerGas": "0x7", "feeRecipient": NOBODY}
    blocks = await simulate(
        rpc,
        {"stateOverrides": code(NUMBER_AND_TIME), "calls": [call()]},
        {"blockOverrides": wanted, "calls": [call()]},
        {"stateOverrides": code(PARENT_HASH), "calls": [call()]},
    )
    assert [(int(block["number"], 16) - start, len(block["calls"])) for block in blocks] == [
        (1, 1),
        (2, 0),
        (3, 1),
        (4, 1),
    ]
    assert words(blocks[0]["calls"][0]) == [start + 1, time + 12, 0]
    assert words(blocks[2]["calls"][0]) == [start + 3, time + 1000, 7]
    assert blocks[2]["miner"] == NOBODY
    assert words(blocks[3]["calls"][0]) == [int(blocks[2]["hash"], 16)]


async def test_what_fails_is_an_answer(rpc: RpcClient) -> None:
    first, second = await simulate(
        rpc,
        {"stateOverrides": code(REASON), "calls": [call(), call(NOBODY, value="0x5")]},
        {"stateOverrides": code("0xfe"), "calls": [call(gas="0x7530")]},
    )
    (reverted, paid), (halted,) = first["calls"], second["calls"]
    assert (reverted["status"], reverted["error"]["code"]) == ("0x0", 3)
    assert reverted["error"]["message"] == "execution reverted: nope"
    assert reverted["error"]["data"] == reverted["returnData"]
    assert (paid["status"], halted["status"], halted["gasUsed"]) == ("0x1", "0x0", "0x7530")
    assert halted["error"] == {"code": -32015, "message": "invalid opcode: 0xfe"}


async def test_ethers_movements_are_shown_as_logs_where_they_lasted(rpc: RpcClient) -> None:
    calls = [call(NOBODY, value="0x5"), call(), call("0x" + "c1" * 20)]
    overrides = code(PAY_BOB_AND_FAIL, balance="0x64") | {"0x" + "c1" * 20: {"code": "0x" + LOGGER}}
    for traced in (True, False):
        (block,) = await simulate(rpc, {"stateOverrides": overrides, "calls": calls}, traceTransfers=traced)
        paid, failed, logged = block["calls"]
        assert (len(paid["logs"]), failed["logs"], len(logged["logs"])) == (int(traced), [], 1)
        assert logged["logs"][0]["logIndex"] == hex(int(traced))
        assert logged["logs"][0]["blockHash"] == block["hash"]
        assert logged["logs"][0]["transactionHash"] == block["transactions"][2]
        if traced:
            (log,) = paid["logs"]
            assert (log["address"], int(log["data"], 16)) == ("0x" + "ee" * 20, 5)
            assert log["topics"][0] == "0x" + TRANSFER_TOPIC.hex()
            assert [topic[-40:] for topic in log["topics"][1:]] == [ALICE.address[2:].lower(), NOBODY[2:]]


async def test_with_validation_it_is_what_the_block_is(rpc: RpcClient) -> None:
    data = deployment(LOGGER)
    fields = {"gas": hex(200_000), "maxFeePerGas": hex(3 * GWEI), "maxPriorityFeePerGas": "0x1", "nonce": "0x0"}
    time = int((await rpc("eth_getBlockByNumber", "latest", False))["timestamp"], 16) + 12
    (imagined,) = await simulate(
        rpc, {"calls": [call(None, input=data, **fields)]}, validation=True, returnFullTransactions=True
    )
    await rpc("evm_setNextBlockTimestamp", hex(time))
    tx_hash = await rpc("eth_sendTransaction", call(None, data=data, **fields))
    real = await rpc("eth_getBlockByNumber", "latest", True)
    receipt = await rpc("eth_getTransactionReceipt", tx_hash)
    same = ("number", "parentHash", "timestamp", "baseFeePerGas", "gasUsed", "stateRoot", "receiptsRoot", "mixHash")
    assert {name: imagined[name] for name in same} == {name: real[name] for name in same}
    assert imagined["calls"][0]["gasUsed"] == receipt["gasUsed"]
    assert imagined["transactions"][0]["from"] == real["transactions"][0]["from"]


async def test_what_could_stand_in_no_block_is_an_error(rpc: RpcClient) -> None:
    head = int((await rpc("eth_getBlockByNumber", "latest", False))["timestamp"], 16)
    fee = {"maxFeePerGas": hex(10 * GWEI), "gas": "0x5208"}
    poor = {"from": NOBODY, "to": HERE, "value": "0x1"}
    refusals: list[tuple[int, bool, list[dict[str, Any]]]] = [
        (-38011, True, [{"calls": [call(nonce="0x5", **fee)]}]),
        (-38010, True, [{"calls": [call(nonce="0x0", **fee), call(nonce="0x0", **fee)]}]),
        (-38012, True, [{"calls": [call()]}]),
        (-38013, False, [{"calls": [call(gas="0x5207")]}]),
        (-38014, False, [{"calls": [poor]}]),
        (-38015, False, [{"blockOverrides": {"gasLimit": "0x7530"}, "calls": [call(gas="0x7531")]}]),
        (-38020, False, [{"blockOverrides": {"number": "0x5"}}, {"blockOverrides": {"number": "0x5"}}]),
        (-38021, False, [{"blockOverrides": {"time": hex(head)}}]),
        (-38026, False, [{"blockOverrides": {"number": hex(258)}}]),
        (-32602, False, [{"calls": [{"from": 5}]}]),
    ]
    for expected, strict, blocks in refusals:
        refused = await rpc.refuses("eth_simulateV1", {"blockStateCalls": blocks, "validation": strict}, "latest")
        assert refused.code == expected, refused
    assert len(await simulate(rpc, {"blockOverrides": {"number": hex(256)}})) == 256


async def test_contracts_may_send(rpc: RpcClient) -> None:
    sent = {"from": HERE, "to": NOBODY, "value": "0x2", "nonce": "0x63"}
    (block,) = await simulate(rpc, {"stateOverrides": code(COUNTER, balance="0x5"), "calls": [sent, sent]})
    assert [result["status"] for result in block["calls"]] == ["0x1", "0x1"]


def test_all_together_end_in_time() -> None:
    chain = Chain(Genesis(), limit_s=0.2)
    endless = CallRequest(to=None, data=bytes.fromhex(FOREVER[2:]))
    terms = Terms(is_strict=False, with_transfers=False, gas=60_000_000)
    few = Terms(is_strict=False, with_transfers=False, gas=100_000)
    try:
        with pytest.raises(CallFailed, match="it takes longer"):
            chain.simulate([BlockPlan(BlockOverride(), {}, [endless] * 3)], "pending", terms)
        with pytest.raises(CallFailed, match="execution aborted"):
            chain.simulate([BlockPlan(BlockOverride(), {}, [CallRequest(to=bytes(20))] * 3_000)], 0, terms)
        (block,) = chain.simulate([BlockPlan(BlockOverride(), {}, [endless])], 0, few)
        assert (block.results[0].error, block.results[0].gas_used) == ("out of gas", 100_000)
    finally:
        chain.close()
