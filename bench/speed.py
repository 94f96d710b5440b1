"""Latency, throughput and calls of a running node."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import structlog

from bench.network import Bench, start_bench
from bench.page import Figure, at_least, at_most
from infernet.chain.fees import compute_fees
from infernet.chain.sending import Message, build_transaction, submit
from infernet.compute.model import ModelContainer
from infernet.models.store import ModelStore
from infernet.protocol.events import SUBSCRIPTION_FULFILLED
from infernet.protocol.model_codec import encode_features
from infernet.types import Gas, Log, Receipt, TxHash
from infernet.workflows.digits import train_digits

BURST = 100
LATENCY_REQUESTS = 30
IDLE_S = 5.0
MODEL_RUNS = 500


class BroadcastTimes:
    """When the node broadcast which job: a structlog processor."""

    def __init__(self) -> None:
        self.by_subscription: dict[Any, float] = {}

    def __call__(self, _: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
        if event["event"] == "output.broadcast":
            self.by_subscription[event["job"].subscription] = time.perf_counter()
        raise structlog.DropEvent


async def measure_latency() -> list[Figure]:
    """From the moment a block holds the request to the moment the node has broadcast the delivery."""
    times = BroadcastTimes()
    structlog.configure(processors=[times])
    taken_ms = []
    async with start_bench(block_time_s=None, poll_interval_s=0.02) as bench:
        for _ in range(LATENCY_REQUESTS):
            mined_s, receipt = await _request_at(bench)
            (key,) = bench.client.read_created(receipt)
            await bench.client.wait_output(key)
            taken_ms.append((times.by_subscription[key] - mined_s) * 1000)
    p50, p90 = statistics.median(taken_ms), statistics.quantiles(taken_ms, n=10)[-1]
    what = f"request mined → delivery broadcast, p50 (p90) of {LATENCY_REQUESTS}, polling every 20 ms"
    return [Figure(what, f"{p50:.0f} ms ({p90:.0f} ms)", "≤ 50 ms", "about 1 s")]


async def _request_at(bench: Bench) -> tuple[float, Receipt]:
    """Ask on a chain that mines at once; the time is taken when the chain has answered the broadcast."""
    client = bench.client
    message = Message(bench.consumer, bench.encode_request())
    tx_hash = await submit(client.chain, bench.network.user, message, client.chain_id)
    mined_s = time.perf_counter()
    return mined_s, await _wait(bench, tx_hash)


async def _wait(bench: Bench, tx_hash: TxHash) -> Receipt:
    while True:
        (receipt,) = await bench.client.chain.fetch_receipts([tx_hash])
        if receipt is not None:
            return receipt
        await asyncio.sleep(0.001)


async def measure_burst() -> list[Figure]:
    """100 requests in one block, 1 s blocks after it."""
    async with start_bench(block_time_s=1.0) as bench:
        client, node = bench.client, bench.network.nodes[0]
        await asyncio.sleep(1.5)  # the warm-up's delivery has been seen
        hashes = await _submit_burst(bench)
        sent_before = await client.chain.fetch_nonce(node.address)
        calls_before = Counter(node.rpcs[0].calls)
        await bench.network.chain.mine()
        began_s = time.perf_counter()
        await bench.network.chain.set_interval(1)
        requested = (await _wait(bench, hashes[0])).block_number
        delivered = await _wait_for_deliveries(bench, requested)
        took_s = time.perf_counter() - began_s
        calls = (Counter(node.rpcs[0].calls) - calls_before).total()
        sent = await client.chain.fetch_nonce(node.address) - sent_before
    blocks = max(entry.block_number for entry in delivered) - requested
    reverted = sent - len({entry.tx_hash for entry in delivered})
    return [
        Figure(
            f"burst of {BURST} callbacks, one account, 1 s blocks",
            f"{len(delivered)} delivered within {blocks} block(s), {len(delivered) / took_s:.0f} a second, "
            f"{reverted} reverted",
            "≥ 100 a second",
            "97, 2.1 a second, 28 % reverted",
            (
                at_least("delivered", len(delivered), BURST),
                at_least("a second", len(delivered) / took_s, 30),
                at_most("reverted", reverted, 0),
            ),
        ),
        Figure(
            "RPC calls per delivery in the burst",
            f"{calls / len(delivered):.1f}",
            "≤ 6",
            "61",
            (at_most("calls", calls / len(delivered), 10),),
        ),
    ]


async def _wait_for_deliveries(bench: Bench, since: int) -> list[Log]:
    """The deliveries' logs, when all are there."""
    chain, found = bench.client.chain, list[Log]()
    async with asyncio.timeout(60):
        while len(found) < BURST:
            await asyncio.sleep(0.05)
            head = await chain.fetch_head()
            topics = [[SUBSCRIPTION_FULFILLED.topic]]
            found = await chain.fetch_logs([bench.network.coordinator], since, head.number, topics)
    return found


