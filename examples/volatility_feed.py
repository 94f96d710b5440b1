"""A contract asks every week how much the S&P 500 will swing in the next, and takes margins by the answer.

    pip install 'infernet[workflows]' arch
    python examples/volatility_feed.py

It trains examples/workflows/volatility.py on the years to 2011, starts a local chain and a node that serves the
champion, and gives contracts/src/examples/VolatilityFeed.sol the closing prices of the last quarter of 2018 as they
came. The chain's clock is moved from week to week. A margin covers three standard deviations.
This is what it prints:

    trained: Theil's U is 0.83 on the years since 2012, which the model has not seen
    on            the week was    forecast    came   margin of 1,000,000
    2018-10-05            1.1%        1.4%    4.1%                42,960
    2018-10-12            4.1%        3.2%    2.7%                97,089
    2018-10-19            2.7%        2.8%    4.1%                82,767
    2018-10-26            4.1%        3.7%    2.4%               112,266
    2018-11-02            2.4%        2.6%    2.5%                77,847
    2018-11-09            2.5%        2.4%    2.4%                70,908
    2018-11-16            2.4%        2.4%    3.0%                72,885
    2018-11-26            3.0%        2.7%    2.7%                80,610
    2018-12-03            2.7%        1.9%    4.0%                57,723
    2018-12-11            4.0%        3.3%    2.9%               100,041
    2018-12-18            2.9%        3.6%    6.4%               108,135
    2018-12-26            6.4%        4.6%    1.2%               138,126
    off by 1.3% on average; to expect each week to be as the one before: by 1.7%
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import structlog
from arch.data import sp500

from infernet.app.network import LocalNetwork, start_network
from infernet.client import AsyncClient
from infernet.settings import ContainerSettings, MlflowSettings
from infernet.types import Address, Timestamp
from infernet.workflows.tracker import open_tracker
from infernet.workflows.trainer import run_training
from infernet.workflows.workflow import load_workflow

WORKFLOW = Path(__file__).parent / "workflows" / "volatility.py"
CONTAINER = "volatility"
FIRST_DAY, WEEKS, DAYS = "2018-10-01", 12, 5
HISTORY = 250
"""Days whose prices the contract has been given before."""
WEEK_S = 7 * 24 * 3600
PRICE_UNIT, SWING_UNIT = 10**8, 10**6
WORTH = 1_000_000


def train(tracking_uri: str) -> None:
    trained = run_training(load_workflow(WORKFLOW), tracker=open_tracker(tracking_uri))
    print(f"trained: Theil's U is {trained.score:.2f} on the years since 2012, which the model has not seen")


def compute_swing(prices: pd.Series) -> float:
    """Of the week after the first of these prices."""
    return float(np.sqrt((prices.pct_change().dropna() ** 2).sum()))


async def forecast(network: LocalNetwork, feed: Address, prices: pd.Series, start: int) -> None:
    """Week by week: its prices, a forecast of the next, and what then came."""
    client, stored = network.client, [round(price * PRICE_UNIT) for price in prices]
    await client.transact(feed, "VolatilityFeed", "addPrices", stored[start - HISTORY : start])
    await client.transact(feed, "VolatilityFeed", "start", WEEK_S, WEEKS)
    subscription = await client.read(feed, "VolatilityFeed", "subscriptionId")
    errors = []
    print(f"{'on':<12}{'the week was':>14}{'forecast':>12}{'came':>8}{f'margin of {WORTH:,}':>22}")
    for interval in range(1, WEEKS + 1):
        day = start + interval * DAYS
        await client.transact(feed, "VolatilityFeed", "addPrices", stored[day - DAYS : day])
        now = (await client.chain.fetch_head()).timestamp
        await network.chain.set_next_timestamp(Timestamp(now + WEEK_S))
        await network.chain.mine()
        swing = await wait_forecast(client, feed, subscription, interval) / SWING_UNIT
        margin = await client.read(feed, "VolatilityFeed", "quoteMargin", WORTH)
        was, came = (compute_swing(prices[end - DAYS - 1 : end]) for end in (day, day + DAYS))
        errors.append((abs(swing - came), abs(was - came)))
        print(f"{prices.index[day - 1].date()!s:<12}{was:>14.1%}{swing:>12.1%}{came:>8.1%}{margin:>22,}")
    forecast_error, naive_error = np.mean(errors, axis=0)
    print(f"off by {forecast_error:.1%} on average; to expect each week to be as the one before: by {naive_error:.1%}")


async def wait_forecast(client: AsyncClient, feed: Address, subscription: int, interval: int) -> int:
    async with asyncio.timeout(60):
        while True:
            if found := await client.read(feed, "VolatilityFeed", "forecasts", subscription, interval):
                return int(found)
            await asyncio.sleep(0.05)


async def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        tracking_uri = f"sqlite:///{folder / 'mlflow.db'}"
        train(tracking_uri)
        network = await stack.enter_async_context(
            start_network(
                [ContainerSettings(id=CONTAINER, kind="model", model="models:/volatility@champion")],
                folder / "store",
                block_time_s=None,
                mlflow=MlflowSettings(tracking_uri=tracking_uri),
            )
        )
        prices = sp500.load()["Close"]
        feed = await network.client.deploy("VolatilityFeed", network.coordinator, CONTAINER)
        await forecast(network, feed, prices, int(prices.index.searchsorted(pd.Timestamp(FIRST_DAY))))


if __name__ == "__main__":
    asyncio.run(main())
