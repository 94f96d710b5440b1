"""The same requests to this chain and to anvil: what is determined is equal, the rest has the same shape."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from rpc_client import ALICE, BOB, GWEI, LOGGER, NOBODY, REASON, Refused, RpcClient, deployment, raw, sign

from infernet.chain.anvil import AnvilChain
from infernet.vm.transaction import ACCESS_LIST, LEGACY, SET_CODE, Access, Authorization

pytestmark = pytest.mark.chain

WORD = "0x" + "00" * 32
_HEX = re.compile(r"0x[0-9a-f]*")

OURS_ALONE = {
    "blockTimestamp",  # in a log and a pending transaction; anvil has it in some of them
    "revertReason",
    "refund",
}
"""Members that anvil leaves out here and there, and geth has."""
ANVILS_ALONE = {"blobGasPrice", "blobGasUsed", "blockTimestamp", "totalDifficulty", "authorizationList", "refund"}
"""Members that geth has not, or only where they say something."""


@dataclass
class Pair:
    """Both chains after the same transactions."""

    ours: RpcClient
    anvil: RpcClient
    contract: str = ""
    hashes: tuple[str, ...] = ()

    async def ask(self, method: str, *params: Any) -> tuple[Any, Any]:
        """The answers of both; an error as its code and data."""
        return await _ask(self.ours, method, params), await _ask(self.anvil, method, params)


async def _ask(rpc: RpcClient, method: str, params: tuple[Any, ...]) -> Any:
    try:
        return await rpc(method, *params)
    except Refused as error:
        return {"refused": error.code, "data": error.data}


@pytest.fixture
async def pair(rpc: RpcClient) -> AsyncIterator[Pair]:
    async with AnvilChain(block_gas_limit=60_000_000) as chain, RpcClient(chain.rpc_url) as anvil:
        pair = Pair(rpc, anvil)
        receipts = [await pair_setup(rpc), await pair_setup(anvil)]
        assert receipts[0] == receipts[1]
        pair.contract, pair.hashes = receipts[0]
        yield pair


async def pair_setup(rpc: RpcClient) -> tuple[str, tuple[str, ...]]:
    """A deployment and a call, in every type of transaction; the contract's address and the hashes.

    anvil gives its first block the base fee of genesis, where EIP-1559 has it an eighth lower.
    """
    await rpc("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    deployed = await rpc.send(data=bytes.fromhex(deployment(LOGGER)[2:]))
    contract: str = deployed["contractAddress"]
    to = bytes.fromhex(contract[2:])
    hashes = [deployed["transactionHash"]]
    access = (Access(to, (bytes(32),)),)
    for fields in (
        {"kind": LEGACY},
        {"kind": ACCESS_LIST, "access_list": access},
        {"value": 5, "access_list": access},
        {"kind": SET_CODE, "authorizations": (Authorization(31337, to, 9, 0, 1, 1),)},
        {"to": None, "data": bytes.fromhex(REASON[2:])},
    ):
        hashes.append((await rpc.send(**({"to": to} | fields)))["transactionHash"])
    return contract, tuple(hashes)


def shape(value: Any) -> Any:
    """What kind of value it is: member by member, hexadecimal by whether its width is fixed."""
    if isinstance(value, dict):
        return {key: shape(member) for key, member in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    if isinstance(value, str) and _HEX.fullmatch(value):
        return len(value) if len(value) in (42, 66, 514) else "hex"
    return type(value).__name__


def align(ours: Any, anvils: Any) -> tuple[Any, Any]:
    """Without the members that one of them is known to have alone."""
    if isinstance(ours, dict) and isinstance(anvils, dict):
        left = {key: value for key, value in ours.items() if key in anvils or key not in OURS_ALONE}
        right = {key: value for key, value in anvils.items() if key in ours or key not in ANVILS_ALONE}
        pairs = {key: align(left[key], right[key]) for key in left.keys() & right.keys()}
        return left | {key: pair[0] for key, pair in pairs.items()}, right | {
            key: pair[1] for key, pair in pairs.items()
        }
    if isinstance(ours, list) and isinstance(anvils, list) and len(ours) == len(anvils):
        pairs_ = [align(*entry) for entry in zip(ours, anvils, strict=True)]
        return [pair[0] for pair in pairs_], [pair[1] for pair in pairs_]
    return ours, anvils


CALL = {"from": ALICE.address, "to": "CONTRACT"}
EQUAL: list[tuple[str, list[Any]]] = [
    ("eth_chainId", []),
    ("net_version", []),
    ("net_listening", []),
    ("eth_syncing", []),
    ("eth_accounts", []),
    ("eth_blockNumber", []),
    ("web3_sha3", ["0x1234"]),
    ("eth_getBalance", [NOBODY, "latest"]),
    ("eth_getTransactionCount", [ALICE.address, "latest"]),
    ("eth_getTransactionCount", [ALICE.address, "pending"]),
    ("eth_getTransactionCount", [ALICE.address, "0x1"]),
    ("eth_getCode", ["CONTRACT", "latest"]),
    ("eth_getStorageAt", ["CONTRACT", "0x0", "latest"]),
    ("eth_getStorageAt", ["CONTRACT", WORD, "latest"]),
    ("eth_getTransactionByHash", ["0x" + "ff" * 32]),
    ("eth_getBlockTransactionCountByNumber", ["latest"]),
    ("eth_getUncleCountByBlockNumber", ["latest"]),
    ("eth_call", [CALL, "latest"]),
    ("eth_call", [{"data": REASON}, "latest"]),
    ("eth_call", [{"to": NOBODY}, "latest", {NOBODY: {"code": "0x" + LOGGER}}]),
    ("eth_call", [{"to": NOBODY}, "latest", {NOBODY: {"code": "0x4360005260206000f3"}}, {"number": "0x99"}]),
    ("eth_estimateGas", [{"from": ALICE.address, "to": BOB.address, "value": "0x1"}]),
    ("eth_createAccessList", [CALL, "latest"]),
    ("eth_sign", [ALICE.address, "0x68656c6c6f"]),
    ("personal_sign", ["0x68656c6c6f", ALICE.address]),
    ("eth_feeHistory", ["0x3", "latest", [10, 50, 90]]),
    ("eth_blobBaseFee", []),
    ("txpool_status", []),
    ("txpool_content", []),
    ("eth_uninstallFilter", ["0x1"]),
    ("eth_getRawTransactionByHash", ["HASH"]),
    ("debug_traceCall", [CALL, "latest", {"enableMemory": True, "enableReturnData": True}]),
    ("anvil_setBalance", [NOBODY, "0x5"]),
    ("anvil_setNonce", [NOBODY, "0x5"]),
    ("anvil_setCode", [NOBODY, "0x6000"]),
    ("anvil_setStorageAt", [NOBODY, "0x0", "0x" + "00" * 31 + "05"]),
    ("hardhat_setBalance", [NOBODY, "0x5"]),
    ("anvil_impersonateAccount", [NOBODY]),
    ("anvil_stopImpersonatingAccount", [NOBODY]),
    ("anvil_autoImpersonateAccount", [True]),
    ("anvil_autoImpersonateAccount", [False]),
    ("anvil_getAutomine", []),
    ("anvil_getIntervalMining", []),
    ("anvil_dropTransaction", ["0x" + "ff" * 32]),
    ("evm_mine", []),
    ("anvil_mine", ["0x2"]),
    ("evm_revert", ["0x99"]),
    ("evm_setAutomine", [True]),
    ("evm_setNextBlockTimestamp", ["0x7fffffff"]),
    ("anvil_setNextBlockBaseFeePerGas", ["0x5"]),
]
ALIKE: list[tuple[str, list[Any]]] = [
    ("debug_traceCall", [{"data": REASON}, "latest", {"tracer": "callTracer"}]),
    ("evm_snapshot", []),
    ("web3_clientVersion", []),
    ("eth_gasPrice", []),
    ("eth_maxPriorityFeePerGas", []),
    ("eth_estimateGas", [CALL]),
    ("eth_getBlockByNumber", ["latest", False]),
    ("eth_getBlockByNumber", ["0x1", True]),
    ("eth_getBlockReceipts", ["latest"]),
    ("eth_getTransactionByBlockNumberAndIndex", ["0x1", "0x0"]),
    ("eth_getLogs", [{"fromBlock": "earliest"}]),
    ("eth_newFilter", [{}]),
    ("eth_newBlockFilter", []),
    ("eth_newPendingTransactionFilter", []),
    ("eth_getProof", ["CONTRACT", [WORD], "latest"]),
    ("debug_traceBlockByNumber", ["latest", {"tracer": "callTracer"}]),
    ("evm_increaseTime", [10]),
    ("anvil_nodeInfo", []),
    ("eth_signTransaction", [{"from": ALICE.address, "to": BOB.address, "gas": "0x5208"}]),
]


@pytest.mark.timeout(300)
async def test_answers_are_anvils(pair: Pair) -> None:
    names = {"CONTRACT": pair.contract, "HASH": pair.hashes[2]}

    def fill(value: Any) -> Any:
        if isinstance(value, list):
            return [fill(entry) for entry in value]
        if isinstance(value, dict):
            return {key: fill(entry) for key, entry in value.items()}
        return names.get(value, value) if isinstance(value, str) else value

    unlike = []
    for method, params in EQUAL:
        ours, anvils = align(*await pair.ask(method, *fill(params)))
        if ours != anvils:
            unlike.append(f"{method} {params}:\n  ours  {ours}\n  anvil {anvils}")
    for method, params in ALIKE:
        ours, anvils = align(*await pair.ask(method, *fill(params)))
        if shape(ours) != shape(anvils):
            unlike.append(f"{method} {params}:\n  ours  {ours}\n  anvil {anvils}")
    assert not unlike, "\n".join(unlike)


DETERMINED = (
    *("type", "status", "cumulativeGasUsed", "logsBloom", "transactionHash", "transactionIndex", "gasUsed"),
    *("effectiveGasPrice", "from", "to", "contractAddress", "blockNumber"),
)


async def test_transactions_and_receipts_of_every_type_are_anvils(pair: Pair) -> None:
    for tx_hash in pair.hashes:
        ours, anvils = align(*await pair.ask("eth_getTransactionByHash", tx_hash))
        for block_field in ("blockHash", "blockTimestamp"):
            ours.pop(block_field, None)
            anvils.pop(block_field, None)
        assert ours == anvils
        ours, anvils = align(*await pair.ask("eth_getTransactionReceipt", tx_hash))
        assert ours.keys() == anvils.keys()
        assert {key: ours[key] for key in DETERMINED} == {key: anvils[key] for key in DETERMINED}
        for pair_of_logs in zip(ours["logs"], anvils["logs"], strict=True):
            ours_log, anvils_log = align(*pair_of_logs)
            for log_ in (ours_log, anvils_log):
                log_.pop("blockHash")
                log_.pop("blockTimestamp", None)
            assert ours_log == anvils_log


async def test_call_traces_of_every_type_are_anvils_but_for_the_gas_they_began_with(pair: Pair) -> None:
    """anvil leaves the intrinsic gas out of `gas`; geth, as we, does not."""
    for tx_hash in pair.hashes:
        ours, anvils = align(*await pair.ask("debug_traceTransaction", tx_hash, {"tracer": "callTracer"}))
        for trace in (ours, anvils):
            trace.pop("gas")
        assert ours == anvils


async def test_typed_data_are_signed_alike(pair: Pair) -> None:
    typed_data = {
        "types": {
            "EIP712Domain": [{"name": "name", "type": "string"}, {"name": "chainId", "type": "uint256"}],
            "Mail": [{"name": "to", "type": "address"}, {"name": "words", "type": "string[]"}],
        },
        "primaryType": "Mail",
        "domain": {"name": "Post", "chainId": "31337"},
        "message": {"to": BOB.address, "words": ["a", "b"]},
    }
    ours, anvils = await pair.ask("eth_signTypedData_v4", ALICE.address, typed_data)
    assert ours == anvils
    assert len(ours) == 132


async def test_refusals_have_anvils_words_where_wallets_read_them(pair: Pair) -> None:
    to = raw(BOB)
    for fields, words in (
        ({"nonce": 0, "to": to}, "nonce too low"),
        ({"nonce": 6, "to": to, "gas": 20_000}, "intrinsic gas too low"),
        ({"nonce": 6, "to": to, "value": 10**30}, "insufficient funds"),
        (
            {"nonce": 6, "to": to, "max_fee": GWEI, "max_priority_fee": 2 * GWEI},
            "max priority fee per gas higher than max fee",
        ),
    ):
        for rpc in (pair.ours, pair.anvil):
            assert words in (await rpc.refuses("eth_sendRawTransaction", sign(**fields))).message.lower()


async def test_imagined_calls_do_what_they_do_on_anvil(pair: Pair) -> None:
    """Of the blocks around them anvil fills in little."""
    sent = {"from": ALICE.address, "to": pair.contract}
    plans = [{"calls": [sent, sent | {"to": BOB.address, "value": "0x5"}, sent | {"gas": "0x5300"}]}, {"calls": [sent]}]
    ours, anvils = await pair.ask("eth_simulateV1", {"blockStateCalls": plans, "traceTransfers": True}, "latest")
    assert isinstance(anvils, list), anvils
    assert isinstance(ours, list), ours
    assert [[summarize_call(call) for call in block["calls"]] for block in ours] == [
        [summarize_call(call) for call in block["calls"]] for block in anvils
    ]


def summarize_call(call: dict[str, Any]) -> tuple[Any, ...]:
    logs = [(log["address"], log["topics"], log["data"]) for log in call["logs"]]
    return call["status"], call["gasUsed"], call["returnData"], logs
