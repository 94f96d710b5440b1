"""MLflow's own page, in a real browser: what two trainings leave there to look at."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from needs import need

from infernet.workflows.tracker import open_tracker

BROWSER = Path(__file__).parents[1] / "browser"
PACKED = BROWSER / "node_modules" / ".chromium" / "chromium"
COMMANDS = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
"""Node.js stands beside Python where it comes from PyPI."""
WORKFLOW = """
from sklearn.datasets import load_wine
from sklearn.tree import DecisionTreeClassifier
from infernet.workflows import Table, TrainingWorkflow

class Wine(TrainingWorkflow):
    name, target = "wine", "target"
    def load(self):
        return Table(load_wine(as_frame=True).frame, source="UCI Wine")
    def train(self, rows, depth=1):
        return DecisionTreeClassifier(max_depth=depth, random_state=0).fit(rows.features, rows.target)
"""


def run(*command: str | Path, folder: Path) -> Any:
    """The JSON that a program prints."""
    environment = {**os.environ, "PATH": COMMANDS}
    done = subprocess.run(command, check=False, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextmanager
def serving_page(uri: str) -> Iterator[str]:
    """`infernet mlflow ui` until the end of the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        page = f"http://127.0.0.1:{free.getsockname()[1]}"
    options = ["--port", page.rpartition(":")[2], "--no-browser", "--tracking-uri", uri]
    command = [Path(sys.executable).with_name("infernet"), "mlflow", "ui", *options]
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline().strip() == f"runs and models: {page}", process.communicate()[1]
            yield page
        finally:
            process.terminate()


def follow(lines: list[str], name: str) -> str:
    """What stands below that name."""
    return lines[lines.index(name) + 1]


@pytest.mark.e2e
def test_mlflows_own_page_shows_runs_and_versions(store_uri: str, tmp_path: Path) -> None:
    node = shutil.which("node", path=COMMANDS)
    chromium = PACKED if PACKED.exists() else shutil.which("chromium") or shutil.which("google-chrome")
    need(node is not None, "no Node.js: run `make setup`")
    need((BROWSER / "node_modules" / "playwright-core").exists(), "no playwright-core: run `make setup`")
    need(chromium is not None, "no browser: run `make setup`, or install chromium")
    (tmp_path / "wine.py").write_text(WORKFLOW)
    train = [Path(sys.executable).with_name("infernet"), "train", "wine.py", "--tracking-uri", store_uri, "--json"]
    weak, good = (run(*train, "--set", f"depth={depth}", folder=tmp_path) for depth in (1, 4))
    with serving_page(store_uri) as page:
        seen = run(node or "", BROWSER / "mlflow.mjs", page, chromium or "", "wine", folder=tmp_path)

    runs = [open_tracker(store_uri).client.get_run(trained["run"]) for trained in (weak, good)]
    data = f"UCI Wine ({runs[0].data.tags['infernet.data_hash'][:36]})"
    assert seen["runs"].count(data) == 2
    assert {found.info.run_name for found in runs} < set(seen["runs"])

    bars = seen["charts"][seen["charts"].index("held_out_accuracy") :]
    assert bars[1:3] == [f"{trained['score']:.2f}" for trained in (weak, good)]

    assert follow(seen["run"], "Run ID") == good["run"]
    assert float(follow(seen["run"], "held_out_accuracy")) == runs[1].data.metrics["held_out_accuracy"]
    assert follow(seen["run"], "depth") == "4"
    assert follow(seen["run"], "Datasets") == data
    assert f": {good['manifestHash']}" in seen["run"]

    assert {"calibration.png", "confusion_matrix.png", "feature_importance.png"} < set(seen["plot"])
    assert seen["plotSize"] == [540, 405], "the image is drawn"

    champion, before = seen["versionRows"][1:]
    assert ("Version 2" in champion, "@\xa0champion" in champion) == (True, True)
    assert ("Version 1" in before, "@\xa0champion" in before) == (True, False)
    assert good["manifestHash"] in champion
    assert weak["manifestHash"] in before

    assert set(seen["asked"]) == {page}, "the page asks nobody else"
