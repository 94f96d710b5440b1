"""What the methods answer beyond its shape: old blocks, filters, fees, the pool, traces, helpers for tests."""

from __future__ import annotations

from typing import Any

import pytest
from rpc_client import ALICE, BOB, GWEI, LOGGER, NOBODY, REASON, RpcClient, deployment, raw, sign

from infernet.vm.rpc.methods import DEVELOPMENT_METHODS, METHODS, infernet
from infernet.vm.transaction import LEGACY

WORD = "0x" + "00" * 31
TO = bytes.fromhex(NOBODY[2:])


async def deploy(rpc: RpcClient, runtime: str = LOGGER) -> str:
    receipt = await rpc.send(data=bytes.fromhex(deployment(runtime)[2:]))
    contract: str = receipt["contractAddress"]
    return contract


async def test_state_of_old_blocks_stays_readable(rpc: RpcClient) -> None:
    for value in (1, 2, 3):
        await rpc.send(to=TO, value=value)
    blocks: list[Any] = [await rpc("eth_getBlockByNumber", hex(number), False) for number in range(4)]
    assert [await rpc("eth_getBalance", NOBODY, hex(number)) for number in range(4)] == ["0x0", "0x1", "0x3", "0x6"]
    assert await rpc("eth_getBalance", NOBODY, {"blockHash": blocks[2]["hash"]}) == "0x3"
    assert await rpc("eth_getBalance", NOBODY, {"blockNumber": "0x1"}) == "0x1"
    assert await rpc("eth_getBalance", NOBODY, blocks[1]["hash"]) == "0x1"
    assert await rpc("eth_getBalance", NOBODY, "earliest") == "0x0"
    for tag in ("latest", "safe", "finalized", "pending", None):
        assert await rpc("eth_getBalance", NOBODY, tag) == "0x6"
    assert await rpc("eth_getTransactionCount", ALICE.address, "0x2") == "0x2"
    assert [block["parentHash"] for block in blocks[1:]] == [block["hash"] for block in blocks[:3]]


async def test_calls_read_the_block_that_they_name(rpc: RpcClient) -> None:
    number = "0x4360005260206000f3"
    contract = await deploy(rpc, number[2:])
    assert int(await rpc("eth_call", {"to": contract}, "0x1"), 16) in (1, 2)
    await rpc("anvil_mine", 5)
    assert await rpc("eth_call", {"to": contract}, "earliest") == "0x"
    later = int(await rpc("eth_call", {"to": contract}, "latest"), 16)
    assert later in (6, 7)
    assert await rpc("eth_call", {"to": contract}, "latest", {}, {"number": "0x77"}) == WORD + "77"


async def test_calls_assume_what_they_are_told_and_change_nothing(rpc: RpcClient) -> None:
    contract = await deploy(rpc)
    slot = WORD + "00"
    read = "0x60005460005260206000f3"
    overrides = {contract: {"code": read, "stateDiff": {slot: WORD + "07"}}}
    assert await rpc("eth_call", {"to": contract}, "latest", overrides) == WORD + "07"
    poor = {"from": NOBODY, "to": BOB.address, "value": "0x5"}
    assert (await rpc.refuses("eth_call", poor)).code == -32000
    assert await rpc("eth_call", poor, "latest", {NOBODY: {"balance": "0xffffffffffffffffff"}}) == "0x"
    assert await rpc("eth_estimateGas", poor, "latest", {NOBODY: {"balance": "0xffffffffffffffffff"}}) == "0x5208"
    assert await rpc("eth_getStorageAt", contract, "0x0") == slot
    await rpc("eth_call", {"to": contract})
    assert await rpc("eth_getStorageAt", contract, "0x0") == slot


async def test_an_estimate_is_enough_and_little_more(rpc: RpcClient) -> None:
    contract = await deploy(rpc)
    call = {"from": ALICE.address, "to": contract}
    estimate = int(await rpc("eth_estimateGas", call), 16)
    receipt = await rpc.send(to=bytes.fromhex(contract[2:]), gas=estimate)
    assert receipt["status"] == "0x1"
    assert int(receipt["gasUsed"], 16) <= estimate <= int(receipt["gasUsed"], 16) * 1.02


async def test_an_access_list_makes_slots_warm(rpc: RpcClient) -> None:
    contract = await deploy(rpc)
    answer = await rpc("eth_createAccessList", {"from": ALICE.address, "to": contract})
    assert answer["accessList"] == [{"address": contract, "storageKeys": [WORD + "00"]}]
    failed = await rpc("eth_createAccessList", {"from": ALICE.address, "data": REASON})
    assert failed["error"] == "execution reverted"


