"""`infernet demo` from beginning to end, and ended early: nothing is ever left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest
from command import INFERNET, Place

pytestmark = [pytest.mark.chain, pytest.mark.e2e]
FLOWS = ["callback", "subscription", "signed", "redundancy 2", "paid, batch", "precompiles", "trained", "improved"]


def test_the_demonstration_in_a_terminal_and_for_programs(place: Place) -> None:
    programs = place.start("demo", "--json")  # both at once: they share nothing
    code, said = run_in_terminal(place)
    check_terminal(code, said)
    done = programs.wait()
    assert (done.code, done.err) == (0, "")
    check_improvement(done.json["versions"], *done.json["flows"][-2:])
    *delivered, filed = done.json["flows"][:-2]
    assert [(flow["flow"], flow["answers"], flow["right"]) for flow in delivered] == [
        ("callback", 20, 19),
        ("subscription", 3, 3),
        ("signed", 1, 1),
        ("redundancy 2", 2, 2),
        ("paid, batch", 10, 10),
    ]
    assert all(flow["deliveryGas"] > 0 and flow["blocksToAnswer"] >= 1 for flow in delivered)
    assert (filed["flow"], filed["answers"], filed["deliveryGas"], filed["blocksToAnswer"]) == ("precompiles", 12, 0, 0)
    assert filed["right"] >= 9
    assert {path.name for path in place.folder.iterdir()} == {"tmp", "stderr.txt"}


def check_improvement(versions: list[dict[str, Any]], trained: dict[str, Any], improved: dict[str, Any]) -> None:
    """The same contract, asked about the same digits before and after its second training."""
    first, second = versions
    assert first["accuracy"] < 0.85 < 0.9 < second["accuracy"]
    assert len({first[key] for key in ("name", "manifestHash", "run")} & set(second.values())) == 0
    assert [(flow["flow"], flow["answers"]) for flow in (trained, improved)] == [("trained", 20), ("improved", 20)]
    assert trained["right"] < improved["right"]
    assert all(flow["deliveryGas"] > 0 and flow["blocksToAnswer"] >= 1 for flow in (trained, improved))


def check_explained(lines: list[str]) -> None:
    """The words of `infernet explain` name the version that was trained last, its manifest and its run."""
    (at,) = (number for number, line in enumerate(lines) if line.strip().startswith("$ infernet explain "))
    said = " ".join(line.strip() for line in lines[at + 1 : lines.index("Summary")])
    names = re.findall(r"trained (creator/digits:[0-9a-f]{12})", "\n".join(lines))
    manifests = re.findall(r"manifest ([0-9a-f]{10})…", "\n".join(lines))
    runs = re.findall(r"MLflow run ([0-9a-f]{10})…", "\n".join(lines))
    assert len(set(names)) == len(set(runs)) == 2
    assert re.search(f"by {names[1]}, manifest {manifests[-1]}[0-9a-f]{{54}}, MLflow run {runs[1]}[0-9a-f]{{22}}", said)
    assert names[0] not in said


def check_terminal(code: int, said: str) -> None:
    assert code == 0, said
    lines = said.splitlines()
    assert max(map(len, lines)) <= 80
    assert "19 of 20 right: accuracy 95.0% by the true labels" in said
    assert sum("█" in line or "▀" in line for line in lines) == 12  # three rows of digits, four lines each
    summary = lines[lines.index("Summary") + 1 :]
    assert [line.split("  ")[0] for line in summary[1:9]] == FLOWS
    check_explained(lines)
    assert lines[-1].startswith("done in ")


def run_in_terminal(place: Place) -> tuple[int, str]:
    """Everything that a terminal of 80 columns, which cannot move its cursor, was sent."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [INFERNET, "demo"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=place.folder,
        env=place.build_environment({"TERM": "dumb", "COLUMNS": "80"}),
        start_new_session=True,
    )
    os.close(theirs)
    said = bytearray()
    try:
        while chunk := os.read(ours, 4096):
            said += chunk
    except OSError:  # the other end is closed: the command has ended
        pass
    os.close(ours)
    return process.wait(60), said.decode().replace("\r\n", "\n")


def is_training(place: Place) -> bool:
    return any("infernet.app.training" in line for line in place.find_processes())


def is_starting_the_chain(place: Place) -> bool:
    return any("infernet chain run" in line for line in place.find_processes())


def is_starting_the_node(place: Place) -> bool:
    return any("infernet.compute.worker" in line for line in place.find_processes())


def is_making_the_store(place: Place) -> bool:
    return any(place.temporary.glob("infernet-demo-*/improved/mlflow.db"))


def is_training_on_request(place: Place) -> bool:
    return any(place.temporary.glob("infernet-demo-*/improved/mlruns/digits/*"))


@pytest.mark.parametrize(
    ("moment", "number", "to_all", "code"),
    [
        (is_training, signal.SIGHUP, True, 129),
        (is_starting_the_chain, signal.SIGTERM, False, 143),
        (is_starting_the_node, signal.SIGINT, True, 130),
        (is_making_the_store, signal.SIGHUP, False, 129),
        (is_training_on_request, signal.SIGINT, True, 130),
        (is_training_on_request, signal.SIGTERM, False, 143),
    ],
)
def test_a_signal_ends_it_and_nothing_is_left(
    place: Place, moment: Callable[[Place], bool], number: int, to_all: bool, code: int
) -> None:
    demo = place.start("demo")
    while not moment(place) and demo.process.poll() is None:
        time.sleep(0.01)
    (os.killpg if to_all else os.kill)(demo.process.pid, number)
    done = demo.wait()
    assert done.code == code, done
    (line,) = done.err.splitlines()
    assert line.endswith("(interrupted)")


def test_ctrl_c_in_the_middle_twice_ends_it_all_the_same(place: Place) -> None:
    demo = place.start("demo")
    while "requests" not in demo.read_line():
        assert demo.process.poll() is None
    for _ in range(2):
        os.killpg(demo.process.pid, signal.SIGINT)
        time.sleep(0.05)
    done = demo.wait()
    assert (done.code, len(done.err.splitlines())) == (130, 1)


def test_interrupted_with_json_is_an_error_object(place: Place) -> None:
    demo = place.start("demo", "--json")
    while not is_training(place):
        assert demo.process.poll() is None
        time.sleep(0.01)
    done = demo.stop(signal.SIGINT)
    assert (done.code, json.loads(done.out)["error"]["code"], done.err) == (130, "interrupted", "")


def test_nohup_keeps_it_running_when_the_terminal_goes(place: Place) -> None:
    process = subprocess.Popen(
        ["nohup", INFERNET, "demo"],
        cwd=place.folder,
        env=place.build_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not is_training(place):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert process.poll() is None
    process.terminate()
    assert process.wait(60) == 143