async def _submit_burst(bench: Bench) -> list[TxHash]:
    """Requests in the pool of a chain that does not mine."""
    chain, client, user = bench.network.chain, bench.client, bench.network.user
    await chain.set_interval(0)
    await chain.set_automine(False)
    head = await client.chain.fetch_head()
    first = await client.chain.fetch_nonce(user.address)
    message, fees = Message(bench.consumer, bench.encode_request()), compute_fees(head.base_fee)
    signed = [
        user.sign_transaction(build_transaction(message, client.chain_id, first + number, Gas(250_000), fees))
        for number in range(BURST)
    ]
    for error in await client.chain.submit_many([tx.raw for tx in signed]):
        if error is not None:
            raise error
    return [tx.hash for tx in signed]


async def measure_calls() -> list[Figure]:
    """What a node with the default pause of 1 s between two looks costs its endpoint."""
    async with start_bench(block_time_s=1.0, poll_interval_s=1.0) as bench:
        calls = bench.network.nodes[0].rpcs[0].calls
        await asyncio.sleep(2)
        before = calls.total()
        await asyncio.sleep(IDLE_S)
        idle = (calls.total() - before) / IDLE_S
        before = calls.total()
        await bench.ask()
        await asyncio.sleep(1.5)
        one = calls.total() - before
    return [
        Figure(
            "RPC calls around one callback, its polling and logs included, polling every 1 s",
            f"{one}",
            peer="61",
            checks=(at_most("calls", one, 10),),
        ),
        Figure("RPC calls a second with nothing to do, polling every 1 s", f"{idle:.1f}", "≤ 1.5", "7.4"),
    ]


async def measure_blocks() -> list[Figure]:
    """Blocks between the request's and the delivery's."""
    async with start_bench(block_time_s=1.0) as bench:
        waits = []
        for _ in range(5):
            receipt, output = await bench.ask()
            waits.append(output.block_number - receipt.block_number)
    what = "blocks from request to delivery, 1 s blocks, polling ten times a block"
    return [Figure(what, f"{statistics.mean(waits):.1f}", "1", "2")]


async def measure_model() -> list[Figure]:
    """One run of a small model through its worker process."""
    with tempfile.TemporaryDirectory() as folder:
        trained = await asyncio.to_thread(train_digits, Path(folder) / "digits")
        model = ModelStore(Path(folder) / "store").add(trained.folder)
        features = encode_features(model.manifest, {"pixels": trained.pixels[:1]})
        container = ModelContainer(model.manifest, model.folder)
        await container.start()
        try:
            taken_us = [await _time_run(container, features) for _ in range(MODEL_RUNS)]
        finally:
            await container.stop()
    what = f"the digits model in its worker process, p50 of {MODEL_RUNS} runs"
    return [Figure(what, f"{statistics.median(taken_us):.0f} µs")]


async def _time_run(container: ModelContainer, features: bytes) -> float:
    began = time.perf_counter()
    await container.run(features)
    return (time.perf_counter() - began) * 1e6
