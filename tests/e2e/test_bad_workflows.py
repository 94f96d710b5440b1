"""What goes wrong between a data set and a published model: one line each, nothing half registered or published."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from command import Place
from mlflow_stores import copy_store, register
from sklearn.datasets import load_wine
from small_models import write_model
from surroundings import Here, Network

from infernet.models.cache import ModelCache
from infernet.workflows.registry import Registry
from infernet.workflows.tracker import Tracker, open_tracker

pytestmark = pytest.mark.e2e
FLOW = """
import os
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from infernet.workflows import Metric, TrainingWorkflow

def no_number(told, meant):
    return float("nan")

class Flow(TrainingWorkflow):
    name, target = "flow", "kind"
    metric = Metric("odd", no_number, for_classes=True) if os.environ.get("FLOW") == "odd" else "accuracy"

    def load(self):
        return pd.read_csv("rows.csv")

    def train(self, rows, trees: int = 5):
        forest = RandomForestClassifier(trees, random_state=0)
        if os.environ.get("FLOW") == "scaled":  # float32 puts rows on the other side of its thresholds
            forest = make_pipeline(StandardScaler(), forest.set_params(n_estimators=100))
        return forest.fit(rows.features, rows.target)
"""
PICKLE = b"cposix\nsystem\n(S'touch %s'\ntR."


@pytest.fixture
def tracker(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    return open_tracker(copy_store(tmp_path_factory.getbasetemp().parent, place.folder))


@pytest.fixture
def creator(here: Here, tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Here]:
    """A folder with a workflow and its rows, of which one version is registered."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracker.uri)
    handler = signal.getsignal(signal.SIGTERM)
    (here.folder / "flow.py").write_text(FLOW)
    write_rows(here.folder, read_rows())
    assert here.run("train", "flow.py", "--json").json["version"] == 1
    yield here
    signal.signal(signal.SIGTERM, handler)


def read_rows() -> pd.DataFrame:
    return load_wine(as_frame=True).frame.rename(columns={"target": "kind"})


def write_rows(folder: Path, rows: pd.DataFrame) -> None:
    rows.to_csv(folder / "rows.csv", index=False)


@pytest.mark.parametrize(
    ("rows", "flow", "code"),
    [
        (read_rows().assign(hue=None), "", "data.missing"),
        (read_rows().rename(columns={"hue": "tint"}), "", "data.schema_changed"),
        (read_rows().assign(hue="red"), "", "data.not_numbers"),
        (read_rows().drop(columns="kind"), "", "data.no_target"),
        (read_rows(), "odd", "training.metric_nan"),
        (read_rows(), "scaled", "model.deviates"),
    ],
    ids=["missing values", "another schema", "words", "no target", "a metric that is NaN", "a graph that deviates"],
)
def test_a_training_that_cannot_be_used_registers_nothing(
    creator: Here, tracker: Tracker, rows: pd.DataFrame, flow: str, code: str
) -> None:
    write_rows(creator.folder, rows)
    message = creator.run("train", "flow.py", FLOW=flow).check_error(code)
    if code == "model.deviates":
        assert "a difference of " in message
    registry = Registry(tracker)
    assert [version.number for version in registry.list_versions("flow")] == [1]
    champion = registry.find_champion("flow")
    assert champion is not None
    assert champion.number == 1
    experiment = tracker.find_experiment("flow")
    assert len(tracker.client.search_logged_models([experiment])) == 1
    assert {run.info.status for run in tracker.client.search_runs([experiment])} <= {"FINISHED", "FAILED"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "flow.py"],
        ["infer", "models:/flow@champion", "rows.csv"],
        ["models", "publish", "models:/flow@champion", "--as=acme/flow", "--to=public", f"--coordinator=0x{'1' * 40}"],
        ["models", "fetch", "models:/flow@champion"],
        ["models", "rollback", "flow"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_a_registry_that_is_away_is_one_line(creator: Here, arguments: list[str]) -> None:
    away = creator.run(*arguments, MLFLOW_TRACKING_URI="http://127.0.0.1:9", INFERNET_PRIVATE_KEY="0x" + "11" * 32)
    away.check_error("registry.unreachable")
    assert not (creator.folder / "public").exists()


def test_a_pickle_in_the_registry_is_neither_loaded_nor_fetched_nor_published(creator: Here, tracker: Tracker) -> None:
    touched = creator.folder / "touched"
    for name in ("bare", "described"):
        folder = creator.folder / name
        if name == "described":  # a whole model, and one file more
            write_model(folder)
            text = (folder / "manifest.json").read_text()
            evil = '"files":[{"path":"model.pkl","sha256":"%s","size_bytes":9},' % ("00" * 32)
            (folder / "manifest.json").write_text(text.replace('"files":[', evil))
        folder.mkdir(exist_ok=True)
        (folder / "model.pkl").write_bytes(PICKLE % str(touched).encode())
        register(tracker, name, folder)
    for name, code in (("bare", "model.no_manifest"), ("described", "model.unsafe")):
        reference = f"models:/{name}@champion"
        publish = ["publish", reference, "--as=acme/evil", "--to=public", f"--coordinator=0x{'1' * 40}"]
        for arguments in (["infer", reference, "rows.csv"], ["models", "fetch", reference], ["models", *publish]):
            creator.run(*arguments, INFERNET_PRIVATE_KEY="0x" + "11" * 32).check_error(code)
    assert not touched.exists()
    assert not (creator.folder / "public").exists()
    assert list((creator.folder / "models").rglob("*.pkl*")) == []


@pytest.mark.chain
def test_of_two_who_race_for_a_name_one_publishes_and_the_other_is_told(place: Place, network: Network) -> None:

    racers = []
    for number, key in enumerate(network.keys[-2:]):
        write_model(place.folder / f"model-{number}", "local/largest:1", favourite=number)
        ModelCache(place.folder / f"store-{number}").store.add(place.folder / f"model-{number}")
        options = [f"--store=store-{number}", "--as=rare/largest:1", "--to=public", "--alias=champion", "--json"]
        variables = network.build_variables() | {"INFERNET_PRIVATE_KEY": key}
        racers.append(place.start("models", "publish", "local/largest:1", *options, **variables))
    ended = [racer.wait() for racer in racers]
    assert sorted(done.code for done in ended) == [0, 1]
    winner, loser = sorted(ended, key=lambda done: done.code)
    assert loser.json["error"]["code"] == "publish.namespace_taken"
    fetch = ["models", "fetch", "rare/largest@champion", "--trust=public", "--json"]
    assert place.run(*fetch, **network.build_variables()).json["hash"] == winner.json["hash"]
    again = place.run("models", "publish", "local/largest:1", "--store=store-0", "--as=rare/largest:1", "--to=public",
                      INFERNET_RPC_URL=network.rpc_url, INFERNET_COORDINATOR=network.coordinator,
                      INFERNET_PRIVATE_KEY=network.keys[3])  # fmt: skip
    again.check_error("publish.namespace_taken")
