"""Real clients, unmodified: each deploys a contract and calls it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from needs import need
from rpc_client import ALICE, BOB, CAROL, RpcClient
from web3 import AsyncHTTPProvider, AsyncWeb3, WebSocketProvider
from web3.exceptions import ContractCustomError, ContractLogicError

from infernet.chain.anvil_binary import find_anvil

HERE = Path(__file__).parent
CONTRACTS = HERE.parents[1] / "contracts"
SEARCHED = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
"""Node.js stands beside Python where it comes from PyPI."""


def find_tool(name: str) -> Path:
    """forge or cast, which stand beside anvil."""
    anvil = find_anvil()
    need(anvil is not None, "no foundry: run `make setup`")
    assert anvil is not None
    folder = next((CONTRACTS / "node_modules" / "@foundry-rs").glob(f"{name}-*"), None)
    need(folder is not None, f"no {name}: run `make setup`")
    assert folder is not None
    return folder / "bin" / name


async def run_tool(*arguments: str | Path, folder: Path = HERE, **variables: str | Path) -> str:
    """What a program prints, in this folder and with these environment variables.

    Raises:
        AssertionError: it fails.
    """
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("ETH_", "FOUNDRY_"))}
    inherited["PATH"] = SEARCHED
    process = await asyncio.create_subprocess_exec(
        *map(str, arguments),
        cwd=folder,
        env=inherited | {key: str(value) for key, value in variables.items()},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), 100)
    except BaseException:
        process.kill()
        await process.wait()
        raise
    assert process.returncode == 0, f"{arguments[0]} failed:\n{output.decode()}\n{errors.decode()}"
    return output.decode().strip()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The guestbook's folder of artifacts."""
    folder = tmp_path_factory.mktemp("guestbook")
    forge = [find_tool("forge"), "build", "--out", folder / "out", "--cache-path", folder / "cache"]
    asyncio.run(run_tool(*forge, folder=HERE / "forge"))
    return folder


@pytest.fixture(scope="module")
def artifact(built: Path) -> Path:
    return built / "out" / "Guestbook.sol" / "Guestbook.json"


@pytest.fixture(scope="module")
def guestbook(artifact: Path) -> dict[str, Any]:
    """Its ABI and bytecode."""
    found: dict[str, Any] = json.loads(artifact.read_text())
    return found


def ws(rpc: RpcClient) -> str:
    return rpc.url.replace("http", "ws", 1)


@pytest.mark.chain
async def test_web3_py(rpc: RpcClient, guestbook: dict[str, Any]) -> None:
    w3 = AsyncWeb3(AsyncHTTPProvider(rpc.url))
    account = Account.from_key(BOB.private_key)
    factory = w3.eth.contract(abi=guestbook["abi"], bytecode=guestbook["bytecode"]["object"])

    async def send(call: Any) -> Any:
        fields = {"from": account.address, "nonce": await w3.eth.get_transaction_count(account.address)}
        transaction = await call.build_transaction(fields)
        tx_hash = await w3.eth.send_raw_transaction(account.sign_transaction(transaction).raw_transaction)
        return await w3.eth.wait_for_transaction_receipt(tx_hash, poll_latency=0.02)

    deployed = await send(factory.constructor("hello from web3.py"))
    book = w3.eth.contract(address=deployed["contractAddress"], abi=guestbook["abi"])
    async with AsyncWeb3(WebSocketProvider(ws(rpc))) as socket:
        await socket.eth.subscribe("logs", {"address": book.address})
        receipt = await send(book.functions.sign("again"))
        note = await asyncio.wait_for(anext(socket.socket.process_subscriptions()), 10)
    assert book.events.Signed().process_log(note["result"])["args"]["message"] == "again"
    assert (receipt["status"], receipt["type"]) == (1, 2)
    assert [event["args"]["entry"] for event in await book.events.Signed.get_logs(from_block=0)] == [1, 2]
    assert await book.functions.messages(2).call() == "again"
    with pytest.raises(ContractCustomError):
        await book.functions.sign("").call()
    with pytest.raises(ContractLogicError, match="the book is closed"):
        await book.functions.refuse().call()
    sent = await book.functions.sign("unlocked").transact({"from": ALICE.address})
    assert (await w3.eth.wait_for_transaction_receipt(sent))["status"] == 1
    entry_filter = await book.events.Signed.create_filter(from_block="latest")
    await send(book.functions.sign("filtered"))
    assert [event["args"]["message"] for event in await entry_filter.get_new_entries()] == ["filtered"]
    await w3.provider.disconnect()


