"""What strangers send: a standard error each time, no effect, and the chain goes on."""

from __future__ import annotations

from typing import Any

import pytest
from rpc_client import ALICE, BOB, FOREVER, GWEI, LOGGER, NOBODY, REASON, RpcClient, deployment, sign

from infernet.vm.rpc import Limits
from infernet.vm.transaction import ACCESS_LIST, LEGACY

TO = b"\x01" * 20
ETHER = 10**18


async def is_untouched(rpc: RpcClient) -> bool:
    """Nothing was mined or taken, and the next transaction is."""
    status = await rpc("txpool_status")
    if status != {"pending": "0x0", "queued": "0x0"} or await rpc("eth_blockNumber") != "0x0":
        return False
    return (await rpc.send(to=TO, value=1))["status"] == "0x1"


@pytest.mark.parametrize(
    "raw_transaction",
    [
        "0x",
        "0x12",
        "0xc0",
        "0x02c0",
        "0x05c0",
        "0xff" * 1,
        "0xf8",
        "0xbf" + "ff" * 8,
        sign(nonce=0, to=TO)[:-2],
        sign(nonce=0, to=TO) + "00",
        "0x" + "f8" * 1000,
        "0x" + "c1" * 5000,
        "0x02" + "c1" * 5000,
    ],
)
async def test_malformed_transactions_are_refused(rpc: RpcClient, raw_transaction: str) -> None:
    error = await rpc.refuses("eth_sendRawTransaction", raw_transaction)
    assert error.code == -32000
    assert "rlp" in error.message or "typed transaction" in error.message or "type not supported" in error.message
    assert await is_untouched(rpc)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"chain_id": 1}, "invalid chain id"),
        ({"gas": 20_999}, "intrinsic gas too low"),
        ({"gas": 60_000_001}, "gas limit"),
        ({"gas": 2**64 - 1}, "gas limit"),
        ({"max_fee": 1, "max_priority_fee": 0}, "max fee per gas less than block base fee"),
        ({"max_fee": GWEI, "max_priority_fee": 2 * GWEI}, "max priority fee per gas higher than max fee per gas"),
        ({"value": 10**30}, "insufficient funds for gas * price + value"),
        ({"value": 10_000 * ETHER}, "insufficient funds for gas * price + value"),
        ({"kind": LEGACY, "max_fee": 10**40}, "insufficient funds|higher than"),
        ({"kind": ACCESS_LIST, "chain_id": 5}, "invalid chain id"),
        ({"to": None, "data": b"\x00" * 49_153, "gas": 10_000_000}, "initcode|init code"),
        ({"data": b"\x01" * 2**20, "gas": 60_000_000}, "oversized|gas"),
        ({"data": b"\x01" * 1_000, "gas": 30_000}, "intrinsic gas too low|floor data gas"),
    ],
)
async def test_transactions_that_cannot_be_mined_are_refused(rpc: RpcClient, fields: dict[str, Any], said: str) -> None:
    error = await rpc.refuses("eth_sendRawTransaction", sign(**({"nonce": 0, "to": TO} | fields)))
    assert error.code == -32000
    assert any(words in error.message for words in said.split("|")), error.message
    assert await is_untouched(rpc)


async def test_a_nonce_that_is_used_up_is_refused(rpc: RpcClient) -> None:
    await rpc.send(to=TO)
    error = await rpc.refuses("eth_sendRawTransaction", sign(nonce=0, to=TO, value=1))
    assert (error.code, "nonce too low" in error.message) == (-32000, True)
    assert await rpc("eth_blockNumber") == "0x1"


async def test_a_transaction_that_is_known_is_refused(rpc: RpcClient) -> None:
    await rpc("evm_setAutomine", False)
    await rpc("eth_sendRawTransaction", sign(nonce=0, to=TO))
    assert "already known" in (await rpc.refuses("eth_sendRawTransaction", sign(nonce=0, to=TO))).message


async def test_a_replacement_must_pay_more(rpc: RpcClient) -> None:
    await rpc("evm_setAutomine", False)
    await rpc("eth_sendRawTransaction", sign(nonce=0, to=TO))
    error = await rpc.refuses("eth_sendRawTransaction", sign(nonce=0, to=TO, value=1))
    assert (error.code, error.message) == (-32000, "replacement transaction underpriced")
    dearer = sign(nonce=0, to=TO, value=2, max_fee=20 * GWEI, max_priority_fee=2 * GWEI)
    tx_hash = await rpc("eth_sendRawTransaction", dearer)
    await rpc("evm_mine")
    assert (await rpc("eth_getTransactionReceipt", tx_hash))["status"] == "0x1"
    assert await rpc("eth_getBalance", "0x" + TO.hex()) == "0x2"


