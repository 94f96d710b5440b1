"""Workflows that tests train: small, on real data, good or bad as a parameter says."""

from __future__ import annotations

from typing import Any

import pandas as pd
from sklearn.datasets import load_diabetes, load_digits, load_wine
from sklearn.linear_model import LinearRegression, SGDClassifier
from sklearn.tree import DecisionTreeClassifier

from infernet.workflows import Progress, Range, Rows, Table, TrainingWorkflow, training


class Digits(TrainingWorkflow):
    """Better the deeper the tree is."""

    name, target, metric = "digits", "digit", "accuracy"
    description = "Tells which digit an 8 x 8 scan shows"

    def load(self) -> Table:
        frame = load_digits(as_frame=True).frame.rename(columns={"target": "digit"})
        return Table(frame, source="UCI Digits (scikit-learn)", licence="CC-BY-4.0")

    def train(self, rows: Rows, depth: int = 3, seed: int = 0) -> Any:
        return DecisionTreeClassifier(max_depth=depth, random_state=seed).fit(rows.features, rows.target)


class MoreDigits(Digits):
    """The same with some rows that were not there before, or without some columns."""

    def __init__(self, rows: int = 1000, without: tuple[str, ...] = ()) -> None:
        self.rows, self.without = rows, without

    def load(self) -> Table:
        return Table(super().load().frame.head(self.rows).drop(columns=list(self.without)))


class Steps(Digits):
    """Learns step by step, and says so; stops itself at a step as Ctrl-C would."""

    name = "steps"

    def __init__(self, stop_at: int | None = None) -> None:
        self.stop_at = stop_at

    def train(self, rows: Rows, rounds: int = 5, *, progress: Progress) -> Any:
        model = SGDClassifier(random_state=0)
        for step in progress.track(range(rounds)):
            model.partial_fit(rows.features, rows.target, classes=sorted(set(rows.target)))
            progress.report(step, train_accuracy=model.score(rows.features, rows.target))
            if step == self.stop_at:
                progress.stop()
        return model


class Diabetes(TrainingWorkflow):
    """Amounts rather than classes."""

    name, target, metric = "diabetes", "target", "rmse"

    def load(self) -> pd.DataFrame:
        return load_diabetes(as_frame=True).frame

    def train(self, rows: Rows) -> Any:
        return LinearRegression().fit(rows.features, rows.target)


def load_cultivars() -> pd.DataFrame:
    """Wine with its classes by name."""
    frame = load_wine(as_frame=True).frame
    return frame.assign(target=frame["target"].map({0: "barolo", 1: "grignolino", 2: "barbera"}))


@training(name="cultivars", target="target", load=load_cultivars, space={"depth": Range(1, 6), "criterion": ["gini"]})
def cultivars(rows: Rows, depth: int = 2, criterion: str = "gini") -> Any:
    """A workflow of two functions."""
    return DecisionTreeClassifier(max_depth=depth, criterion=criterion, random_state=0).fit(rows.features, rows.target)
