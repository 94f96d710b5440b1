"""Whatever a user gets wrong: one line that says what to do, exit code 1, nothing lost, nothing left running."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command import INFERNET, PASSWORD, Place, write_config
from surroundings import Here, Network

from infernet.keys.keystore import create_key_file

pytestmark = pytest.mark.e2e
COORDINATOR = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
KEY = "0x" + "11" * 32
REVERSE = '[[containers]]\nid = "reverse"\nkind = "python"\ntarget = "infernet.serve.examples:reverse"\n'
on_chain = pytest.mark.chain


@pytest.fixture
def node(place: Place) -> Place:
    """A place with a key file, for which only the configuration is missing."""
    create_key_file(place.folder / "node.keystore.json", PASSWORD, scrypt_work=2)
    return place


@pytest.fixture
def node_here(here: Here) -> Here:
    create_key_file(here.folder / "node.keystore.json", PASSWORD, scrypt_work=2)
    return here


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


# --- request ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--ints=1"], "request.no_coordinator"),
        ([f"--coordinator={COORDINATOR}"], "request.features"),
        ([f"--coordinator={COORDINATOR}", "--ints=1", "--decode=int257"], "request.decode"),
        (["--coordinator=0x12", "--ints=1", "--rpc-url=http://127.0.0.1:1"], "chain.unreachable"),
        ([f"--coordinator={COORDINATOR}", "--ints=1", "--keystore=none.json"], "key.missing"),
    ],
)
def test_a_request_that_cannot_be_sent(here: Here, arguments: list[str], code: str) -> None:
    here.run("request", "sum", *arguments, INFERNET_PRIVATE_KEY=KEY).check_error(code)


def test_a_request_without_an_account(place: Place) -> None:
    place.run("request", "sum", "--ints=1", f"--coordinator={COORDINATOR}").check_error("key.none")


@pytest.mark.parametrize("key", ["zz" * 32, "0x" + "00" * 32])
def test_a_request_with_a_key_that_is_none(here: Here, key: str) -> None:
    done = here.run("request", "sum", "--ints=1", f"--coordinator={COORDINATOR}", INFERNET_PRIVATE_KEY=key)
    assert key not in done.check_error("key.invalid")


@on_chain
@pytest.mark.parametrize(
    ("coordinator", "code"),
    [
        ("0x12", "address.invalid"),
        ("0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "client.no_code"),
    ],
)
def test_a_request_to_an_address_that_is_no_coordinator(
    here: Here, network: Network, coordinator: str, code: str
) -> None:
    variables = network.build_variables() | {"INFERNET_COORDINATOR": coordinator}
    here.run("request", "sum", "--ints=1", **variables).check_error(code)


@on_chain
def test_a_request_by_an_account_without_coin(place: Place, network: Network) -> None:
    variables = network.build_variables() | {"INFERNET_PRIVATE_KEY": KEY}
    assert "send it some" in place.run("request", "sum", "--ints=1", **variables).check_error("tx.insufficient_funds")


# --- the configuration ------------------------------------------------------------------------------------------------
def test_a_missing_configuration(place: Place) -> None:
    assert "infernet init" in place.run("node").check_error("config.missing")


@pytest.mark.parametrize(
    ("extra", "containers", "code", "said"),
    [
        ("[acount]\n", "", "config.unknown_key", "did you mean 'account'?"),
        ("", REVERSE + "timout_s = 1\n", "config.unknown_key", "did you mean 'timeout_s'?"),
        ("[api]\nport = 'x'\n", "", "config.invalid", "api.port is wrong"),
    ],
)
def test_a_wrong_configuration(node_here: Here, extra: str, containers: str, code: str, said: str) -> None:
    write_config(node_here.folder, extra=extra, containers=containers)
    assert said in node_here.run("node", INFERNET_KEY_PASSWORD=PASSWORD).check_error(code)


# --- the key ----------------------------------------------------------------------------------------------------------
def test_a_wrong_password_leaves_the_key_file_as_it_is(node: Place) -> None:
    path = node.folder / "node.keystore.json"
    before = path.read_bytes()
    write_config(node.folder)
    node.run("node", INFERNET_KEY_PASSWORD="wrong").check_error("key.wrong_password")
    assert path.read_bytes() == before


def test_no_password(node: Place) -> None:
    write_config(node.folder)
    assert "INFERNET_KEY_PASSWORD" in node.run("node").check_error("key.no_password")


@pytest.mark.parametrize(
    ("content", "code"),
    [(None, "key.password_file"), (b"\xff\xfe\n", "key.password_invalid")],
)
def test_a_password_file_that_holds_none(node_here: Here, content: bytes | None, code: str) -> None:
    write_config(node_here.folder, extra='[account]\npassword_file = "password"\n')
    if content is not None:
        (node_here.folder / "password").write_bytes(content)
    node_here.run("node").check_error(code)


def test_a_password_prompt_whose_input_ends(node: Place) -> None:
    write_config(node.folder)
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", INFERNET, "node"],
        cwd=node.folder,
        env=node.build_environment(),
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    said = b""
    while b"Password of the key file: " not in said:
        said += os.read(ours, 1024)
    os.write(ours, b"\x04")  # Ctrl-D
    assert process.wait(60) == 1
    said += os.read(ours, 4096)
    os.close(ours)
    os.close(theirs)
    assert b"(key.no_password)" in said
    assert b"Traceback" not in said


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda path: path.unlink(), "key.missing"),
        (lambda path: path.write_text("{"), "key.malformed"),
    ],
)
def test_a_key_file_that_cannot_be_used(node_here: Here, spoil: Callable[[Path], None], code: str) -> None:
    write_config(node_here.folder)
    spoil(node_here.folder / "node.keystore.json")
    node_here.run("node").check_error(code)  # said before a password is asked for


# --- the chain --------------------------------------------------------------------------------------------------------
def test_a_chain_that_is_not_there(node: Place) -> None:
    write_config(node.folder, containers=REVERSE)
    said = node.run("node", INFERNET_KEY_PASSWORD=PASSWORD).check_error("chain.unreachable")
    assert "check rpc_url" in said


def test_an_endpoint_that_is_no_chain(node_here: Here, taken_port: int) -> None:
    write_config(node_here.folder, chain=['rpc_url = "not a url"'])
    node_here.run("node", INFERNET_KEY_PASSWORD=PASSWORD).check_error("chain.bad_url")


@on_chain
@pytest.mark.parametrize(
    ("chain", "code"),
    [
        (("chain_id = 5",), "chain.wrong_id"),
        (('coordinator = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"',), "coordinator.no_code"),
    ],
)
def test_another_chain_than_was_configured(here: Here, network: Network, chain: tuple[str, ...], code: str) -> None:
    network.write_config(here.folder, chain=chain, containers=REVERSE)
    here.run("node", INFERNET_KEY_PASSWORD=PASSWORD).check_error(code)
    checked = here.run("check", "--json", INFERNET_KEY_PASSWORD=PASSWORD)
    assert (checked.code, checked.json["ok"]) == (1, False)
    assert [finding["what"] for finding in checked.json["findings"] if not finding["ok"]] == ["chain 31337"] * (
        code != "chain.wrong_id"
    ) + ["chain 5"] * (code == "chain.wrong_id")


# --- ports, journal, containers, models -------------------------------------------------------------------------------
@on_chain
@pytest.mark.parametrize("option", ["--port={}", "--port=0 --api-port={}"])
def test_dev_on_a_port_in_use(place: Place, taken_port: int, option: str) -> None:
    arguments = option.format(taken_port).split()
    assert str(taken_port) in place.run("dev", "--port=0", "--api-port=0", *arguments).check_error("port.in_use")


@on_chain
def test_a_node_on_a_port_in_use(place: Place, network: Network, taken_port: int) -> None:
    network.write_config(place.folder, extra=f"[api]\nport = {taken_port}\n", containers=REVERSE)
    said = place.run("node", INFERNET_KEY_PASSWORD=PASSWORD).check_error("port.in_use")
    assert str(taken_port) in said


@on_chain
def test_a_second_node_on_the_journal_of_the_first(place: Place, network: Network) -> None:
    network.write_config(place.folder, containers=REVERSE)
    first = place.start("node", "--json", INFERNET_KEY_PASSWORD=PASSWORD)
    try:
        assert first.read_json()["event"] == "ready"
        place.run("node", INFERNET_KEY_PASSWORD=PASSWORD).check_error("journal.in_use")
    finally:
        first.kill()


@on_chain
@pytest.mark.parametrize("journal", ["garbage", "folder"])
def test_a_journal_that_is_none(place: Place, network: Network, journal: str) -> None:
    (place.folder / "folder").mkdir()
    (place.folder / "garbage").write_bytes(b"no database" * 1000)
    network.write_config(place.folder, extra=f'[journal]\npath = "{journal}"\n', containers=REVERSE)
    assert journal in place.run("node", INFERNET_KEY_PASSWORD=PASSWORD).check_error("journal.unusable")


@on_chain
@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("nowhere.py:reverse", "container.not_found"),
        ("infernet.serve.examples:add_up", "container.id_mismatch"),
        ("broken.py:reverse", "container.start_failed"),
    ],
)
def test_a_container_that_cannot_be_loaded(place: Place, network: Network, target: str, code: str) -> None:
    (place.folder / "broken.py").write_text("raise RuntimeError('boom')\n")
    containers = REVERSE.replace("infernet.serve.examples:reverse", target)
    network.write_config(place.folder, containers=containers)
    place.run("node", INFERNET_KEY_PASSWORD=PASSWORD).check_error(code)


@on_chain
def test_a_model_whose_file_is_gone_or_changed(place: Place, network: Network) -> None:
    from test_cli import add_model

    network.write_config(place.folder, containers='[[containers]]\nkind = "model"\nmodel = "you/doubling:1"\n')
    place.run("node", INFERNET_KEY_PASSWORD=PASSWORD).check_error("model.not_found")
    file = Path(add_model(place)["folder"], "doubling.onnx")
    file = file if file.is_absolute() else place.folder / file
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b"?")
    place.run("node", INFERNET_KEY_PASSWORD=PASSWORD).check_error("model.hash_mismatch")
    file.unlink()
    place.run("node", INFERNET_KEY_PASSWORD=PASSWORD).check_error("model.file_missing")
    manifest = file.with_name("manifest.json")
    manifest.write_text(manifest.read_text().replace("doubling", "trebling"))
    place.run("models", "list").check_error("model.hash_mismatch")
    add_model(place)  # the same model again repairs the store
    assert file.read_bytes() == content


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["add", "none.onnx", "--name=a/b:1"], "model.file_missing"),
        (["add", "junk.onnx"], "model.no_name"),
        (["add", "junk.onnx", "--name=a/b:1"], "model.unreadable"),
        (["show", "a/b:1"], "model.not_found"),
    ],
)
def test_a_model_command_that_cannot_be_done(here: Here, arguments: list[str], code: str) -> None:
    (here.folder / "junk.onnx").write_bytes(b"no model")
    here.run("models", *arguments).check_error(code)
    assert not (here.folder / "models").exists()


# --- init -------------------------------------------------------------------------------------------------------------
def test_init_twice_changes_nothing(place: Place) -> None:
    arguments = ["init", "n", f"--coordinator={COORDINATOR}", "--chain-id=5"]
    assert place.run(*arguments, INFERNET_KEY_PASSWORD=PASSWORD).code == 0
    files = {path: path.read_bytes() for path in (place.folder / "n").iterdir()}
    place.run(*arguments, INFERNET_KEY_PASSWORD=PASSWORD).check_error("init.exists")
    (place.folder / "n" / "infernet.toml").unlink()
    place.run(*arguments, INFERNET_KEY_PASSWORD=PASSWORD).check_error("key.exists")
    assert {path: path.read_bytes() for path in (place.folder / "n").iterdir()}.items() <= files.items()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], "init.no_coordinator"),
        (["--coordinator=0x12"], "address.invalid"),
        ([f"--coordinator={COORDINATOR}", "--rpc-url=http://127.0.0.1:1"], "chain.unreachable"),
        ([f"--coordinator={COORDINATOR}", "--chain-id=5", "--rpc-url=x"], "chain.bad_url"),
        ([f"--coordinator={COORDINATOR}", "--chain-id=5"], "key.no_password"),
    ],
)
def test_init_that_cannot_be_done_makes_nothing(here: Here, arguments: list[str], code: str) -> None:
    here.run("init", "n", *arguments).check_error(code)
    assert not (here.folder / "n").exists()


def test_init_where_no_folder_can_be(here: Here) -> None:
    (here.folder / "file").touch()
    arguments = ["init", "file/n", f"--coordinator={COORDINATOR}", "--chain-id=5"]
    here.run(*arguments, INFERNET_KEY_PASSWORD=PASSWORD).check_error("system.error")


# --- usage ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["frobnicate"],
        ["request"],
        ["request", "sum", "--redundancy=0"],
        ["request", "sum", "--timeout=nan"],
        ["dev", "--port=65536"],
        ["dev", "--block-time=0"],
        ["init", "--chain-id=0"],
        ["node", "--unknown"],
    ],
)
def test_wrong_usage_ends_with_2_and_the_usage(here: Here, arguments: list[str]) -> None:
    done = here.run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "Usage: infernet" in done.err


def test_a_command_that_does_not_exist(place: Place) -> None:
    done = place.run("frobnicate")
    assert (done.code, "No such command 'frobnicate'" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        (["node", "--json"], "config.missing", 1),
        (["request", "sum", "--ints=1", "--json"], "request.no_coordinator", 1),
        (["models", "show", "a/b:1", "--json"], "model.not_found", 1),
        (["frobnicate", "--json"], "usage", 2),
    ],
)
def test_with_json_an_error_is_one_object(here: Here, arguments: list[str], code: str, exit_code: int) -> None:
    done = here.run(*arguments)
    assert (done.code, done.json["error"]["code"], done.err) == (exit_code, code, "")
    assert json.dumps(done.json)


def test_bytes_that_are_no_text_are_an_error_like_others(place: Place) -> None:
    done = place.run("models", "show", "\udcff\udcfe")
    done.check_error("model.not_found")


def test_a_terminal_without_our_letters_shows_others(place: Place) -> None:
    done = place.run("models", "show", "é/ü:1", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    done.check_error("model.not_found")
