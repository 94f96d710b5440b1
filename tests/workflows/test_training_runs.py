"""Trainings as a whole, in a real MLflow store: what is logged and registered, and what is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow_stores import copy_store, register
from sample_workflows import Diabetes, Digits, MoreDigits, Steps, cultivars
from sklearn.tree import DecisionTreeClassifier

from infernet.errors import InvalidInput
from infernet.models.store import ModelStore, read_manifest
from infernet.protocol.manifest import compute_manifest_hash
from infernet.workflows import Metric, Rows, run_training
from infernet.workflows.registry import HELD_OUT_HASH, MANIFEST_HASH, SCORE, Registry, Version
from infernet.workflows.tracker import Tracker, open_tracker

SAMPLES = Path(__file__).parent


def read_run(tracker: Tracker, model: str) -> Any:
    """The newest run."""
    experiment = tracker.client.get_experiment_by_name(model).experiment_id
    return tracker.client.search_runs([experiment])[0]


def list_files(tracker: Tracker, run_id: str, folder: str) -> set[str]:
    return {Path(file.path).name for file in tracker.client.list_artifacts(run_id, folder)}


def test_a_version_holds_all_that_a_node_needs(tracker: Tracker, registry: Registry, tmp_path: Path) -> None:
    trained = run_training(Digits(), {"depth": 8}, tracker=tracker)
    champion = registry.find_champion("digits")
    assert champion is not None
    assert (trained.version, trained.is_champion, champion.number) == (1, True, 1)
    assert 0.7 < trained.score < 1
    folder = registry.fetch_folder(champion, tmp_path / "fetched")
    manifest = read_manifest(folder)
    assert compute_manifest_hash(manifest).hex() == trained.manifest_hash == champion.tags[MANIFEST_HASH]
    assert manifest.provenance is not None
    assert manifest.provenance.metrics is not None
    assert manifest.provenance.metrics["held_out_accuracy"] == f"{trained.score:.6f}" == champion.tags[SCORE]
    assert manifest.provenance.mlflow_run is None
    assert manifest.inputs[0].columns is not None
    assert manifest.inputs[0].columns[0] == "pixel_0_0"
    assert ModelStore(tmp_path / "store").add(folder).hash == trained.manifest_hash
    assert not [file for file in (tmp_path / "mlruns").rglob("*") if file.suffix in {".pkl", ".pickle", ".joblib"}]


def test_a_run_tells_data_code_environment_and_plots(tracker: Tracker) -> None:
    trained = run_training(Digits(), {"depth": 8}, tracker=tracker)
    run = tracker.client.get_run(trained.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"depth": "8", "seed": "7"}
    assert run.data.metrics["held_out_accuracy"] == pytest.approx(trained.score)
    assert run.data.metrics["training_s"] > 0
    (data,) = run.inputs.dataset_inputs
    assert data.dataset.source == "UCI Digits (scikit-learn)"
    assert run.data.tags["infernet.data_hash"].startswith(data.dataset.digest)
    assert list_files(tracker, run.info.run_id, "code") == {"environment.txt", "sample_workflows.py"}
    plots = {"confusion_matrix.png", "calibration.png", "feature_importance.png", "learning_curve.png"}
    assert list_files(tracker, run.info.run_id, "plots") == plots
    assert list_files(tracker, run.info.run_id, "native") == {"estimator.skops"}


def test_mlflow_itself_loads_the_version_as_its_own(tracker: Tracker) -> None:
    import mlflow

    run_training(cultivars, tracker=tracker)
    with tracker.current():
        loaded = mlflow.pyfunc.load_model("models:/cultivars@champion")
    assert loaded.metadata.signature is not None
    example = loaded.input_example
    assert example.shape == (5, 13)
    assert set(loaded.predict(example)["label"]) <= {0, 1, 2}


def test_classes_of_texts_are_named_in_the_manifest(tracker: Tracker, registry: Registry, tmp_path: Path) -> None:
    trained = run_training(cultivars, tracker=tracker)
    champion = registry.find_champion("cultivars")
    assert champion is not None
    manifest = read_manifest(registry.fetch_folder(champion, tmp_path / "fetched"))
    assert manifest.outputs[0].classes == ("barbera", "barolo", "grignolino")
    assert trained.score > 0.7


def test_a_regression_is_judged_by_its_error_and_draws_residuals(tracker: Tracker) -> None:
    trained = run_training(Diabetes(), tracker=tracker)
    assert 30 < trained.score < 80
    plots = {"residuals.png", "forecast.png", "feature_importance.png", "learning_curve.png"}
    assert list_files(tracker, trained.run_id, "plots") == plots


@pytest.mark.slow
def test_the_same_training_gives_the_same_manifest_hash_in_another_store(
    tracker: Tracker, tmp_path: Path, shared: Path
) -> None:
    first = run_training(Digits(), {"depth": 4}, tracker=tracker)
    run_training(Digits(), {"depth": 5}, tracker=tracker)
    (tmp_path / "other").mkdir()
    other = open_tracker(copy_store(shared, tmp_path / "other"))
    again = run_training(Digits(), {"depth": 4}, tracker=other)
    assert again.manifest_hash == first.manifest_hash
    assert run_training(Digits(), {"depth": 4}, seed=8, tracker=other).manifest_hash != first.manifest_hash


def test_the_champion_moves_only_when_the_metric_improves(tracker: Tracker, registry: Registry) -> None:
    champions = [run_training(Digits(), {"depth": depth}, tracker=tracker).champion for depth in (3, 2, 6, 6)]
    assert champions == [1, 1, 3, 3]
    assert [version.number for version in registry.list_versions("digits")] == [1, 2, 3, 4]


@pytest.mark.slow
def test_a_champion_of_other_data_is_judged_again_on_the_new_held_out_rows(
    tracker: Tracker, registry: Registry
) -> None:
    old = run_training(MoreDigits(900), {"depth": 10}, tracker=tracker)
    new = run_training(MoreDigits(1700), {"depth": 2}, tracker=tracker)
    assert new.champion == old.version
    versions = registry.list_versions("digits")
    assert versions[0].tags[HELD_OUT_HASH] != versions[1].tags[HELD_OUT_HASH]
    again = [float(value) for name, value in versions[0].tags.items() if name.startswith("infernet.score.accuracy.")]
    assert len(again) == 1
    assert again[0] > new.score
    better = run_training(MoreDigits(1700), {"depth": 12}, tracker=tracker)
    assert better.is_champion


def test_changed_columns_are_named_and_refused(tracker: Tracker, registry: Registry) -> None:
    run_training(MoreDigits(800), tracker=tracker)
    with pytest.raises(InvalidInput, match=r"version 1 of digits.*without pixel_3_4; .*--new-schema") as refused:
        run_training(MoreDigits(800, without=("pixel_3_4",)), tracker=tracker)
    assert refused.value.code == "data.schema_changed"
    assert len(registry.list_versions("digits")) == 1
    allowed = run_training(MoreDigits(800, without=("pixel_3_4",)), tracker=tracker, new_schema=True)
    assert allowed.is_champion


class Broken(Digits):
    """Fails in one way or another."""

    def __init__(self, **changes: Any) -> None:
        for name, value in changes.items():
            setattr(self, name, value)


def load_gaps() -> pd.DataFrame:
    frame = Digits().load().frame.copy()
    frame.loc[frame.index[:7], "pixel_0_1"] = np.nan
    return frame


def load_words() -> pd.DataFrame:
    return Digits().load().frame.assign(colour="red")


def raise_typo(rows: Rows) -> Any:
    raise KeyError("pixel")


@pytest.mark.parametrize(
    ("workflow", "code", "words"),
    [
        (Broken(load=load_gaps), "data.missing", r"missing in pixel_0_1 \(7\)"),
        (Broken(load=load_words), "data.not_numbers", "no numbers in colour"),
        (Broken(target="digits"), "data.no_target", "no column 'digits'"),
        (Broken(load=lambda: Digits().load().frame.query("digit == 3")), "data.one_class", "digit is 3 in every row"),
        (Broken(load=lambda: Digits().load().frame.head(0)), "data.empty", "no rows"),
        (Broken(load=lambda: [1, 2]), "workflow.no_table", "returned a list"),
        (Broken(metric="rmse"), "workflow.metric", "choose one of accuracy, balanced_accuracy, f1"),
        (Broken(train=lambda rows: None), "workflow.no_model", "returned nothing"),
        (
            Broken(metric=Metric("odd", lambda t, p: float("nan"), for_classes=True)),
            "training.metric_nan",
            "odd on the",
        ),
        (Broken(train=lambda rows: DecisionTreeClassifier()), "model.not_fitted", "not learned"),
        (Broken(held_out=1.5), "workflow.held_out", "a share between 0 and 1"),
    ],
)
def test_what_is_wrong_is_one_line_and_registers_nothing(
    tracker: Tracker, registry: Registry, workflow: Broken, code: str, words: str
) -> None:
    with pytest.raises(InvalidInput, match=words) as refused:
        run_training(workflow, tracker=tracker)
    assert refused.value.code == code
    assert "\n" not in str(refused.value)
    assert registry.list_versions("digits") == []
    experiment = tracker.client.get_experiment_by_name("digits")
    if experiment is not None:
        for run in tracker.client.search_runs([experiment.experiment_id]):
            assert run.info.status == "FAILED"
            assert run.data.tags["infernet.ended"].startswith(code)


def test_an_error_of_the_workflow_itself_is_seen_whole_and_ends_the_run(tracker: Tracker) -> None:
    with pytest.raises(KeyError, match="pixel"):
        run_training(Broken(train=raise_typo), tracker=tracker)
    run = read_run(tracker, "digits")
    assert (run.info.status, run.data.tags["infernet.ended"]) == ("FAILED", "KeyError: 'pixel'")


def test_a_training_that_ends_early_keeps_what_it_learned(tracker: Tracker, registry: Registry) -> None:
    trained = run_training(Steps(stop_at=1), {"rounds": 50}, tracker=tracker)
    assert trained.ended_at == "2 of 50"
    assert trained.is_champion
    (version,) = registry.list_versions("steps")
    assert version.tags["infernet.ended_early"] == "Ctrl-C after 2 of 50"
    run = tracker.client.get_run(trained.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["infernet.ended_early"] == "Ctrl-C after 2 of 50"
    assert [m.step for m in tracker.client.get_metric_history(trained.run_id, "train_accuracy")] == [0, 1]


def test_ctrl_c_in_a_training_without_steps_gives_it_up(tracker: Tracker, registry: Registry) -> None:
    def interrupt(rows: Rows) -> Any:
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_training(Broken(train=interrupt), tracker=tracker)
    run = read_run(tracker, "digits")
    assert (run.info.status, run.data.tags["infernet.ended"]) == ("KILLED", "Ctrl-C")
    assert registry.list_versions("digits") == []


KILLED = """
import os, signal, sys
sys.path[:0] = [{samples!r}]
from sample_workflows import Digits
from infernet.workflows import run_training
from infernet.workflows.registry import Registry
from infernet.workflows.tracker import open_tracker

