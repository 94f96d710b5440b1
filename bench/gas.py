"""Gas of every flow, as whole transactions."""

from __future__ import annotations

from bench.network import CONTAINER, FEATURES, GAS_PRICE, Bench, start_bench
from bench.page import Figure, at_most


async def measure_gas() -> list[Figure]:
    """Callback, delegated, redundancy 2, recurring subscription."""
    async with start_bench(block_time_s=None) as bench:
        receipt, output = await bench.ask()
        fresh = await _measure_delegated(bench)
        used = await _measure_delegated(bench)
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
