"""Where MLflow is, what is said where it is not, and its own server and page."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from mlflow_stores import copy_store
from sample_workflows import Digits

from infernet.errors import InfernetError
from infernet.workflows import run_training
from infernet.workflows.registry import Registry
from infernet.workflows.tracker import choose_tracking_uri, hide_password, open_tracker


def find_free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def test_the_uri_is_what_is_given_else_the_variable_else_a_database_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert choose_tracking_uri() == "sqlite:///mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://there")
    assert choose_tracking_uri() == "http://there"
    assert choose_tracking_uri("sqlite:///a.db") == "sqlite:///a.db"


@pytest.mark.parametrize(
    ("uri", "code"),
    [
        ("http://127.0.0.1:9", "registry.unreachable"),
        ("https://nowhere.invalid", "registry.unreachable"),
        ("sqlite:////nowhere/at/all/mlflow.db", "registry.uri"),
        ("./mlruns", "registry.uri"),
        ("file:///tmp/mlruns", "registry.uri"),
    ],
)
@pytest.mark.timeout(60)  # MLflow's own client would try for minutes
def test_a_registry_that_is_not_there_is_one_line_at_once(uri: str, code: str) -> None:
    with pytest.raises(InfernetError) as refused:
        open_tracker(uri)
    assert refused.value.code == code
    assert "\n" not in str(refused.value)


def test_a_file_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(InfernetError) as refused:
        open_tracker(f"sqlite:///{tmp_path}/mlflow.db")
    assert refused.value.code == "registry.unusable"
    assert "\n" not in str(refused.value)


def test_no_password_is_shown() -> None:
    assert hide_password("http://me:secret@host:80/a") == "http://me:…@host:80/a"
    assert hide_password("http://host/a") == "http://host/a"


def test_importing_infernet_and_its_command_loads_nothing_heavy() -> None:
    code = (
        "import sys, infernet, infernet.cli.main, infernet.workflows, infernet.workflows.flavours.export\n"
        "heavy = {'mlflow', 'pandas', 'sklearn', 'optuna', 'matplotlib', 'ray', 'torch', 'lightgbm', 'onnx'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("package", ["mlflow", "pandas"])
def test_a_machine_without_the_extra_says_what_to_install(tmp_path: Path, package: str, store_uri: str) -> None:
    (tmp_path / f"{package}.py").write_text(f"raise ModuleNotFoundError('no {package}', name='{package}')")
    (tmp_path / "flow.py").write_text(
        "from infernet.workflows import TrainingWorkflow\n"
        "class Flow(TrainingWorkflow):\n"
        "    name, target = 'flow', 'y'\n"
        "    def load(self): ...\n"
        "    def train(self, rows): ...\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", "from infernet.cli import main; main()", "train", "flow.py"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PYTHONPATH": ".", "PATH": os.environ["PATH"], "MLFLOW_TRACKING_URI": store_uri},
    )
    assert done.returncode == 1
    assert "pip install 'infernet[workflows]'" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@pytest.fixture
def page(shared: Path, tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`infernet mlflow ui` on a fresh store."""
    address = f"http://127.0.0.1:{(port := find_free_port())}"
    command = [str(Path(sys.executable).with_name("infernet")), "mlflow", "ui", "--port", str(port), "--no-browser"]
    process = subprocess.Popen(
        [*command, "--tracking-uri", copy_store(shared, tmp_path)], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    )
    try:
        assert process.stdout is not None
        assert address in process.stdout.readline()
        yield address, process
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_server_is_trained_against_as_a_database_is(
    page: tuple[str, subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, process = page
    tracker = open_tracker(address)
    assert [run_training(Digits(), {"depth": depth}, tracker=tracker).champion for depth in (3, 6)] == [1, 2]
    was, now = Registry(tracker).rollback("digits")
    assert (was.number, now.number) == (2, 1)
    with urllib.request.urlopen(f"{address}/api/2.0/mlflow/registered-models/get?name=digits") as answer:
        model = json.load(answer)["registered_model"]
    assert model["aliases"] == [{"alias": "champion", "version": "1"}]
    with urllib.request.urlopen(address) as answer:
        assert b"<title>MLflow</title>" in answer.read()
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    with pytest.raises(InfernetError, match="does not answer") as refused:
        run_training(Digits(), tracker=tracker)
    assert refused.value.code == "registry.unreachable"
