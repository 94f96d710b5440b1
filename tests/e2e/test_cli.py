"""Every command against a local network, as a user types it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import INFERNET, PASSWORD, Place
from onnx import TensorProto, helper, numpy_helper, save
from surroundings import Network

from infernet.protocol.int256 import decode_int256s, encode_int256s

pytestmark = [pytest.mark.chain, pytest.mark.e2e]


def ask(place: Place, network: Network, *arguments: str) -> Any:
    done = place.run("request", *arguments, "--json", **network.build_variables())
    assert done.code == 0, done
    return done.json


def fetch(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as response:
        return json.load(response)


@pytest.mark.parametrize(
    ("arguments", "decoded"),
    [
        (["sum", "--ints", "1,-2,43", "--decode", "int256"], 42),
        (["sum", "--ints", "", "--decode", "int256"], 0),
        (["reverse,reverse", "--features", "0x" + "00" * 31 + "07", "--decode", "uint256"], 7),
        (["reverse", "--tensor", "uint8:1x3:0,5,16"], None),
    ],
)
def test_a_request_is_answered(place: Place, network: Network, arguments: list[str], decoded: int | None) -> None:
    (answer,) = ask(place, network, *arguments)["answers"]
    assert answer["decoded"] == decoded
    assert answer["gasUsed"] > 0


def test_features_come_from_a_file_as_hex_or_as_they_are(place: Place, network: Network) -> None:
    (place.folder / "hex").write_text("0x0102\n")
    (place.folder / "raw").write_bytes(b"\1\2\xff")
    assert ask(place, network, "reverse", "--features", "@hex")["answers"][0]["output"] == "0x0201"
    assert ask(place, network, "reverse", "--features", "@raw")["answers"][0]["output"] == "0xff0201"


def test_redundancy_2_gets_answers_of_two_nodes(place: Place, network: Network) -> None:
    answers = ask(place, network, "sum", "--ints", "1,2", "--decode", "int256", "--redundancy", "2")["answers"]
    assert [(answer["redundancy"], answer["decoded"]) for answer in answers] == [(1, 3), (2, 3)]
    assert len({answer["node"] for answer in answers}) == 2


def test_an_answer_for_people_begins_with_the_value(place: Place, network: Network) -> None:
    done = place.run("request", "sum", "--ints", "40,2", "--decode", "int256", **network.build_variables())
    first, *rest = done.out.splitlines()
    assert (done.code, first, len(rest)) == (0, "42", 2)


def test_features_that_do_not_fit_are_never_answered_and_the_node_says_why(place: Place, network: Network) -> None:
    done = place.run("request", "sum", "--features", "0x00", "--timeout", "2", **network.build_variables())
    assert "no answer" in done.check_error("output.not_delivered")
    owner, number = _read_subscription(done.err)
    url = f"{network.apis[0]}/v1/jobs/31337/{network.coordinator}/{owner}/{number}"
    (job,) = _wait_for_jobs(url)
    assert (job["state"], job["code"], job["tx"]) == ("failed", "features.mismatch", None)
    assert fetch(url)["code"] == "completed"
    assert ask(place, network, "sum", "--ints", "1", "--decode", "int256")["answers"][0]["decoded"] == 1


def _wait_for_jobs(url: str) -> list[Any]:
    """The report's jobs, once it was the node's turn."""
    deadline = time.monotonic() + 30
    while not (jobs := fetch(url)["jobs"]) and time.monotonic() < deadline:
        time.sleep(0.1)
    return list(jobs)


def _read_subscription(said: str) -> tuple[str, str]:
    words = said.split()
    return words[words.index("of", words.index("subscription")) + 1], words[words.index("subscription") + 1]


def test_a_container_that_no_node_serves_is_reported_by_the_nodes(place: Place, network: Network) -> None:
    done = place.run("request", "nothing", "--ints", "1", "--timeout", "2", **network.build_variables())
    done.check_error("output.not_delivered")
    owner, number = _read_subscription(done.err)
    report = fetch(f"{network.apis[1]}/v1/jobs/31337/{network.coordinator}/{owner}/{number}")
    assert (report["code"], report["jobs"]) == ("container.not_served", [])


def test_init_check_node_and_a_request_that_this_node_answers(place: Place, network: Network) -> None:
    variables = {**network.build_variables(), "INFERNET_KEY_PASSWORD": PASSWORD}
    made = place.run("init", "own", "--json", "--rpc-url", network.rpc_url, **variables)
    assert made.code == 0, made
    folder = place.folder / "own"
    assert (folder / "infernet.toml").stat().st_mode & 0o077 == 0
    checked = place.run("check", "-c", "own/infernet.toml", **variables)
    assert checked.code == 1
    assert f"✗ chain 31337        {made.json['address']} has no coin for gas: send it some" in checked.out
    _rpc(network, "anvil_setBalance", made.json["address"], hex(10**18))
    text = (folder / "infernet.toml").read_text().replace('id = "reverse"', 'id = "mean"')
    (folder / "infernet.toml").write_text(text.replace("examples:reverse", "examples:Mean") + "\n[api]\nport = 0\n")
    checked = place.run("check", "-c", "own/infernet.toml", "--json", **variables)
    assert (checked.code, checked.json["ok"]) == (0, True), checked
    node = place.start("node", "-c", "own/infernet.toml", "--json", **variables)
    try:
        assert node.read_json()["containers"] == ["mean"]
        (answer,) = ask(place, network, "mean", "--ints", "1,2,9", "--decode", "int256 uint256")["answers"]
        assert (answer["node"], answer["decoded"]) == (made.json["address"], [4, 3])
        assert node.stop(signal.SIGINT).code == 0
    finally:
        node.kill()


def _rpc(network: Network, method: str, *params: Any) -> Any:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(network.rpc_url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)["result"]


def write_doubling_model(path: Path) -> None:
    """`x` int64 [n] → `y` = 2 x."""
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "two"], ["y"])],
        "doubling",
        [helper.make_tensor_value_info("x", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.INT64, ["n"])],
        [numpy_helper.from_array(np.array([2]), "two")],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def add_model(place: Place) -> Any:
    write_doubling_model(place.folder / "doubling.onnx")
    added = place.run("models", "add", "doubling.onnx", "--name", "you/doubling:1", "--json")
    assert added.code == 0, added
    return added.json


def test_a_model_is_added_listed_shown_and_served(place: Place, network: Network) -> None:
    added = add_model(place)
    (listed,) = place.run("models", "list", "--json").json
    assert listed == {"name": "you/doubling:1", "hash": added["hash"], "fetchedFrom": None}
    assert "you/doubling:1" in place.run("models", "list").out
    shown = place.run("models", "show", added["hash"], "--json").json
    assert (shown["name"], shown["hash"]) == ("you/doubling:1", added["hash"])
    assert "doubling.onnx" in place.run("models", "show", "you/doubling:1").out
    place.run("models", "add", "doubling.onnx", "--name=NO NAME").check_error("manifest.invalid")
    network.write_config(place.folder, containers='[[containers]]\nkind = "model"\nmodel = "you/doubling:1"\n')
    node = place.start("node", "--json", INFERNET_KEY_PASSWORD=PASSWORD)
    try:
        assert node.read_json()["containers"] == ["you/doubling:1"]
        features = "0x" + encode_int256s([3, -4]).hex()
        encoding = shown["inputs"][0]["encoding"]
        option = ("--features", features) if encoding == "int256[]" else ("--tensor", "int64:2:3,-4")
        (answer,) = ask(place, network, "you/doubling:1", *option)["answers"]
        output = bytes.fromhex(answer["output"][2:])
        assert _decode(shown["outputs"][0]["encoding"], output) == [6, -8]
    finally:
        assert node.stop(signal.SIGTERM).code == 0


def _decode(encoding: str, output: bytes) -> list[int]:
    from infernet.protocol.tensor import decode_tensor

    values = decode_int256s(output) if encoding == "int256[]" else decode_tensor(output).values
    return [int(value) for value in values]


def test_ctrl_c_ends_dev_and_its_ports_are_free(place: Place) -> None:
    dev = place.start("dev", "--port=0", "--api-port=0")
    said = ""
    while "Ctrl-C stops everything" not in said:
        line = dev.read_line()
        assert line, "dev ended early"
        said += line
    assert all(len(line) <= 100 for line in said.splitlines())
    port = int(said.split("http://127.0.0.1:")[1].split()[0])
    done = dev.stop(signal.SIGINT)
    assert (done.code, "nothing is left behind" in done.out) == (0, True)
    with socket.create_server(("127.0.0.1", port)):
        pass


@pytest.mark.parametrize("moment", ["chain", "ready"])
def test_a_terminal_that_goes_away_ends_dev(place: Place, moment: str) -> None:
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", INFERNET, "dev", "--port=0", "--api-port=0"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=place.build_environment(),
    )
    os.close(theirs)
    if moment == "ready":
        said = b""
        while b"Ctrl-C stops" not in said:
            said += os.read(ours, 4096)
    else:
        deadline = time.monotonic() + 30
        while not any("infernet chain run" in line for line in place.find_processes()) and time.monotonic() < deadline:
            time.sleep(0.02)
    os.close(ours)
    process.wait(30)


def test_output_that_nobody_reads_any_more_ends_the_command_quietly(place: Place) -> None:
    for number in range(3):
        write_doubling_model(place.folder / "m.onnx")
        assert place.run("models", "add", "m.onnx", "--name", f"you/m:{number}").code == 0
    reader, writer = os.pipe()
    os.close(reader)
    for arguments in (["models", "list"], ["models", "list", "--json"], ["--help"]):
        process = subprocess.run(
            [INFERNET, *arguments],
            cwd=place.folder,
            env=place.build_environment(),
            stdout=writer,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
        assert process.stderr == b"", process.stderr
        assert process.returncode != 0
    os.close(writer)


def test_help_and_version(place: Place) -> None:
    assert place.run("--version").out.startswith("infernet ")
    for command in ([], ["demo"], ["dev"], ["request"], ["init"], ["check"], ["node"], ["models"], ["models", "add"]):
        done = place.run(*command, "--help")
        assert done.code == 0
        assert done.out.startswith("Usage: infernet")
        assert all(len(line) <= 100 for line in done.out.splitlines())
