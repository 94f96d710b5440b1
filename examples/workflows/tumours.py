"""Is a tumour malignant? Thirty measurements of its cells decide, learned from 569 real biopsies that come with
scikit-learn (Breast Cancer Wisconsin).

    pip install 'infernet[workflows]'
    infernet train examples/workflows/tumours.py

`--search 20` looks for a better C first. The model is exported in integers, so that nodes answer alike to the last bit.
"""

from __future__ import annotations

from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from infernet.workflows import Export, Range, Rows, Table, training


def load_biopsies() -> Table:
    data = load_breast_cancer(as_frame=True)
    frame = data.data.assign(tumour=data.target_names[data.target])
    return Table(frame, source="Breast Cancer Wisconsin (scikit-learn)", licence="CC-BY-4.0")


@training(
    name="tumours",
    target="tumour",
    load=load_biopsies,
    description="Tells benign from malignant tumours by measurements of their cells",
    export=Export(exact=True),
    space={"C": Range(0.01, 10.0, log=True)},
)
def tumours(rows: Rows, C: float = 0.3) -> Pipeline:
    classifier = LogisticRegression(C=C, max_iter=1000)
    return make_pipeline(StandardScaler(), classifier).fit(rows.features, rows.target)