async def test_a_gap_of_nonces_waits_and_holds_nobody_up(rpc: RpcClient) -> None:
    later = await rpc("eth_sendRawTransaction", sign(nonce=1, to=TO))
    assert await rpc("txpool_status") == {"pending": "0x0", "queued": "0x1"}
    assert (await rpc.send(BOB, to=TO))["status"] == "0x1"
    assert await rpc("eth_getTransactionReceipt", later) is None
    assert await rpc("eth_getTransactionCount", ALICE.address, "pending") == "0x0"
    await rpc("eth_sendRawTransaction", sign(nonce=0, to=TO))
    assert (await rpc("eth_getTransactionReceipt", later))["status"] == "0x1"


async def test_a_megabyte_of_calldata_is_called_with_and_estimated(rpc: RpcClient) -> None:
    call = {"from": ALICE.address, "to": NOBODY, "data": "0x" + "01" * 2**20}
    error = await rpc.refuses("eth_estimateGas", call)  # 42 million gas at 40 a byte: more than a transaction may have
    assert error.code == -32000
    assert await is_untouched(rpc)


async def test_a_constructor_that_reverts_says_why_and_leaves_nothing(rpc: RpcClient) -> None:
    call = {"from": ALICE.address, "data": REASON}
    for method in ("eth_call", "eth_estimateGas"):
        error = await rpc.refuses(method, call)
        assert (error.code, error.message) == (3, "execution reverted: nope")
        assert error.data.startswith("0x08c379a0")
    receipt = await rpc.send(data=bytes.fromhex(REASON[2:]))
    assert (receipt["status"], receipt["logs"]) == ("0x0", [])
    assert await rpc("eth_getCode", receipt["contractAddress"]) == "0x"
    assert await rpc("eth_getTransactionCount", ALICE.address) == "0x1"


async def test_a_revert_without_words_has_empty_data(rpc: RpcClient) -> None:
    error = await rpc.refuses("eth_call", {"data": "0x60006000fd"})
    assert (error.code, error.message, error.data) == (3, "execution reverted", "0x")
    error = await rpc.refuses("eth_estimateGas", {"data": "0x60006000fd"})
    assert (error.code, error.message, error.data) == (3, "execution reverted", "0x")


async def test_code_that_halts_is_no_revert(rpc: RpcClient) -> None:
    error = await rpc.refuses("eth_call", {"data": "0xfe"})
    assert (error.code, "invalid" in error.message.lower()) == (-32000, True)
    error = await rpc.refuses("eth_call", {"data": FOREVER, "gas": "0x30000"})
    assert (error.code, error.message) == (-32000, "out of gas")


async def test_logs_of_everything_are_too_many(rpc: RpcClient) -> None:
    contract = (await rpc.send(data=bytes.fromhex(deployment(LOGGER)[2:])))["contractAddress"]
    for _ in range(4):
        await rpc.send(to=bytes.fromhex(contract[2:]))
    everything = {"fromBlock": "earliest", "toBlock": "latest"}
    assert len(await rpc("eth_getLogs", everything)) == 4
    assert await rpc("eth_getLogs", everything | {"toBlock": "0xffffffff"}) == await rpc("eth_getLogs", everything)
    assert await rpc("eth_getLogs", {"fromBlock": "0xffff"}) == []


@pytest.mark.parametrize("served", [{"limits": Limits(logs=3)}], indirect=True)
async def test_a_query_over_the_limit_says_what_to_do(rpc: RpcClient) -> None:
    contract = (await rpc.send(data=bytes.fromhex(deployment(LOGGER)[2:])))["contractAddress"]
    for _ in range(4):
        await rpc.send(to=bytes.fromhex(contract[2:]))
    error = await rpc.refuses("eth_getLogs", {"fromBlock": "earliest"})
    assert (error.code, "more than 3 results: ask for fewer blocks" in error.message) == (-32005, True)
    assert len(await rpc("eth_getLogs", {"fromBlock": "0x2", "toBlock": "0x4"})) == 3


