"""The execution layer through its JSON-RPC: a process of its own, its chain on disk, 32 requests at a time."""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from bench.page import Figure, at_least, at_most
from infernet.app.deployment import plan_suite
from infernet.chain.artifacts import load_artifact
from infernet.chain.local import DEV_ACCOUNTS, LOCAL_CHAIN_ID
from infernet.protocol.calldata import encode_deliver_model_output
from infernet.protocol.events import SubscriptionCreated, decode_event
from infernet.protocol.hashing import ZERO_ADDRESS, to_address
from infernet.types import Hash32, Interval, Log, TxHash
from infernet.vm.transaction import FEE_MARKET, sign_transaction

TRANSFERS, DELIVERIES, CALLS, AT_ONCE = 1_000, 400, 300, 32
FEE = 10**10
COORDINATOR = next(part.address for part in plan_suite() if part.name == "EIP712Coordinator")


@dataclass
class Layer:
    """A running layer, and how many transactions each account has sent."""

    url: str
    http: aiohttp.ClientSession
    nonces: dict[int, int]

    async def ask(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with self.http.post(self.url, json=body) as response:
            answer = await response.json()
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def sign(self, account: int, to: str | None, data: bytes, gas: int) -> str:
        nonce = self.nonces.get(account, 0)
        self.nonces[account] = nonce + 1
        transaction = sign_transaction(
            FEE_MARKET,
            DEV_ACCOUNTS[account].private_key,
            chain_id=LOCAL_CHAIN_ID,
            nonce=nonce,
            gas=gas,
            max_fee=FEE,
            to=None if to is None else bytes.fromhex(to[2:]),
            data=data,
        )
        return "0x" + transaction.raw.hex()

    async def send_all(self, raws: Sequence[str]) -> tuple[float, list[str]]:
        """Seconds until every one was mined, and their hashes."""
        waiting, hashes = list(reversed(raws)), []

        async def send() -> None:
            while waiting:
                hashes.append(await self.ask("eth_sendRawTransaction", waiting.pop()))

        started = time.perf_counter()
        await asyncio.gather(*(send() for _ in range(AT_ONCE)))
        return time.perf_counter() - started, hashes


async def measure_layer() -> list[Figure]:
    """Start, transfers, deliveries, calls."""
    async with _start() as (layer, ready_s):
        ready = Figure(
            "execution layer: start to ready, the suite in its first block",
            f"{ready_s:.1f} s",
            checks=(at_most("seconds", ready_s, 3),),
        )
        return [ready, *[await part(layer) for part in (_measure_transfers, _measure_deliveries, _measure_calls)]]


async def _measure_transfers(layer: Layer) -> Figure:
    raws = [
        layer.sign(0, to_address((0x10000 + number).to_bytes(20, "big")), b"", 21_000) for number in range(TRANSFERS)
    ]
    return await _measure(layer, "transfers", raws, 150)


async def _measure_deliveries(layer: Layer) -> Figure:
    """Free one-time answers whose consumer writes one slot."""
    artifact = load_artifact("SlotConsumer")
    deployment = artifact.encode_deployment([COORDINATOR, ZERO_ADDRESS])
    _, (tx_hash,) = await layer.send_all([layer.sign(1, None, deployment, 5_000_000)])
    consumer = (await layer.ask("eth_getTransactionReceipt", tx_hash))["contractAddress"]
    request = artifact.encode_call("request", ("model", bytes(32), FEE, 300_000, 1))
    await layer.send_all([layer.sign(1, consumer, request, 500_000) for _ in range(DELIVERIES)])
    logs = await layer.ask("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest", "address": COORDINATOR})
    created = [event for event in map(_decode, logs) if isinstance(event, SubscriptionCreated)]
    outputs = [
        encode_deliver_model_output(event.id, Interval(1), event.subscription, bytes(32), b"") for event in created
    ]
    return await _measure(
        layer, "Coordinator deliveries", [layer.sign(2, COORDINATOR, data, 500_000) for data in outputs], 60
    )


async def _measure_calls(layer: Layer) -> Figure:
    request = {
        "to": COORDINATOR,
        "data": "0x" + load_artifact("EIP712Coordinator").encode_call("DELIVERY_OVERHEAD_WEI", ()).hex(),
    }
    taken_ms = []
    for _ in range(CALLS):
        started = time.perf_counter()
        await layer.ask("eth_call", request, "latest")
        taken_ms.append((time.perf_counter() - started) * 1000)
    p50 = statistics.median(taken_ms)
    what = "execution layer: `eth_call` of a view of the Coordinator, p50"
    return Figure(what, f"{p50:.1f} ms", checks=(at_most("ms", p50, 5),))


async def _measure(layer: Layer, what: str, raws: Sequence[str], goal: int) -> Figure:
    seconds, hashes = await layer.send_all(raws)
    receipts = [await layer.ask("eth_getTransactionReceipt", tx_hash) for tx_hash in hashes]
    failed = sum(receipt["status"] != "0x1" for receipt in receipts)
    if failed:
        raise RuntimeError(f"{failed} of {len(raws)} {what} failed")
    blocks = len({receipt["blockNumber"] for receipt in receipts})
    rate = len(raws) / seconds
    shown = f"{rate:,.0f} a second ({len(raws)} in {blocks} blocks, on disk)"
    return Figure(f"execution layer: {what} through JSON-RPC", shown, checks=(at_least("a second", rate, goal),))


def _decode(log: dict[str, Any]) -> object:
    topics = tuple(bytes.fromhex(topic[2:]) for topic in log["topics"])
    data, number = bytes.fromhex(log["data"][2:]), int(log["blockNumber"], 16)
    block_hash, tx_hash = (bytes.fromhex(log[name][2:]) for name in ("blockHash", "transactionHash"))
    return decode_event(Log(to_address(log["address"]), topics, data, number, Hash32(block_hash), TxHash(tx_hash), 0))


@asynccontextmanager
async def _start() -> AsyncIterator[tuple[Layer, float]]:
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        program = str(Path(sys.executable).with_name("infernet"))
        options = ("chain", "run", "--dev", "--port", "0", "--data", str(Path(folder) / "chain"))
        process = await asyncio.create_subprocess_exec(program, *options, stdout=asyncio.subprocess.PIPE)
        if process.stdout is None:
            raise RuntimeError("no output of the layer")
        try:
            url = (await process.stdout.readline()).decode().split()[1]
            async with aiohttp.ClientSession() as http:
                layer = Layer(url, http, {})
                await layer.ask("eth_blockNumber")
                yield layer, time.perf_counter() - started
        finally:
            process.terminate()
            await process.wait()