def die(*args, **named):
    os.kill(os.getpid(), signal.SIGKILL)

Registry.{method} = die
run_training(Digits(), tracker=open_tracker({uri!r}))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("method", "versions"), [("register", 0), ("promote", 1)])
def test_a_run_that_is_killed_leaves_nothing_half_done(
    tracker: Tracker, registry: Registry, method: str, versions: int
) -> None:
    code = KILLED.format(samples=str(SAMPLES), uri=tracker.uri, method=method)
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]
    killed = read_run(tracker, "digits")
    assert killed.info.status == "RUNNING"
    assert len(registry.list_versions("digits")) == versions
    assert registry.find_champion("digits") is None

    trained = run_training(Digits(), {"depth": 2}, tracker=tracker)
    after = tracker.client.get_run(killed.info.run_id)
    assert (after.info.status, after.data.tags["infernet.ended"]) == ("KILLED", "its process was killed")
    logged = tracker.client.search_logged_models([killed.info.experiment_id])
    assert len(logged) == len(registry.list_versions("digits")) == versions + 1
    best = 1 if versions else trained.version  # depth 3, which the killed one had registered, beats depth 2
    assert trained.champion == best


@pytest.mark.slow
def test_of_two_trainers_that_race_the_better_one_wins_in_every_order(tracker: Tracker, registry: Registry) -> None:
    run_training(Digits(), {"depth": 2}, tracker=tracker)

    class Overtaken(Registry):
        """Another trainer does all of its work between our look at the champion and our setting of the alias."""

        def _set_champion(self, version: Version, before: Version | None = None) -> None:
            if version.number == 2:
                run_training(Digits(), {"depth": 8}, tracker=tracker)
            super()._set_champion(version, before)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("infernet.workflows.trainer.Registry", Overtaken)
        trained = run_training(Digits(), {"depth": 4}, tracker=tracker)
    assert trained.version == 2
    assert trained.champion == 3
    champion = registry.find_champion("digits")
    assert champion is not None
    assert champion.number == 3


