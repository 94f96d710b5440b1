"""Models in integer arithmetic: equal bit for bit on every machine, so that answers can be compared by hash.

Numbers keep their meaning in fixed point; what that costs is checked against the original as for any other graph.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from infernet.errors import InvalidInput
from infernet.protocol.manifest import Determinism
from infernet.workflows.flavours import exact_linear, exact_trees
from infernet.workflows.flavours.export import FEATURES, LABEL, VALUE, Draft, Export
from infernet.workflows.flavours.table import make_draft
from infernet.workflows.graphs import build_graph

if TYPE_CHECKING:
    from infernet.workflows.data import Rows

_ADVICE = "in integers it is another model: leave Export(exact=True) out, or allow more: Export(tolerance=…)"


def draft(estimator: Any, rows: Rows, export: Export) -> Draft:
    """The integer form of a linear model (behind scalers) or of trees.

    Raises:
        InvalidInput: `export.not_exact`: another model, or probabilities, which need exponentials.
    """
    if export.probabilities or export.decimals is not None:
        raise InvalidInput(
            "export.not_exact",
            "an exact model answers with its label or value alone: leave probabilities and decimals out",
        )
    float_draft = make_draft(estimator, rows, export)
    scores = exact_linear.build(estimator, rows, export) or exact_trees.build(float_draft.onnx)
    classes = getattr(estimator, "classes_", None)
    answer = VALUE if classes is None else LABEL
    if scores is None or float_draft.answers != (answer,):
        raise InvalidInput(
            "export.not_exact",
            f"{type(estimator).__name__} has no exact form: linear models (behind StandardScaler and the like) and "
            "trees have one",
        )
    numbers = np.arange(len(float_draft.classes)) if float_draft.classes else classes
    last, shape = scores.finish(answer, numbers, export.output_scale)

    return replace(
        float_draft,
        onnx=build_graph(
            "model",
            [*scores.steps, *last],
            {FEATURES: (scores.dtype, ["n", rows.matrix().shape[1]])},
            {answer: ("int64", ["n", *shape])},
            scores.constants,
        ),
        feed=lambda features: {FEATURES: scores.feed(features, export.scale)},
        ask=float_draft.ask_answers or float_draft.ask,
        advice=_ADVICE,
        stored=frozenset({VALUE, FEATURES} if scores.dtype == "int64" else {VALUE}),
        determinism=Determinism.EXACT,
    )
