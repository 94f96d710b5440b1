"""Trainings that end too early and are begun again in this process: what goes on, what does not, what the runs say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from needs import need_module
from sample_workflows import Diabetes, Digits
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import SGDClassifier

from infernet.workflows import Progress, Range, Rows, TrainedVersion, TrainingWorkflow, run_training
from infernet.workflows.boosters import find_lightgbm_memory, find_xgboost_memory
from infernet.workflows.tracker import Tracker

ROUNDS = 12
Train = Callable[..., TrainedVersion]


class Interruptible(Digits):
    """Counts its steps, and ends at one of them as a killed process would."""

    checkpoint_s = 0.0

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.dies_at: int | None = None

    def count(self, step: int) -> None:
        if step == self.dies_at:
            raise KeyboardInterrupt
        self.steps.append(step)


class Epochs(Interruptible):
    """Draws the order of its rows from NumPy's own generator; scikit-learn's `partial_fit` has no learning curve."""

    name = "epochs"

    def train(self, rows: Rows, rounds: int = ROUNDS, *, progress: Progress) -> Any:
        model = progress.restore(SGDClassifier(random_state=0))
        features, target = rows.matrix(), rows.target.to_numpy()
        for step in progress.track(range(rounds)):
            self.count(step)
            order = np.random.permutation(len(rows))
            model.partial_fit(features[order], target[order], classes=range(10))
            progress.report(step, train_accuracy=model.score(features, target))
            progress.checkpoint(model)
        return model


class Boosted(Diabetes):
    """Trees of scikit-learn, some more at each step: a long fit with a learning curve and checkpoints."""

    name, checkpoint_s = "boosted", 0.0
    dies_at: int | None = None

    def train(self, rows: Rows, steps: int = 4, *, progress: Progress) -> Any:
        model = progress.restore(GradientBoostingRegressor(warm_start=True, subsample=0.5, random_state=0))
        for step in progress.track(range(steps)):
            if step == self.dies_at:
                raise KeyboardInterrupt
            model.set_params(n_estimators=10 * (step + 1)).fit(rows.features, rows.target)
            progress.report(step, train_score=model.score(rows.features, rows.target))
            progress.checkpoint(model)
        return model


class Trees(Interruptible):
    """LightGBM."""

    name, target, metric = "trees", "digit", "accuracy"

    def train(self, rows: Rows, rounds: int = ROUNDS, share: float = 1.0, *, progress: Progress) -> Any:
        from lightgbm import LGBMClassifier

        model = LGBMClassifier(
            n_estimators=rounds, num_leaves=7, subsample=share, subsample_freq=1, random_state=7, n_jobs=1, verbose=-1
        )
        # the tick stands before the progress: a checkpoint of a round that was not counted would hide it
        after = [lambda state: self.count(state.iteration), progress.lightgbm()]
        return model.fit(rows.features, rows.target, callbacks=after, init_model=progress.lightgbm_model())


class Forests(Interruptible):
    """XGBoost."""

    name = "forests"

    def train(self, rows: Rows, rounds: int = ROUNDS, share: float = 1.0, *, progress: Progress) -> Any:
        from xgboost import XGBClassifier
        from xgboost.callback import TrainingCallback

        workflow = self

        class Count(TrainingCallback):
            def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
                workflow.count(model.num_boosted_rounds() - 1)
                return False

        model = XGBClassifier(
            n_estimators=rounds,
            max_depth=3,
            subsample=share,
            random_state=7,
            n_jobs=1,
            callbacks=[Count(), progress.xgboost(rounds)],
        )
        return model.fit(rows.features, rows.target, xgb_model=progress.xgboost_model())


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def train(tracker: Tracker, told: list[str]) -> Train:
    return lambda workflow, params=None, **options: run_training(
        workflow, params, tracker=tracker, notice=told.append, **options
    )


def stop(train: Train, workflow: Any, at: int, params: dict[str, Any] | None = None, **options: Any) -> None:
    workflow.dies_at = at
    with pytest.raises(KeyboardInterrupt):
        train(workflow, params, **options)
    workflow.dies_at = None


def list_runs(tracker: Tracker, name: str) -> Iterator[Any]:
    """The newest last."""
    return reversed(tracker.client.search_runs([tracker.find_experiment(name)]))


def test_the_rest_is_trained_and_the_curve_has_no_gap(
    train: Train, told: list[str], tracker: Tracker, checkpoints: Path
) -> None:
    whole = train(Epochs())
    workflow = Epochs()
    stop(train, workflow, 5)
    stop(train, workflow, 9)
    again = train(workflow)
    assert again.manifest_hash == whole.manifest_hash
    assert workflow.steps == list(range(ROUNDS))
    _, first, second, last = list_runs(tracker, "epochs")
    assert again.resumed_from == second.info.run_id
    assert told == [
        f"goes on from step 5 of 12, run {first.info.run_id} was stopped",
        f"goes on from step 9 of 12, run {second.info.run_id} was stopped",
    ]
    assert last.data.tags["infernet.resumed_from"] == second.info.run_id
    assert last.data.tags["infernet.resumed_at"] == "step 9 of 12"
    assert second.data.tags["infernet.continued_in"] == last.info.run_id
    assert "infernet.resume_differs" not in last.data.tags
    curves = [tracker.client.get_metric_history(run, "train_accuracy") for run in (whole.run_id, again.run_id)]
    assert [(point.step, point.value) for point in curves[1]] == [(point.step, point.value) for point in curves[0]]
    assert [point.step for point in curves[1]] == list(range(ROUNDS))
    assert list(checkpoints.iterdir()) == [], "what is over leaves nothing behind"
    train(workflow)
    assert workflow.steps[ROUNDS:] == list(range(ROUNDS)), "the next one begins at the beginning"


def test_another_training_begins_at_the_beginning(train: Train, told: list[str]) -> None:
    workflow = Epochs()
    stop(train, workflow, 5)
    for params, options in (({"rounds": 7}, {}), (None, {"seed": 8}), (None, {"fresh": True})):
        workflow.steps.clear()
        train(workflow, params, **options)
        assert workflow.steps[0] == 0
    assert told == []


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "it is damaged"),
        (lambda path: path.write_bytes(b"made elsewhere"), "it is none of ours"),
        (lambda path: path.chmod(0o622), "other users may write to it"),
    ],
)
def test_a_torn_or_foreign_checkpoint_is_one_line_and_not_used(
    train: Train, told: list[str], checkpoints: Path, spoil: Callable[[Path], object], reason: str
) -> None:
    workflow = Epochs()
    stop(train, workflow, 5)
    (path,) = checkpoints.glob("*/checkpoint")
    spoil(path)
    trained = train(workflow)
    assert workflow.steps == [*range(5), *range(ROUNDS)]
    assert told == [f"{path} is not used: {reason}"]
    assert trained.resumed_from is None


def test_a_fit_of_scikit_learn_goes_on_tree_by_tree(train: Train, told: list[str], tracker: Tracker) -> None:
    whole = train(Boosted())
    workflow = Boosted()
    stop(train, workflow, 2)
    again = train(workflow)
    assert again.manifest_hash == whole.manifest_hash
    assert len(told) == 1
    assert [m.step for m in tracker.client.get_metric_history(again.run_id, "train_score")] == [0, 1, 2, 3]
    plots = {file.path for file in tracker.client.list_artifacts(again.run_id, "plots")}
    assert "plots/learning_curve.png" in plots


@pytest.mark.parametrize(("kind", "package"), [(Trees, "lightgbm"), (Forests, "xgboost")])
def test_boosted_trees_go_on_bit_for_bit(
    train: Train, told: list[str], tracker: Tracker, kind: type[Interruptible], package: str
) -> None:
    need_module(package)
    whole = train(kind())
    workflow = kind()
    stop(train, workflow, 4)
    stop(train, workflow, 7)
    again = train(workflow)
    assert again.manifest_hash == whole.manifest_hash
    assert workflow.steps[:ROUNDS] == list(range(ROUNDS)), "then the learning curve trains on parts of the rows"
    assert [line.split(", run")[0] for line in told] == ["goes on from step 4 of 12", "goes on from step 7 of 12"]
    assert again.ended_at is None
    assert "infernet.resume_differs" not in tracker.client.get_run(again.run_id).data.tags


@pytest.mark.parametrize(
    ("kind", "package", "reason"),
    [(Trees, "lightgbm", "bagging_fraction is 0.5"), (Forests, "xgboost", "subsample is 0.5")],
)
def test_trees_of_drawn_rows_go_on_and_the_run_says_that_they_may_differ(
    train: Train, tracker: Tracker, kind: type[Interruptible], package: str, reason: str
) -> None:
    need_module(package)
    workflow, params = kind(), {"share": 0.5}
    stop(train, workflow, 4, params)
    again = train(workflow, params)
    assert workflow.steps[:ROUNDS] == list(range(ROUNDS))
    assert tracker.client.get_run(again.run_id).data.tags["infernet.resume_differs"] == reason
    workflow.steps.clear()
    stop(train, workflow, 4, params, once=True)
    train(workflow, params, once=True)
    assert workflow.steps[: 4 + ROUNDS] == [*range(4), *range(ROUNDS)], "who has to agree with others begins anew"


def test_what_trees_remember_beside_themselves_is_found() -> None:
    lightgbm, xgboost = need_module("lightgbm"), need_module("xgboost")
    features = np.random.default_rng(0).normal(size=(300, 5)).astype(np.float32)
    target = (features[:, 0] > 0).astype(int)

    def ask_lightgbm(callbacks: list[Any] | None = None, **params: Any) -> str | None:
        model = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1, **params)
        fitted = model.fit(features, target, callbacks=callbacks)
        return find_lightgbm_memory(fitted.booster_.model_to_string())

    def ask_xgboost(**params: Any) -> str | None:
        model = xgboost.XGBClassifier(n_estimators=3, n_jobs=1, **params).fit(features, target)
        return find_xgboost_memory(model.get_booster())

    assert ask_lightgbm() is None
    assert ask_lightgbm(subsample=0.5) is None, "without a frequency no rows are drawn"
    assert ask_lightgbm(class_weight="balanced", learning_rate=0.3, reg_lambda=1.0) is None
    for params, reason in (
        ({"subsample": 0.5, "subsample_freq": 2}, "bagging_fraction is 0.5"),
        ({"colsample_bytree": 0.5}, "feature_fraction is 0.5"),
        ({"boosting_type": "dart"}, "boosting is dart"),
        ({"extra_trees": True}, "extra_trees is 1"),
        ({"data_sample_strategy": "goss"}, "data_sample_strategy is goss"),
        ({"use_quantized_grad": True}, "use_quantized_grad is 1"),
    ):
        assert ask_lightgbm(**params) == reason
    schedule = lightgbm.reset_parameter(learning_rate=lambda step: 0.1 * 0.9**step)
    assert ask_lightgbm([schedule]) == "the learning rate changes"
    assert find_lightgbm_memory("something else") == "boosting is unknown"
    assert ask_xgboost() is None
    assert ask_xgboost(booster="dart") == "booster is dart"
    assert ask_xgboost(colsample_bynode=0.5) == "colsample_bynode is 0.5"


class Searched(TrainingWorkflow):
    """Counts the settings that are tried; one of them cannot be trained."""

    name, target, space, checkpoint_s = "searched", "digit", {"alpha": Range(1e-5, 1e-1, log=True)}, 0.0
    load = Digits.load

    def __init__(self) -> None:
        self.fits = 0
        self.dies_at: int | None = None

    def train(self, rows: Rows, alpha: float = 1e-4) -> Any:
        self.fits += 1
        if self.fits == self.dies_at:
            raise KeyboardInterrupt
        if self.fits == 4:
            raise ValueError("not this one")
        return SGDClassifier(alpha=alpha, max_iter=5, tol=None, random_state=0).fit(rows.features, rows.target)


def test_a_search_goes_on_behind_its_last_trial_as_it_would_have(
    train: Train, told: list[str], tracker: Tracker, checkpoints: Path
) -> None:
    whole = train(Searched(), search=8)
    workflow = Searched()
    stop(train, workflow, 12, search=8)  # trial 1 ends at its first fit: this is the second of trial 4
    (path,) = checkpoints.glob("*/trials.jsonl")
    path.write_bytes(path.read_bytes() + b'{"number": 4, "par')
    fits, workflow.fits = workflow.fits, 100
    again = train(workflow, search=8)
    assert again.params == whole.params
    assert again.manifest_hash == whole.manifest_hash
    *_, killed, last = (run for run in list_runs(tracker, "searched") if "mlflow.parentRunId" not in run.data.tags)
    assert told == [f"goes on from trial 4, run {killed.info.run_id} was stopped"]
    assert fits == 12
    below = {
        run: tracker.client.search_runs([last.info.experiment_id], f"tags.mlflow.parentRunId = '{run}'")
        for run in (whole.run_id, killed.info.run_id, again.run_id)
    }
    assert below[killed.info.run_id] == [], "its trials are the run's that went on"
    settings = [sorted(run.data.params["alpha"] for run in below[name]) for name in (whole.run_id, again.run_id)]
    assert settings[0] == settings[1]
    assert len(settings[1]) == 8
    assert workflow.fits - 100 == 4 * 3 + 1 + 3, "four trials of three folds, the training, its learning curve"
    assert list(checkpoints.iterdir()) == []