async def test_an_access_list_has_what_frames_touched_that_reverted(rpc: RpcClient) -> None:
    reads_and_reverts = await deploy(rpc, "6007545060ff315f5ffd")
    calls_it = await deploy(rpc, "5f5f5f5f5f73" + reads_and_reverts[2:] + "5af15000")
    answer = await rpc("eth_createAccessList", {"from": ALICE.address, "to": calls_it})
    assert answer["accessList"] == [
        {"address": "0x" + "00" * 19 + "ff", "storageKeys": []},
        {"address": reads_and_reverts, "storageKeys": [WORD + "07"]},
    ]


async def test_filters_tell_what_changed(rpc: RpcClient) -> None:
    contract = await deploy(rpc)
    blocks = await rpc("eth_newBlockFilter")
    pending = await rpc("eth_newPendingTransactionFilter")
    logs = await rpc("eth_newFilter", {"address": contract})
    receipt = await rpc.send(to=bytes.fromhex(contract[2:]))
    assert await rpc("eth_getFilterChanges", blocks) == [receipt["blockHash"]]
    assert await rpc("eth_getFilterChanges", pending) == [receipt["transactionHash"]]
    (log,) = await rpc("eth_getFilterChanges", logs)
    assert log == receipt["logs"][0]
    assert await rpc("eth_getFilterChanges", logs) == []
    assert [entry["data"] for entry in await rpc("eth_getFilterLogs", logs)] == [WORD + "2a"]
    assert [await rpc("eth_uninstallFilter", logs) for _ in range(2)] == [True, False]


async def test_logs_are_found_by_block_hash_and_by_topic(rpc: RpcClient) -> None:
    contract = await deploy(rpc)
    receipts = [await rpc.send(to=bytes.fromhex(contract[2:])) for _ in range(3)]
    (log,) = await rpc("eth_getLogs", {"blockHash": receipts[1]["blockHash"]})
    assert log["transactionHash"] == receipts[1]["transactionHash"]
    topic = {"fromBlock": "earliest", "topics": [WORD + "aa"]}
    assert len(await rpc("eth_getLogs", topic)) == 3
    assert await rpc("eth_getLogs", topic | {"topics": [None, WORD + "aa"]}) == []
    assert await rpc("eth_getLogs", topic | {"address": NOBODY}) == []
    assert len(await rpc("eth_getLogs", {"fromBlock": "0x3", "toBlock": "0x4"})) == 2
    assert len(await rpc("eth_getLogs", {})) == 1


