from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from infernet.cli.init import build_config
from infernet.errors import NodeMisconfigured
from infernet.settings import Settings, read_settings

COORDINATOR = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
CHAIN = f'[[chains]]\nrpc_url = "http://127.0.0.1:8545"\nchain_id = 31337\ncoordinator = "{COORDINATOR}"\n'
REVERSE = '[[containers]]\nid = "reverse"\nkind = "python"\ntarget = "m:reverse"\n'
MODEL = '[[containers]]\nkind = "model"\nmodel = "a/b:1"\n'


def read(folder: Path, text: str) -> Settings:
    path = folder / "infernet.toml"
    path.write_text(text)
    return read_settings(path)


def refuse(folder: Path, text: str) -> NodeMisconfigured:
    with pytest.raises(NodeMisconfigured) as caught:
        read(folder, text)
    message = caught.value.message
    assert "\n" not in message
    assert message.startswith(str(folder / "infernet.toml"))
    return caught.value


def test_a_chain_alone_is_a_whole_configuration(tmp_path: Path) -> None:
    settings = read(tmp_path, CHAIN)
    assert settings.chains[0].chain_id == 31337
    assert settings.containers == ()
    assert (settings.api.host, settings.api.port, settings.api.enabled) == ("127.0.0.1", 4000, True)


def test_paths_begin_at_the_files_folder(tmp_path: Path) -> None:
    text = '[account]\nkeystore = "keys/k.json"\npassword_file = "p.txt"\n[journal]\npath = "/var/j.sqlite"\n' + CHAIN
    settings = read(tmp_path, text + REVERSE.replace("m:reverse", "code/own.py:reverse"))
    assert settings.account.keystore == tmp_path / "keys/k.json"
    assert settings.account.password_file == tmp_path / "p.txt"
    assert settings.journal.path == Path("/var/j.sqlite")
    assert settings.models.store == tmp_path / "models"
    assert settings.containers[0].target == f"{tmp_path}/code/own.py:reverse"


def test_what_others_choose_to_have_fetched_needs_a_limit(tmp_path: Path) -> None:
    policy = "[policy]\nnamespaces = ['acme']\n"
    error = refuse(tmp_path, policy + CHAIN)
    assert (error.code, error.fields["key"]) == ("config.invalid", "policy.namespaces")
    assert read(tmp_path, policy + "[models]\nmax_bytes = 1000\n" + CHAIN).policy.namespaces == ("acme",)
    assert read(tmp_path, CHAIN).policy.namespaces == ()
    error = refuse(tmp_path, f"[policy]\ncreators = ['{COORDINATOR}']\n{CHAIN}")
    assert error.fields["key"] == "policy.creators"


def test_a_module_as_target_stays_as_it_is(tmp_path: Path) -> None:
    assert read(tmp_path, CHAIN + REVERSE).containers[0].target == "m:reverse"


def test_a_model_is_served_under_its_own_name_unless_an_id_is_given(tmp_path: Path) -> None:
    assert read(tmp_path, CHAIN + MODEL).containers[0].name == "a/b:1"
    assert read(tmp_path, CHAIN + MODEL + 'id = "digits"\n').containers[0].name == "digits"


def test_a_missing_file_names_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(NodeMisconfigured) as caught:
        read_settings(tmp_path / "infernet.toml")
    assert caught.value.code == "config.missing"
    assert "infernet init" in caught.value.message


