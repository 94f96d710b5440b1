"""Handwritten digits, read by decision trees: one unless `trees` says more, which is what improves the model."""

from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

from infernet.workflows import Export, Rows, Table, training


def load() -> Table:
    frame = load_digits(as_frame=True).frame.rename(columns={"target": "digit"})
    return Table(frame, source="UCI handwritten digits (scikit-learn)", licence="CC-BY-4.0")


@training(name="digits", namespace="creator", target="digit", load=load, export=Export(scale=0, exact=True))
def forest(rows: Rows, trees: int = 1, seed: int = 0) -> RandomForestClassifier:
    return RandomForestClassifier(trees, random_state=seed).fit(rows.features, rows.target)
