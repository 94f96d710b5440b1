"""How much will the S&P 500 swing next week? Learned from twelve years of real daily prices, judged by the seven after.

    pip install 'infernet[workflows]' arch
    infernet train examples/workflows/volatility.py

A swing is one standard deviation of a week's return: 0.02 is 2 %. There is one row for each week, so that no held-out
week was learned from. Theil's U compares the forecasts with "as this week, so next week": it is below 1 where they are
better. contracts/src/examples/VolatilityFeed.sol asks this model every week; examples/volatility_feed.py runs it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from arch.data import sp500
from sklearn.linear_model import LinearRegression

from infernet.workflows import Export, Metric, Rows, Table, TrainingWorkflow

DAYS, WARM_UP = 5, 60


def build_features(prices: pd.Series) -> pd.DataFrame:
    """What VolatilityFeed.sol measures of the same prices: averages that forget in about a week, or about a month."""
    returns = prices.pct_change().dropna()

    def smooth(values: pd.Series, weight: float) -> pd.Series:
        return values.ewm(alpha=weight, adjust=False).mean()

    swings = {name: (DAYS * smooth(returns**2, weight)) ** 0.5 for name, weight in (("week", 0.20), ("month", 0.06))}
    return pd.DataFrame({**swings, "trend": smooth(returns, 0.20)})


def compute_theils_u(truth: Any, forecast: Any) -> float:
    naive = np.square(np.diff(truth)).sum()
    return float(np.sqrt(np.square(truth[1:] - forecast[1:]).sum() / naive))


class Volatility(TrainingWorkflow):
    name, target, time, since = "volatility", "swing", "date", "2012-01-01"
    metric = Metric("theils_u", compute_theils_u, for_classes=False, higher_is_better=False)
    description = "Forecasts the swing of the S&P 500 over the next five trading days"
    export = Export(exact=True)

    def load(self) -> Table:
        prices = sp500.load()["Close"]
        swing = prices.pct_change().pow(2).rolling(DAYS).sum().pow(0.5)
        features = build_features(prices).assign(swing=swing.shift(-DAYS), date=prices.index[1:])
        return Table(features[WARM_UP::DAYS].dropna(), source="S&P 500, 1999 to 2018 (arch)")

    def train(self, rows: Rows) -> LinearRegression:
        return LinearRegression().fit(rows.features, rows.target)
