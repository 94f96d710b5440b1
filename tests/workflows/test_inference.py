"""Rows in, answers out: by a reference, by a class, by a function, on the command line; without MLflow or pandas."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mlflow_stores import copy_store, register
from small_models import write_model

import infernet.workflows
from infernet.errors import InvalidInput, NodeMisconfigured
from infernet.workflows.csv_file import read_columns
from infernet.workflows.inference_workflow import (
    InferenceWorkflow,
    inference,
    load_inference,
    run_inference,
    start_inference,
)
from infernet.workflows.tracker import Tracker, open_tracker

REFERENCE = "models:/largest@champion"
ROWS = {"a": [1, 200, 3], "b": [2, 5, 9], "c": [250, 6, 30]}
LABELS = [2, 0, 2]


@pytest.fixture
def tracker(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Tracker:
    """A registry whose model says which of three columns is the largest."""
    found = open_tracker(copy_store(tmp_path_factory.getbasetemp().parent, tmp_path))
    write_model(tmp_path / "model")
    register(found, "largest", tmp_path / "model")
    return found


@pytest.fixture
def place(tracker: Tracker, tmp_path: Path) -> dict[str, object]:
    return {"store": tmp_path / "store", "tracking_uri": tracker.uri}


def test_rows_are_answered_by_the_version_that_the_alias_stands_for(
    place: dict[str, object], tracker: Tracker, tmp_path: Path
) -> None:
    assert run_inference(REFERENCE, ROWS, **place)["label"].tolist() == LABELS  # type: ignore[arg-type]
    assert run_inference(REFERENCE, np.array([[1, 2, 30]]), **place)["label"].tolist() == [2]  # type: ignore[arg-type]
    write_model(tmp_path / "better", favourite=1)
    register(tracker, "largest", tmp_path / "better")
    started = start_inference(REFERENCE, **place)  # type: ignore[arg-type]
    assert (started.loaded.version, started.loaded.run_id != "") == ("largest version 2", True)
    assert started({"a": [1], "b": [1], "c": [3]})["label"].tolist() == [1]
    fixed = start_inference("models:/largest/1", **place)  # type: ignore[arg-type]
    assert fixed({"a": [1], "b": [1], "c": [3]})["label"].tolist() == [0]


def test_a_class_overrides_the_steps_it_wants(place: dict[str, object]) -> None:
    class Colours(InferenceWorkflow):
        name, model = "colours", REFERENCE

        def set_up(self) -> None:
            self.words = ["red", "green", "blue"]

        def postprocess(self, outputs):  # type: ignore[no-untyped-def]
            return {"colour": [self.words[label] for label in outputs["label"]]}

    assert run_inference(Colours(), ROWS, **place) == {"colour": ["blue", "red", "blue"]}  # type: ignore[arg-type]


def test_a_function_becomes_a_workflow(place: dict[str, object]) -> None:
    @inference(REFERENCE)
    def second(rows, model):  # type: ignore[no-untyped-def]
        return {"is_second": model(rows)["label"] == 1}

    assert second.name == "second"
    assert run_inference(second, ROWS, **place)["is_second"].tolist() == [False] * 3  # type: ignore[arg-type]


def test_what_the_package_names_is_found_whatever_was_imported_before() -> None:
    folder = Path(infernet.workflows.__file__).parent
    modules = sorted(f"infernet.workflows.{path.stem}" for path in folder.glob("[!_]*.py"))
    names = infernet.workflows.__dir__()
    assert {"inference", "training", "run_inference", "run_training", "start_inference"} <= set(names)
    code = (
        "import importlib, sys, types, infernet.workflows as workflows\n"
        "for module in sys.argv[1].split(','): importlib.import_module(module)\n"
        "print([name for name in dir(workflows) if isinstance(getattr(workflows, name), types.ModuleType)])\n"
        "from infernet.workflows import inference; print(inference.__module__)"
    )
    done = subprocess.run([sys.executable, "-c", code, ",".join(modules)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "infernet.workflows.inference_workflow"]


def test_a_workflow_without_a_model_is_refused(place: dict[str, object]) -> None:
    with pytest.raises(InvalidInput) as caught:
        start_inference(InferenceWorkflow(), **place)  # type: ignore[arg-type]
    assert caught.value.code == "workflow.incomplete"


def test_a_file_has_one_workflow_or_one_is_chosen(tmp_path: Path) -> None:
    path = tmp_path / "flows.py"
    path.write_text(
        "from infernet.workflows import InferenceWorkflow, inference\n"
        "class A(InferenceWorkflow):\n    name, model = 'a', 'models:/a@champion'\n"
        "@inference('models:/b@champion')\ndef b(rows, model): return {}\n"
    )
    assert load_inference(path, "b").model == "models:/b@champion"
    for name, code in ((None, "workflow.several"), ("c", "workflow.none")):
        with pytest.raises(InvalidInput) as caught:
            load_inference(path, name)
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a,b\n1,2\n", "features.columns"),
        ("a,b,c\n1,2,x\n", "data.unreadable"),
        ("a,b,c\n1,,3\n", "data.unreadable"),
        ("a,b,c\n", "data.unreadable"),
        ("", "features.columns"),
    ],
)
@pytest.mark.filterwarnings("ignore:loadtxt")
def test_a_file_that_does_not_fit_is_one_line(tmp_path: Path, text: str, code: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(text)
    with pytest.raises(InvalidInput) as caught:
        read_columns(path, ["a", "b", "c"])
    assert caught.value.code == code
    assert "\n" not in caught.value.message


def test_columns_are_found_by_name_whatever_stands_beside_them(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b'\xef\xbb\xbfkind,"b, quoted",a\r\nred,2.5,1\r\nblue,"4",3\r\n')
    assert {name: values.tolist() for name, values in read_columns(path, ["a", "b, quoted"]).items()} == {
        "a": [1.0, 3.0],
        "b, quoted": [2.5, 4.0],
    }


def test_a_model_that_is_no_onnx_is_refused(tracker: Tracker, place: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "pickled").mkdir()
    (tmp_path / "pickled" / "model.pkl").write_bytes(b"cos\nsystem\n(S'touch /tmp/never'\ntR.")
    register(tracker, "pickled", tmp_path / "pickled")
    with pytest.raises(NodeMisconfigured) as caught:
        start_inference("models:/pickled@champion", **place)  # type: ignore[arg-type]
    assert caught.value.code == "model.no_manifest"


def test_the_command_answers_without_importing_what_is_heavy(tracker: Tracker, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(
        "a,b,c\n" + "\n".join(f"{a},{b},{c}" for a, b, c in zip(*ROWS.values(), strict=True))
    )
    script = (
        "import sys; from infernet.cli.main import run_command_line\n"
        "code = run_command_line(sys.argv[1:])\n"
        "heavy = {'mlflow', 'pandas', 'sklearn', 'fsspec', 'matplotlib', 'aiohttp', 'web3'} & set(sys.modules)\n"
        "print(code, sorted(heavy), file=sys.stderr)"
    )
    command = ["infer", REFERENCE, "rows.csv", "--tracking-uri", tracker.uri, "--json"]
    done = subprocess.run(
        [sys.executable, "-c", script, *command], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stderr == "0 []\n"
    assert json.loads(done.stdout)["answers"] == {"label": LABELS}