@pytest.mark.chain
@pytest.mark.parametrize(
    ("client", "expected"),
    [
        (
            "viem",
            {
                "pushed": ["again"],
                "status": "success",
                "provenEntries": 2,
                "legacyType": "legacy",
                "fees": 3,
                "simulated": [["success", "3"], ["success", "imagined"], ["failure", None]],
                "spent": [["ETH", -5]],
            },
        ),
        (
            "ethers",
            {"pushed": ["again"], "polled": ["again"], "status": 1, "balance": "5", "hasFees": True, "storage": 2},
        ),
    ],
)
async def test_javascript(rpc: RpcClient, artifact: Path, client: str, expected: dict[str, Any]) -> None:
    need((HERE / "js" / "node_modules" / client).exists(), f"no {client}: run `make setup`")
    key = "0x" + CAROL.private_key.hex()
    node = shutil.which("node", path=SEARCHED)
    need(node is not None, "no Node.js: run `make setup`")
    output = await run_tool(node or "", HERE / "js" / f"{client}.mjs", rpc.url, ws(rpc), artifact, key)
    seen = json.loads(output)
    shared = {
        "entries": 2,
        "message": "again",
        "logs": [f"hello from {client}", "again"],
        "errors": {"custom": "NothingSaid", "text": "the book is closed"},
    }
    assert {key: seen.get(key) for key in shared | expected} == shared | expected
    assert len(await rpc("eth_getCode", seen["address"])) > 100


@pytest.mark.chain
async def test_cast(rpc: RpcClient, guestbook: dict[str, Any]) -> None:
    async def cast(*arguments: str) -> str:
        command, *rest = arguments
        return await run_tool(find_tool("cast"), command, "--rpc-url", rpc.url, *rest)

    key = ("--private-key", "0x" + BOB.private_key.hex())
    code = guestbook["bytecode"]["object"]
    greeting = (await run_tool(find_tool("cast"), "abi-encode", "f(string)", "hello from cast"))[2:]
    deployed = json.loads(await cast("send", *key, "--json", "--create", code + greeting))
    book = deployed["contractAddress"]
    receipt = json.loads(await cast("send", *key, "--json", book, "sign(string)", "again", "--value", "3"))
    assert receipt["status"] == "0x1"
    assert json.loads(await cast("send", *key, "--json", "--legacy", book, "sign(string)", "older"))["type"] == "0x0"
    assert await cast("call", book, "entries()(uint256)") == "3"
    assert await cast("call", book, "messages(uint256)(string)", "2") == '"again"'
    assert await cast("balance", book) == "3"
    assert await cast("nonce", BOB.address) == "3"
    assert await cast("chain-id") == "31337"
    logs = json.loads(await cast("logs", "--from-block", "0", "--address", book, "--json"))
    assert ["616761696e" in log["data"] for log in logs] == [False, True, False]
    assert json.loads(await cast("proof", book, "0x0", "--json"))["storageProof"][0]["value"] == "0x3"
    estimated = await cast("estimate", "--from", BOB.address, book, "sign(string)", "more")
    assert int(estimated) > 21_000
    with pytest.raises(AssertionError, match="the book is closed"):
        await cast("call", book, "refuse()")


@pytest.mark.chain
@pytest.mark.timeout(300)
async def test_forge_script_broadcast(rpc: RpcClient, built: Path) -> None:
    output = await run_tool(
        *(find_tool("forge"), "script", "script/Open.s.sol", "--broadcast", "--rpc-url", rpc.url, "--slow"),
        *("--private-key", "0x" + CAROL.private_key.hex(), "--out", built / "out", "--cache-path", built / "cache"),
        folder=HERE / "forge",
        FOUNDRY_BROADCAST=built / "broadcast",
    )
    assert "ONCHAIN EXECUTION COMPLETE & SUCCESSFUL" in output
    logs = await rpc("eth_getLogs", {"fromBlock": "earliest"})
    assert [bytes.fromhex(log["data"][2:])[64:].rstrip(b"\0").decode() for log in logs] == [
        "opened by a script",
        "second",
        "third",
    ]
    assert await rpc("eth_getBalance", logs[0]["address"]) == hex(10**18)


async def test_what_metamask_asked_is_answered_as_it_was(rpc: RpcClient) -> None:
    """Recorded from its own controllers, which took these answers: `metamask/record.mjs`."""
    recorded = json.loads((HERE / "metamask" / "recorded.json").read_text())
    assert recorded["shown"]["transactions"][-1] == "cancel confirmed"
    await rpc("evm_setAutomine", False)
    await rpc("eth_sendRawTransaction", recorded["setup"])
    await rpc("evm_mine")
    for step in recorded["steps"]:
        if step["mined"]:
            await rpc("evm_mine")
        for request in step["requests"]:
            answer = await rpc(request["method"], *[await fill(rpc, value) for value in request["params"]])
            seen = {"fields": list(answer)} if isinstance(answer, dict) else {"result": answer}
            assert request == request | seen, f"{step['title']}: {request['method']}"


async def fill(rpc: RpcClient, value: Any) -> Any:
    """A block's hash for `$BLOCK` and its number: only it depends on when the chain began."""
    if not isinstance(value, str) or not value.startswith("$BLOCK"):
        return value
    return (await rpc("eth_getBlockByNumber", hex(int(value.removeprefix("$BLOCK"))), False))["hash"]
