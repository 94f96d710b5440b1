"""What a training container trains in tests: a small workflow that can be told to misbehave."""

from __future__ import annotations

import time

import numpy as np
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

from infernet.workflows import Rows, Table, TrainingWorkflow


class Iris(TrainingWorkflow):
    name, namespace, target, metric = "iris", "acme", "species", "accuracy"

    def load(self) -> Table:
        frame = load_iris(as_frame=True).frame.rename(columns={"target": "species"})
        return Table(frame, source="UCI Iris (scikit-learn)", licence="CC-BY-4.0")

    def train(
        self,
        rows: Rows,
        depth: int = 2,
        share: float = 1.0,
        criterion: str = "gini",
        slow_s: float = 0.0,
        gigabytes: int = 0,
        seed: int = 0,
    ) -> DecisionTreeClassifier:
        np.zeros(gigabytes << 30, np.uint8)
        time.sleep(slow_s)
        part = rows.take(np.arange(len(rows)) < share * len(rows))
        return DecisionTreeClassifier(max_depth=depth, criterion=criterion, random_state=seed).fit(
            part.features, part.target
        )
