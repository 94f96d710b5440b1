"""The search for parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from sample_workflows import Digits, cultivars
from sklearn.tree import DecisionTreeClassifier

from infernet.errors import InvalidInput
from infernet.workflows import Progress, Range, Rows, TrainingWorkflow
from infernet.workflows.preparation import prepare
from infernet.workflows.search import Search, Space, Trial


def build_search(workflow: TrainingWorkflow, params: Mapping[str, Any], **options: Any) -> Search:
    prepared = prepare(workflow)
    return Search(workflow, prepared.split.train, params, prepared.metric, 7, **options)


class Deeper(Digits):
    space: Mapping[str, Space] = {"depth": Range(1, 8)}


def test_the_best_setting_is_found_and_each_try_is_told() -> None:
    told: list[Trial] = []
    best = build_search(Deeper(), {"depth": 3}).run(8, Progress(), told.append)
    assert len(told) == 8
    assert best.score == max(trial.score or 0 for trial in told)
    assert best.params["depth"] >= 6


def test_the_same_seed_tries_the_same() -> None:
    first: list[Trial] = []
    again: list[Trial] = []
    build_search(cultivars, {"depth": 2, "criterion": "gini"}).run(5, Progress(), first.append)
    build_search(cultivars, {"depth": 2, "criterion": "gini"}).run(5, Progress(), again.append)
    assert first == again


def test_held_out_rows_are_never_looked_at() -> None:
    workflow = Deeper()
    prepared = prepare(workflow)
    seen: list[np.ndarray] = []

    class Watched(Deeper):
        def train(self, rows: Rows, depth: int = 3, seed: int = 0) -> Any:
            seen.append(rows.matrix())
            return super().train(rows, depth, seed)

    build_search(Watched(), {"depth": 3}).run(2, Progress(), lambda trial: None)
    held_out = {row.tobytes() for row in prepared.split.held_out.matrix()}
    assert len(seen) == 6
    assert not held_out & {row.tobytes() for rows in seen for row in rows}


def test_a_setting_that_fails_does_not_end_the_search() -> None:
    class Fragile(Deeper):
        def train(self, rows: Rows, depth: int = 3, seed: int = 0) -> Any:
            if depth > 2:
                raise ValueError("too deep")
            return super().train(rows, depth, seed)

    told: list[Trial] = []
    best = build_search(Fragile(), {"depth": 3}).run(8, Progress(), told.append)
    assert best.params["depth"] <= 2
    assert "ValueError: too deep" in {trial.error for trial in told}

    class Hopeless(Deeper):
        def train(self, rows: Rows, depth: int = 3, seed: int = 0) -> Any:
            return DecisionTreeClassifier(max_depth=-1).fit(rows.features, rows.target)

    with pytest.raises(InvalidInput, match="none of 2 settings could be trained, the last: InvalidParameterError"):
        build_search(Hopeless(), {"depth": 3}).run(2, Progress(), told.append)


def test_after_ctrl_c_the_best_until_then_is_taken() -> None:
    progress = Progress()
    told: list[Trial] = []

    def tell(trial: Trial) -> None:
        told.append(trial)
        if len(told) == 3:
            progress.stop()

    best = build_search(Deeper(), {"depth": 3}).run(50, progress, tell)
    assert len(told) == 3
    assert best in told
    assert progress.ended_at == "3 of 50"
    stopped = Progress()
    stopped.stop()
    with pytest.raises(KeyboardInterrupt):
        build_search(Deeper(), {"depth": 3}).run(50, stopped, tell)


@pytest.mark.parametrize(
    ("space", "words"),
    [({}, "says nothing of what to search"), ({"size": [1]}, "size in the space"), ({"depth": Range(5, 1)}, "is none")],
)
def test_a_space_that_is_none_is_one_line(space: Mapping[str, Space], words: str) -> None:
    workflow = Deeper()
    workflow.space = space  # type: ignore[misc]
    with pytest.raises(InvalidInput, match=words):
        build_search(workflow, {"depth": 3}).run(1, Progress(), lambda trial: None)
