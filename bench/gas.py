"""Gas of every flow, as whole transactions."""

from __future__ import annotations

import asyncio

from bench.network import CONTAINER, FEATURES, GAS_PRICE, Bench, start_bench
from bench.page import Figure, at_most
from infernet.client.async_client import build_subscription

BATCH = 10


async def measure_gas() -> list[Figure]:
    """Callback, delegated, redundancy 2, recurring subscription."""
    async with start_bench(block_time_s=None) as bench:
        receipt, output = await bench.ask()
        fresh = await _measure_delegated(bench)
        used = await _measure_delegated(bench)
        paid = await _measure_paid(bench)
        batch = await _measure_batch(bench)
        await bench.network.add_node()
        pair = await _measure_redundancy(bench)
    together = receipt.gas_used + output.gas_used
    return [
        Figure("gas, free callback: request", f"{receipt.gas_used:,}", peer="155,742"),
        Figure("gas, free callback: delivery", f"{output.gas_used:,}", peer="96,073"),
        Figure(
            "gas, free callback: together", f"{together:,}", peer="251,815", checks=(at_most("gas", together, 115_000),)
        ),
        Figure(
            "gas, delegated create + deliver, used bitmap word",
            f"{used:,}",
            peer="203,079",
            checks=(at_most("gas", used, 100_000),),
        ),
        Figure("gas, delegated create + deliver, fresh bitmap word", f"{fresh:,}", "≤ 117,100"),
        Figure("gas, paid callback: request", f"{paid[0]:,}", peer="196,227"),
        Figure("gas, paid callback: delivery", f"{paid[1]:,}", peer="146,487"),
        Figure("gas, paid callback: together", f"{sum(paid):,}", "≤ 165,000", "342,714"),
        Figure("gas, each further delivery in a batch", f"{batch:,}", "≤ 30,000", "one transaction each"),
        Figure("gas, redundancy 2: request, first, second delivery", _join(pair)),
        Figure("gas, recurring: create, first, second, last delivery", _join(await _measure_subscription())),
    ]


async def _measure_delegated(bench: Bench) -> int:
    """The one transaction that creates and answers a request signed off chain."""
    signed = await bench.client.sign_delegate(bench.consumer, CONTAINER, FEATURES, max_gas_price=GAS_PRICE)
    key = await bench.client.post_delegate(bench.network.nodes[0].api_url or "", signed)
    return (await bench.client.wait_output(key)).gas_used


async def _measure_redundancy(bench: Bench) -> list[int]:
    receipt, key = await bench.request(redundancy=2)
    outputs = [await bench.client.wait_output(key, redundancy=ordinal) for ordinal in (1, 2)]
    return [receipt.gas_used, *(output.gas_used for output in outputs)]


async def _measure_subscription() -> list[int]:
    """Three intervals, features read from the contract."""
    async with start_bench(block_time_s=1.0) as bench:
        client = bench.client
        await client.transact(bench.consumer, "SlotConsumer", "setFeatures", FEATURES)
        arguments = (CONTAINER, GAS_PRICE, bench.gas_limit, 3, 3, 1)
        receipt = await client.transact(bench.consumer, "SlotConsumer", "subscribe", *arguments)
        (key,) = client.read_created(receipt)
        outputs = [await client.wait_output(key, interval=interval) for interval in (1, 2, 3)]
    return [receipt.gas_used, *(output.gas_used for output in outputs)]


def _join(values: list[int]) -> str:
    return ", ".join(f"{value:,}" for value in values)


async def _measure_paid(bench: Bench) -> tuple[int, int]:
    """Request and delivery of the second paid callback: everybody's balance is there already."""
    client, fee = bench.client, 10**15
    await client.deposit(3 * fee, account=bench.consumer)
    measured = (0, 0)
    for _ in range(2):
        head = await client.chain.fetch_head()
        terms = build_subscription(
            bench.consumer, CONTAINER, FEATURES, active_at=head.timestamp, max_gas_price=GAS_PRICE,
            max_gas_limit=bench.gas_limit, fee=fee, deadline=head.timestamp + 3600,
        )  # fmt: skip
        receipt = await client.transact(bench.consumer, "SlotConsumer", "requestWithTerms", terms, CONTAINER, FEATURES)
        (key,) = client.read_created(receipt)
        measured = (receipt.gas_used, (await client.wait_output(key)).gas_used)
    return measured


async def _measure_batch(bench: Bench) -> int:
    """What each delivery but the first adds to a transaction of ten."""
    chain = bench.network.chain
    _, single = await bench.ask()
    await chain.set_automine(False)
    asking = [asyncio.create_task(bench.request()) for _ in range(BATCH)]
    await asyncio.sleep(1.0)  # all of them are waiting for the block then
    await chain.mine()
    keys = [key for _, key in await asyncio.gather(*asking)]
    await asyncio.sleep(1.0)
    await chain.set_automine(True)
    await chain.mine()
    outputs = {output.tx_hash: output for output in [await bench.client.wait_output(key) for key in keys]}
    if len(outputs) != 1:
        raise RuntimeError(f"{BATCH} deliveries took {len(outputs)} transactions")
    (batch,) = outputs.values()
    return round((batch.gas_used - single.gas_used) / (BATCH - 1))