@pytest.mark.slow
def test_rollback_brings_back_the_champion_before_and_keeps_it(tracker: Tracker, registry: Registry) -> None:
    for depth in (3, 5, 8):
        run_training(Digits(), {"depth": depth}, tracker=tracker)
    was, now = registry.rollback("digits")
    assert (was.number, now.number) == (3, 2)
    assert run_training(Digits(), {"depth": 2}, tracker=tracker).champion == 2
    assert registry.rollback("digits", to=3)[1].number == 3
    assert run_training(Digits(), {"depth": 2}, tracker=tracker).champion == 3
    assert [registry.rollback("digits")[1].number for _ in range(2)] == [2, 1]
    with pytest.raises(InvalidInput, match="nothing to go back to"):
        registry.rollback("digits")
    with pytest.raises(InvalidInput, match="has no version 9 to serve"):
        registry.rollback("digits", to=9)
    with pytest.raises(InvalidInput, match="no champion"):
        registry.rollback("unknown")


def test_a_champion_that_was_not_registered_here_is_left_alone(tracker: Tracker, tmp_path: Path) -> None:
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "model.onnx").write_bytes(b"made by hand")
    register(tracker, "digits", tmp_path / "foreign")
    trained = run_training(Digits(), tracker=tracker)
    assert (trained.version, trained.champion) == (2, 1)


@pytest.mark.slow
def test_a_search_tries_settings_and_trains_the_best(tracker: Tracker) -> None:
    trained = run_training(cultivars, tracker=tracker, search=6)
    run = tracker.client.get_run(trained.run_id)
    below = tracker.client.search_runs([run.info.experiment_id], f"tags.mlflow.parentRunId = '{trained.run_id}'")
    assert len(below) == 6
    best = max(row.data.metrics["score"] for row in below)
    assert trained.params["depth"] in {
        int(row.data.params["depth"]) for row in below if row.data.metrics["score"] == best
    }
    assert trained.params["criterion"] == "gini"
    again = run_training(cultivars, tracker=tracker, search=6)
    assert again.manifest_hash == trained.manifest_hash