@pytest.mark.parametrize("content", [b"[chains", b"\xff\xfe", b"a = 1\na = 2", b"a = " + b"[" * 100_000])
def test_what_is_no_toml_is_unreadable(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "infernet.toml"
    path.write_bytes(content)
    with pytest.raises(NodeMisconfigured) as caught:
        read_settings(path)
    assert caught.value.code == "config.unreadable"


def test_a_folder_in_the_place_of_the_file_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(NodeMisconfigured) as caught:
        read_settings(tmp_path)
    assert caught.value.code == "config.unreadable"


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        ("[acount]\n" + CHAIN, "acount", "account"),
        ("[chain]\nx = 1\n" + CHAIN, "chain", "chains"),
        ("[api]\nprot = 1\n" + CHAIN, "api.prot", "port"),
        ("[policy]\nallow_owners = []\n" + CHAIN, "policy.allow_owners", "allowed_owners"),
        (CHAIN + "tip = 1\n", "chains.1.tip", "tip_wei"),
        (CHAIN.replace("rpc_url", "rpcurl"), "chains.1.rpcurl", "rpc_url"),
        (CHAIN + CHAIN.replace("chain_id", "chainid"), "chains.2.chainid", "chain_id"),
        (CHAIN + REVERSE + "timeout = 3\n", "containers.1.timeout", "timeout_s"),
        (CHAIN + REVERSE + MODEL + "concurency = 3\n", "containers.2.concurency", "concurrency"),
        ("[journal]\npaths = 'x'\n" + CHAIN, "journal.paths", "path"),
        ("[log]\nlevl = 'x'\n" + CHAIN, "log.levl", "level"),
        ("[models]\nstor = 'x'\n" + CHAIN, "models.stor", "store"),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(tmp_path: Path, text: str, key: str, nearest: str) -> None:
    error = refuse(tmp_path, text)
    assert error.code == "config.unknown_key"
    assert f"unknown key '{key}'; did you mean '{nearest}'?" in error.message


def test_an_unknown_key_like_no_other_lists_the_known_ones(tmp_path: Path) -> None:
    assert "known here: format, level" in refuse(tmp_path, "[log]\nzzzz = 1\n" + CHAIN).message


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "chains"),
        ("chains = []", "chains"),
        ("[chains]\nrpc_url = 'x'", "chains"),
        ("containers = 3\n" + CHAIN, "containers"),
        (CHAIN.replace("chain_id = 31337\n", ""), "chains.1.chain_id"),
        (CHAIN.replace("31337", '"31337"'), "chains.1.chain_id"),
        (CHAIN.replace("31337", "31337.5"), "chains.1.chain_id"),
        (CHAIN.replace("31337", "true"), "chains.1.chain_id"),
        (CHAIN.replace("31337", "0"), "chains.1.chain_id"),
        (CHAIN.replace("31337", "-1"), "chains.1.chain_id"),
        (CHAIN.replace("31337", "9" * 40), "chains.1.chain_id"),
        (CHAIN.replace(COORDINATOR, "0x12"), "chains.1.coordinator"),
        (CHAIN.replace(COORDINATOR, COORDINATOR.replace("F", "f")), "chains.1.coordinator"),
        (CHAIN + "start_block = -1\n", "chains.1.start_block"),
        (CHAIN + "poll_interval_s = 0\n", "chains.1.poll_interval_s"),
        (CHAIN + "poll_interval_s = nan\n", "chains.1.poll_interval_s"),
        (CHAIN + "poll_interval_s = inf\n", "chains.1.poll_interval_s"),
        (CHAIN + "max_fee_wei = 0\n", "chains.1.max_fee_wei"),
        ("[api]\nport = 65536\n" + CHAIN, "api.port"),
        ('[api]\nport = "4000"\n' + CHAIN, "api.port"),
        ('[api]\nenabled = "yes"\n' + CHAIN, "api.enabled"),
        ("[log]\nlevel = 'loud'\n" + CHAIN, "log.level"),
        ("[account]\nkeystore = 3\n" + CHAIN, "account.keystore"),
        ("account = 3\n" + CHAIN, "account"),
        ("[policy]\nallowed_owners = '0x'\n" + CHAIN, "policy.allowed_owners"),
        ("[policy]\ndenied_owners = ['0x12']\n" + CHAIN, "policy.denied_owners.1"),
        ("[policy]\nturn_window_s = -1\n" + CHAIN, "policy.turn_window_s"),
        ("[policy]\nnamespaces = ['Acme']\n" + CHAIN, "policy.namespaces.1"),
        ("[policy]\nnamespaces = ['acme/wine']\n" + CHAIN, "policy.namespaces.1"),
        (CHAIN + REVERSE + "concurrency = 0\n", "containers.1.concurrency"),
        (CHAIN + REVERSE + "timeout_s = 0\n", "containers.1.timeout_s"),
        (CHAIN + REVERSE.replace('"reverse"', '"a,b"'), "containers.1.id"),
        (CHAIN + REVERSE.replace('"python"', '"wasm"'), "containers.1.kind"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named_by_its_place(tmp_path: Path, text: str, place: str) -> None:
    error = refuse(tmp_path, text)
    assert error.code == "config.invalid"
    assert re.search(rf"\b{re.escape(place)} is (wrong: .+|missing)", error.message), error.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (CHAIN + REVERSE + REVERSE, "two containers have the id 'reverse'"),
        (CHAIN + MODEL + REVERSE.replace("reverse", "a/b:1"), "two containers have the id 'a/b:1'"),
        (CHAIN + CHAIN, "two [[chains]] have the chain_id 31337"),
        (CHAIN + '[[containers]]\nkind = "model"\n', "needs the key 'model'"),
        (CHAIN + '[[containers]]\nkind = "python"\ntarget = "a:b"\n', "needs the key 'id'"),
        (CHAIN + '[[containers]]\nkind = "python"\nid = "a"\n', "needs the key 'target'"),
        (CHAIN + REVERSE + 'model = "a/b:1"\n', "takes no key 'model'"),
        (CHAIN + MODEL + 'target = "a:b"\n', "takes no key 'target'"),
        ('[journal]\npath = "a\\u0000b"\n' + CHAIN, "journal.path is no path"),
        ('[account]\nkeystore = "~nobody-of-that-name/k"\n' + CHAIN, "account.keystore is no path"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(tmp_path: Path, text: str, said: str) -> None:
    error = refuse(tmp_path, text)
    assert error.code == "config.invalid"
    assert said in error.message


def test_what_init_writes_is_a_configuration(tmp_path: Path) -> None:
    settings = read(tmp_path, build_config('http://h/"quoted\\é', 5, COORDINATOR, 7))
    assert (settings.chains[0].rpc_url, settings.chains[0].chain_id) == ('http://h/"quoted\\é', 5)
    assert settings.chains[0].start_block == 7


def test_what_init_writes_documents_every_key_with_its_default(tmp_path: Path) -> None:
    text = re.sub(r"(?m)^# (\[|[a-z_]+ = )", r"\1", build_config("http://h", 5, COORDINATOR, 0))
    parsed = tomllib.loads(text)
    shown = read(tmp_path, text)
    for name, field in Settings.model_fields.items():
        kinds = (field.annotation, *getattr(field.annotation, "__args__", ()))
        section = next(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel))
        tables: Any = parsed[name] if isinstance(parsed[name], list) else [parsed[name]]
        assert {key for table in tables for key in table} == set(section.model_fields), name
    assert shown.policy == Settings.model_fields["policy"].default
    assert shown.api == Settings.model_fields["api"].default
    assert shown.log == Settings.model_fields["log"].default
    assert shown.chains[0].poll_interval_s == 1.0
    assert shown.chains[0].tip_wei == 10**9


TRAINING = '[[containers]]\nid = "train"\nkind = "training"\nworkflow = "wine.py"\n'
EVALUATION = '[[containers]]\nid = "score"\nkind = "evaluation"\ncolumn = "class"\nfolders = ["entries"]\n'


def test_a_container_that_trains_and_one_that_evaluates_find_their_files(tmp_path: Path) -> None:
    settings = read(tmp_path, CHAIN + TRAINING + EVALUATION)
    training, evaluation = settings.containers
    assert training.workflow == tmp_path / "wine.py"
    assert evaluation.folders == (tmp_path / "entries",)
    assert settings.mlflow.tracking_uri == f"sqlite:///{tmp_path}/mlflow.db"
    server = read(tmp_path, CHAIN + '[mlflow]\ntracking_uri = "http://10.0.0.1:5000"\n')
    assert server.mlflow.tracking_uri == "http://10.0.0.1:5000"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (TRAINING.replace('workflow = "wine.py"\n', ""), "containers.workflow"),
        (TRAINING + 'column = "class"\n', "containers.column"),
        (EVALUATION.replace('column = "class"\n', ""), "containers.column"),
        (EVALUATION + 'workflow = "wine.py"\n', "containers.workflow"),
        (MODEL + "max_rows = 1\n", "containers.max_rows"),
    ],
)
def test_a_kind_of_container_has_keys_of_its_own(tmp_path: Path, text: str, key: str) -> None:
    assert refuse(tmp_path, CHAIN + text).fields["key"] == key