async def test_fees_follow_what_is_mined(rpc: RpcClient) -> None:
    assert await rpc.number("eth_maxPriorityFeePerGas") == GWEI
    for tip in (3, 5, 7):
        await rpc.send(to=TO, max_priority_fee=tip * GWEI)
    assert await rpc.number("eth_maxPriorityFeePerGas") == 5 * GWEI
    history = await rpc("eth_feeHistory", 10, "latest", [0, 50, 100])
    assert history["oldestBlock"] == "0x0"
    assert [[int(tip, 16) // GWEI for tip in block] for block in history["reward"]] == [
        [tip] * 3 for tip in (0, 3, 5, 7)
    ]
    assert history["gasUsedRatio"] == [0, *[21_000 / 60_000_000] * 3]
    await rpc("evm_mine")
    head = await rpc("eth_getBlockByNumber", "latest", False)
    assert head["baseFeePerGas"] == history["baseFeePerGas"][-1]
    assert (await rpc("eth_feeHistory", "0x2", "0x1"))["baseFeePerGas"] == history["baseFeePerGas"][:3]
    price = await rpc.number("eth_gasPrice")
    assert price == int((await rpc("eth_feeHistory", "0x1", "latest"))["baseFeePerGas"][-1], 16) + 5 * GWEI


async def test_the_pool_is_shown(rpc: RpcClient) -> None:
    await rpc("evm_setAutomine", False)
    first = await rpc("eth_sendRawTransaction", sign(nonce=0, to=TO, value=1))
    later = await rpc("eth_sendRawTransaction", sign(nonce=5, data=b"\x00"))
    sender = ALICE.address.lower()
    assert await rpc("txpool_status") == {"pending": "0x1", "queued": "0x1"}
    content = await rpc("txpool_content")
    assert content["pending"][sender]["0"]["hash"] == first
    assert content["queued"][sender]["5"]["hash"] == later
    assert await rpc("txpool_contentFrom", ALICE.address) == {name: content[name][sender] for name in content}
    inspected = await rpc("txpool_inspect")
    assert inspected["pending"][sender]["0"] == f"{NOBODY}: 1 wei + 200000 gas × {10 * GWEI} wei"
    assert inspected["queued"][sender]["5"].startswith("contract creation: 0 wei")
    waiting = await rpc("eth_getTransactionByHash", first)
    assert (waiting["blockHash"], waiting["blockNumber"], waiting["value"]) == (None, None, "0x1")
    assert await rpc("eth_getTransactionReceipt", first) is None
    assert await rpc("eth_getTransactionCount", ALICE.address, "pending") == "0x1"
    assert await rpc("eth_getTransactionCount", ALICE.address, "latest") == "0x0"
    assert await rpc("eth_getBalance", NOBODY, "pending") == "0x1"
    pending = await rpc("eth_getBlockByNumber", "pending", True)
    assert (pending["hash"], pending["number"], [entry["hash"] for entry in pending["transactions"]]) == (
        None,
        "0x1",
        [first],
    )
    assert await rpc("anvil_dropTransaction", later) == later
    await rpc("anvil_dropAllTransactions")
    assert await rpc("txpool_status") == {"pending": "0x0", "queued": "0x0"}


async def test_blocks_and_transactions_are_found_by_every_name(rpc: RpcClient) -> None:
    receipt = await rpc.send(to=TO, value=1, kind=LEGACY)
    block_hash, tx_hash = receipt["blockHash"], receipt["transactionHash"]
    block = await rpc("eth_getBlockByHash", block_hash, True)
    assert block == await rpc("eth_getBlockByNumber", "0x1", True)
    transaction = await rpc("eth_getTransactionByHash", tx_hash)
    assert block["transactions"] == [transaction]
    assert await rpc("eth_getTransactionByBlockHashAndIndex", block_hash, "0x0") == transaction
    assert await rpc("eth_getTransactionByBlockNumberAndIndex", "latest", "0x0") == transaction
    assert await rpc("eth_getBlockTransactionCountByHash", block_hash) == "0x1"
    assert await rpc("eth_getUncleCountByBlockHash", block_hash) == "0x0"
    assert await rpc("eth_getUncleByBlockNumberAndIndex", "0x1", "0x0") is None
    assert await rpc("eth_getUncleByBlockHashAndIndex", block_hash, "0x0") is None
    assert await rpc("eth_getBlockReceipts", "0x1") == await rpc("eth_getBlockReceipts", block_hash) == [receipt]
    assert await rpc("eth_getRawTransactionByHash", tx_hash) == sign(nonce=0, to=TO, value=1, kind=LEGACY)
    header = await rpc("debug_getRawHeader", "0x1")
    assert await rpc("web3_sha3", header) == block_hash


async def test_traces_show_calls_within_calls(rpc: RpcClient) -> None:
    inner = await deploy(rpc)
    call = f"6000600060006000600073{inner[2:]}5af1"
    outer = await deploy(rpc, call + "00")
    receipt = await rpc.send(to=bytes.fromhex(outer[2:]))
    options = {"tracer": "callTracer", "tracerConfig": {"withLog": True}}
    trace = await rpc("debug_traceTransaction", receipt["transactionHash"], options)
    assert (trace["type"], trace["to"], trace["gasUsed"]) == ("CALL", outer, receipt["gasUsed"])
    (frame,) = trace["calls"]
    assert (frame["from"], frame["to"], frame["output"]) == (outer, inner, WORD + "2a")
    assert [log["data"] for log in frame["logs"]] == [WORD + "2a"]
    options["tracerConfig"] = {"onlyTopCall": True}
    assert "calls" not in await rpc("debug_traceTransaction", receipt["transactionHash"], options)
    blocks = [
        await rpc("debug_traceBlockByNumber", "latest", options),
        await rpc("debug_traceBlockByHash", receipt["blockHash"], options),
    ]
    assert blocks[0] == blocks[1]
    assert [entry["txHash"] for entry in blocks[0]] == [receipt["transactionHash"]]


async def test_a_trace_has_as_many_lines_as_were_asked_for(rpc: RpcClient) -> None:
    contract = await deploy(rpc)
    full = await rpc("debug_traceCall", {"to": contract}, "latest", {"enableMemory": True})
    assert [line["op"] for line in full["structLogs"]][:3] == ["PUSH1", "PUSH1", "SSTORE"]
    assert full["structLogs"][2]["storage"] == {WORD + "00": WORD + "01"}
    assert full["returnValue"] == WORD + "2a"
    short = await rpc(
        "debug_traceCall", {"to": contract}, "latest", {"limit": 2, "disableStack": True, "disableStorage": True}
    )
    assert [sorted(line) for line in short["structLogs"]] == [["depth", "gas", "gasCost", "op", "pc"]] * 2
    options = {"stateOverrides": {NOBODY: {"code": "0x" + LOGGER}}, "tracer": "callTracer"}
    assert (await rpc("debug_traceCall", {"to": NOBODY}, "latest", options))["output"] == WORD + "2a"


async def test_the_node_signs_for_its_accounts(rpc: RpcClient) -> None:
    request = {"from": ALICE.address, "to": NOBODY, "value": "0x5"}
    tx_hash = await rpc("eth_sendTransaction", request)
    transaction = await rpc("eth_getTransactionByHash", tx_hash)
    assert (transaction["type"], transaction["gas"], transaction["nonce"]) == ("0x2", "0x5208", "0x0")
    assert (await rpc("eth_getTransactionReceipt", tx_hash))["status"] == "0x1"
    legacy = await rpc("eth_signTransaction", request | {"gasPrice": hex(5 * GWEI)})
    mined = await rpc("eth_getTransactionByHash", await rpc("eth_sendRawTransaction", legacy))
    assert (mined["type"], mined["gasPrice"], mined["nonce"]) == ("0x0", hex(5 * GWEI), "0x1")
    refused = await rpc.refuses("eth_sendTransaction", {"from": ALICE.address, "data": REASON})
    assert (refused.code, refused.message) == (3, "execution reverted: nope")


async def test_what_an_account_cannot_pay_for_is_refused_in_geths_words(rpc: RpcClient) -> None:
    """ALICE has 10,000 ether."""
    dear, more = {"gasPrice": hex(10**22)}, {"value": hex(10**23)}
    request: dict[str, str] = {"from": ALICE.address, "to": NOBODY}
    for method in ("eth_sendTransaction", "eth_estimateGas"):
        assert (await rpc.refuses(method, request | dear)).message == "gas required exceeds allowance (1)"
        refused = await rpc.refuses(method, request | more | {"gasPrice": hex(GWEI)})
        assert refused.message.startswith("insufficient funds for transfer")
    refused = await rpc.refuses("eth_sendTransaction", request | dear | {"gas": "0x5208"})
    assert refused.message.startswith("insufficient funds for gas * price + value")
    rich = {ALICE.address: {"balance": hex(10**27)}}
    assert await rpc("eth_estimateGas", request | dear, "latest", rich) == "0x5208"


async def test_anybody_is_impersonated_and_no_longer(rpc: RpcClient) -> None:
    await rpc("anvil_setBalance", NOBODY, hex(10**18))
    request = {"from": NOBODY, "to": BOB.address, "value": "0x5"}
    assert (await rpc.refuses("eth_sendTransaction", request)).code == -32000
    await rpc("anvil_impersonateAccount", NOBODY)
    tx_hash = await rpc("eth_sendTransaction", request)
    receipt = await rpc("eth_getTransactionReceipt", tx_hash)
    assert (receipt["from"], receipt["status"]) == (NOBODY, "0x1")
    assert (await rpc("eth_getTransactionByHash", tx_hash))["from"] == NOBODY
    await rpc("hardhat_stopImpersonatingAccount", NOBODY)
    assert (await rpc.refuses("eth_sendTransaction", request)).code == -32000


async def test_time_goes_as_a_test_says(rpc: RpcClient) -> None:
    async def now() -> int:
        return int((await rpc("eth_getBlockByNumber", "latest", False))["timestamp"], 16)

    begin = await now()
    await rpc("evm_setNextBlockTimestamp", begin + 1000)
    await rpc("evm_mine")
    assert await now() == begin + 1000
    await rpc("evm_increaseTime", 500)
    await rpc("evm_mine")
    assert begin + 1500 <= await now() <= begin + 1510
    await rpc("evm_mine", begin + 5000)
    assert await now() == begin + 5000
    await rpc("evm_mine", {"blocks": 3})
    assert await rpc("eth_blockNumber") == "0x6"
    before = await now()
    await rpc("anvil_mine", "0x3", "0x64")
    assert await now() == before + 300


async def test_a_snapshot_brings_everything_back_once(rpc: RpcClient) -> None:
    snapshot = await rpc("evm_snapshot")
    receipt = await rpc.send(to=TO, value=5)
    assert await rpc("evm_revert", snapshot) is True
    assert await rpc("eth_blockNumber") == "0x0"
    assert await rpc("eth_getBalance", NOBODY) == "0x0"
    assert await rpc("eth_getTransactionReceipt", receipt["transactionHash"]) is None
    assert await rpc("eth_getTransactionCount", ALICE.address) == "0x0"
    assert await rpc("evm_revert", snapshot) is False


async def test_the_last_blocks_are_replaced(rpc: RpcClient) -> None:
    receipt = await rpc.send(to=TO, value=5)
    signed = await rpc("eth_getRawTransactionByHash", receipt["transactionHash"])
    await rpc("anvil_reorg", 1)
    block = await rpc("eth_getBlockByNumber", "0x1", False)
    assert (block["hash"] == receipt["blockHash"], block["transactions"]) == (False, [])
    assert await rpc("eth_getBlockByHash", receipt["blockHash"]) is None
    assert await rpc("eth_getTransactionByHash", receipt["transactionHash"]) is None
    await rpc("evm_mine")
    request = {"from": ALICE.address, "to": NOBODY, "value": "0x7"}
    await rpc("anvil_reorg", 2, [[signed, 0], [request, 1], [request, 1], [signed, 1]])
    again = await rpc("eth_getTransactionReceipt", receipt["transactionHash"])
    block = await rpc("eth_getBlockByNumber", "0x2", True)
    assert (again["blockNumber"], [transaction["value"] for transaction in block["transactions"]]) == (
        "0x1",
        ["0x7"] * 2,
    )
    error = await rpc.refuses("anvil_reorg", 2, [[signed, 2]])
    assert "places are below the depth" in error.message


async def test_blocks_stand_apart_by_what_is_set(rpc: RpcClient) -> None:
    async def fetch_time() -> int:
        return int((await rpc("eth_getBlockByNumber", "latest", False))["timestamp"], 16)

    start = await fetch_time()
    await rpc("anvil_setBlockTimestampInterval", 7)
    await rpc("anvil_mine", 2)
    assert await fetch_time() == start + 14
    assert [await rpc("anvil_removeBlockTimestampInterval") for _ in range(2)] == [True, False]


async def test_the_state_is_written_to(rpc: RpcClient) -> None:
    await rpc("hardhat_setCode", NOBODY, "0x60005460005260206000f3")
    await rpc("hardhat_setStorageAt", NOBODY, "0x0", WORD + "09")
    await rpc("hardhat_setNonce", NOBODY, "0x7")
    await rpc("hardhat_setBalance", NOBODY, "0x8")
    assert await rpc("eth_call", {"to": NOBODY}) == WORD + "09"
    assert await rpc("eth_getTransactionCount", NOBODY) == "0x7"
    assert await rpc("eth_getBalance", NOBODY) == "0x8"
    assert await rpc("eth_getCode", NOBODY) == "0x60005460005260206000f3"
    await rpc("hardhat_setNextBlockBaseFeePerGas", hex(5 * GWEI))
    await rpc("evm_mine")
    assert (await rpc("eth_getBlockByNumber", "latest", False))["baseFeePerGas"] == hex(5 * GWEI)
    proof = await rpc("eth_getProof", NOBODY, ["0x0", "0x1"])
    assert [entry["value"] for entry in proof["storageProof"]] == ["0x9", "0x0"]
    assert (proof["balance"], proof["nonce"]) == ("0x8", "0x7")


async def test_the_node_says_what_it_is(rpc: RpcClient) -> None:
    head = await rpc("eth_getBlockByNumber", "latest", False)
    assert (await rpc("web3_clientVersion")).startswith("infernet/v")
    assert await rpc("eth_coinbase") == head["miner"]
    assert (await rpc("eth_mining"), await rpc("eth_hashrate"), await rpc("net_peerCount")) == (True, "0x0", "0x0")
    metadata = await rpc("hardhat_metadata")
    assert (metadata["chainId"], metadata["latestBlockHash"]) == (31337, head["hash"])
    assert (await rpc("anvil_nodeInfo"))["environment"]["gasLimit"] == head["gasLimit"]


async def test_blocks_are_exported_with_their_records(rpc: RpcClient) -> None:
    await rpc.send(to=raw(BOB))
    assert await rpc("infernet_getSpcRecords", "latest") == []
    exported = await rpc("infernet_exportBlock", "0x1")
    assert (await rpc("debug_getRawHeader", "0x1"))[2:] in exported
    await rpc("anvil_mine", 5)
    assert await rpc("infernet_exportBlocks", "0x1", "0x1") == [exported]
    blocks = await rpc("infernet_exportBlocks", "0x0", "0xffff")
    assert (len(blocks), blocks[1]) == (7, exported)
    assert await rpc("infernet_exportBlocks", "0x7", "0x64") == []
    assert await rpc("infernet_exportBlocks", "0x1", "0x0") == []


async def test_an_export_is_no_larger_than_an_answer(rpc: RpcClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(infernet, "MAX_EXPORT_BYTES", 1500)
    await rpc("anvil_mine", 9)
    sizes = [len(await rpc("infernet_exportBlocks", hex(first), "0x64")) for first in (1, 8, 9)]
    assert sizes == [2, 2, 1]
    monkeypatch.setattr(infernet, "MAX_EXPORT_BYTES", 1)
    assert len(await rpc("infernet_exportBlocks", "0x1", "0x64")) == 1


@pytest.mark.parametrize("name", sorted(METHODS | DEVELOPMENT_METHODS))
async def test_every_method_answers_or_refuses(rpc: RpcClient, name: str) -> None:
    """With no parameters at all: no fault of ours, whatever is missing."""
    _, answer = await rpc.post({"jsonrpc": "2.0", "id": 1, "method": name})
    assert answer.get("error", {}).get("code") in (None, -32602, -32000)


async def test_a_reset_takes_everything_back(rpc: RpcClient) -> None:
    genesis = await rpc("eth_getBlockByNumber", "0x0", False)
    await rpc("anvil_setBalance", NOBODY, "0x5")
    contract = await deploy(rpc)
    await rpc("anvil_impersonateAccount", NOBODY)
    snapshot = await rpc("evm_snapshot")
    await rpc("evm_increaseTime", 10_000)
    await rpc("evm_setAutomine", False)
    waiting = await rpc("eth_sendRawTransaction", sign(BOB, nonce=0, to=TO, value=1))
    await rpc("anvil_mine", 200)  # more than states are kept for
    assert await rpc("anvil_reset") is None
    assert await rpc("eth_getBlockByNumber", "latest", False) == genesis
    assert await rpc("eth_getCode", contract, "latest") == "0x"
    assert await rpc("eth_getBalance", NOBODY, "latest") == "0x0"
    assert await rpc("eth_getTransactionByHash", waiting) is None
    assert await rpc("evm_revert", snapshot) is False
    assert (await rpc.refuses("eth_sendTransaction", {"from": NOBODY, "to": NOBODY})).message == "unknown account"
    assert (await rpc.refuses("anvil_reset", {"forking": {"jsonRpcUrl": "http://x"}})).code == -32602
    await rpc("evm_setAutomine", True)
    assert await deploy(rpc) == contract


async def test_all_accounts_are_impersonated_while_that_is_wanted(rpc: RpcClient) -> None:
    await rpc("anvil_setBalance", NOBODY, hex(10**18))
    sent = {"from": NOBODY, "to": NOBODY, "value": "0x1"}
    await rpc("anvil_autoImpersonateAccount", True)
    receipt = await rpc("eth_getTransactionReceipt", await rpc("eth_sendTransaction", sent))
    assert (receipt["status"], receipt["from"]) == ("0x1", NOBODY)
    await rpc("anvil_autoImpersonateAccount", False)
    assert (await rpc.refuses("eth_sendTransaction", sent)).message == "unknown account"


async def test_logs_say_when_they_were(rpc: RpcClient) -> None:
    contract = await deploy(rpc)
    for _ in range(3):
        await rpc.send(to=bytes.fromhex(contract[2:]))
        await rpc("evm_increaseTime", 100)
    logs = await rpc("eth_getLogs", {"fromBlock": "earliest"})
    blocks = [await rpc("eth_getBlockByNumber", log["blockNumber"], False) for log in logs]
    assert len(logs) == 3
    assert [log["blockTimestamp"] for log in logs] == [block["timestamp"] for block in blocks]