@pytest.mark.parametrize(
    ("method", "params", "said"),
    [
        ("eth_getBalance", [], "missing value for required argument 0 (address)"),
        ("eth_getBalance", ["0x12"], "invalid argument 0 (address): an address has 20 bytes"),
        ("eth_getBalance", [NOBODY, "newest"], "invalid argument 1 (block)"),
        ("eth_getBalance", [NOBODY, "latest", 1], "too many arguments"),
        ("eth_getStorageAt", [NOBODY, "0x" + "1" * 65], "invalid argument 1 (slot)"),
        ("eth_getTransactionByHash", ["0x12"], "invalid argument 0 (transaction hash): a hash has 32 bytes"),
        ("eth_getBlockByNumber", ["0x0", "yes"], "invalid argument 1 (full transactions): want true or false"),
        ("eth_call", ["0x"], "invalid argument 0 (transaction): want an object"),
        ("eth_call", [{"to": "me"}], "invalid argument 0 (transaction): to: "),
        ("eth_call", [{}, "latest", {"0x12": {}}], "invalid argument 2 (state overrides): 0x12: "),
        ("eth_getLogs", [{"topics": ["0x12"]}], "invalid argument 0 (filter): topics: "),
        ("eth_getLogs", [{"fromBlock": "0x5", "toBlock": "0x1"}], "invalid block range params"),
        ("eth_feeHistory", ["0x1", "latest", [50, 10]], "ascending"),
        ("eth_feeHistory", ["0x1", "latest", [101]], "from 0 to 100"),
        ("eth_feeHistory", ["0x1", "latest", [50] * 101], "at most 100"),
        ("eth_getProof", [NOBODY, ["0x1"] * 1025, "latest"], "at most 1024 slots"),
        ("eth_newFilter", [{"blockHash": "0x" + "00" * 32}], "no blockHash"),
        ("debug_traceTransaction", ["0x" + "00" * 32, {"tracer": "myTracer"}], "callTracer"),
        ("eth_sendTransaction", [{"to": NOBODY}], "from: it is missing"),
        ("evm_increaseTime", [-1], "invalid argument 0 (seconds)"),
        ("evm_setNextBlockTimestamp", [1], "timestamp"),
        ("anvil_mine", ["0xffffffff"], "at most 10000 blocks"),
        ("anvil_reorg", ["0x5"], "the chain has 0 blocks"),
        ("anvil_reorg", ["0x5", [1]], "invalid argument 1 (transactions): want pairs"),
        ("anvil_reorg", ["0x5", 1], "invalid argument 1 (transactions): want a list"),
        ("anvil_reorg", ["0x5", [["0x1", 0]]], "invalid argument 1 (transactions): want bytes"),
        ("anvil_setBlockTimestampInterval", [-1], "invalid argument 0 (seconds)"),
        ("web3_sha3", ["0x1"], "invalid argument 0 (data)"),
    ],
)
async def test_a_wrong_parameter_is_named(rpc: RpcClient, method: str, params: list[Any], said: str) -> None:
    error = await rpc.refuses(method, *params)
    assert error.code == -32602
    assert said in error.message


@pytest.mark.parametrize(
    ("method", "params", "said"),
    [
        ("eth_getBalance", [NOBODY, "0xffff"], "header not found"),
        ("eth_call", [{}, {"blockHash": "0x" + "00" * 32}], "header not found"),
        ("eth_getLogs", [{"blockHash": "0x" + "00" * 32}], "unknown block"),
        ("eth_feeHistory", ["0x1", "0xffff", []], "beyond head"),
        ("eth_getFilterChanges", ["0x1"], "filter not found"),
        ("eth_getFilterLogs", ["0x1"], "filter not found"),
        ("debug_traceTransaction", ["0x" + "00" * 32], "transaction not found"),
        ("debug_traceBlockByNumber", ["0xffff"], "block not found"),
        ("infernet_getSpcRecords", ["0xffff"], "header not found"),
        ("infernet_exportBlock", ["pending"], "header not found"),
        ("eth_signTypedData_v4", [ALICE.address, {"types": 5}], "typed data"),
        ("eth_sign", [NOBODY, "0x12"], "unknown account"),
        ("eth_call", [{"from": NOBODY, "to": NOBODY, "value": "0x1"}], "insufficient funds"),
        ("eth_estimateGas", [{"from": NOBODY, "to": NOBODY, "value": "0x1"}], "insufficient funds"),
    ],
)
async def test_what_the_chain_does_not_have_is_said_so(
    rpc: RpcClient, method: str, params: list[Any], said: str
) -> None:
    error = await rpc.refuses(method, *params)
    assert (error.code, said in error.message) == (-32000, True), error.message


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("eth_getBlockByNumber", ["0xffff"]),
        ("eth_getBlockByHash", ["0x" + "00" * 32]),
        ("eth_getTransactionByHash", ["0x" + "00" * 32]),
        ("eth_getTransactionReceipt", ["0x" + "00" * 32]),
        ("eth_getBlockReceipts", ["0xffff"]),
        ("eth_getBlockTransactionCountByNumber", ["0xffff"]),
        ("eth_getTransactionByBlockNumberAndIndex", ["latest", "0x5"]),
        ("eth_getUncleCountByBlockHash", ["0x" + "00" * 32]),
    ],
)
async def test_what_was_never_there_is_null(rpc: RpcClient, method: str, params: list[Any]) -> None:
    assert await rpc(method, *params) is None


async def test_a_sender_without_an_account_has_no_funds(rpc: RpcClient) -> None:
    await rpc("anvil_setBalance", ALICE.address, "0x0")
    error = await rpc.refuses("eth_sendRawTransaction", sign(nonce=0, to=TO))
    assert "insufficient funds for gas * price + value" in error.message
