"""Witnesses in a layer's file, and what the commands refuse of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from infernet.app.layer import build_layer
from infernet.chain.local import DEV_ACCOUNTS
from infernet.cli import chain as command
from infernet.errors import InvalidInput, NodeMisconfigured
from infernet.layer_settings import TEMPLATE, LayerSettings, read_layer
from infernet.vm.seals import Witnesses

A, B, C = (account.address for account in DEV_ACCOUNTS[5:8])
PLAIN = {"predeploys": [], "precompiles": []}


def read(**keys: Any) -> LayerSettings:
    return LayerSettings.model_validate({**PLAIN, **keys})


def to_bytes(address: str) -> bytes:
    return bytes.fromhex(address[2:])


def test_a_file_names_the_witnesses_and_its_first_block_commits_to_them() -> None:
    plain = build_layer(read()).genesis
    genesis = build_layer(read(witnesses={"addresses": [A, B, C], "threshold": 2})).genesis
    assert plain.witnesses == Witnesses()
    assert genesis.witnesses == Witnesses((to_bytes(A), to_bytes(B), to_bytes(C)), 2)
    assert genesis.commitment() != plain.commitment()


def test_the_written_file_has_none_and_shows_how(tmp_path: Path) -> None:
    path, text = tmp_path / "layer.toml", TEMPLATE.format(chain_id=71)
    path.write_text(text)
    assert build_layer(read_layer(path)).genesis.witnesses == Witnesses()
    shown = '# addresses = ["0x...", "0x...", "0x..."]\n# threshold = 2'
    assert shown in text
    path.write_text(text.replace(shown, f'addresses = ["{A}", "{B}", "{C}"]\nthreshold = 2'))
    assert build_layer(read_layer(path)).genesis.witnesses.threshold == 2
    assert text.index("[witnesses]") < text.index("The producer's own business")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"witnesses": {"addresses": [A, A], "threshold": 1}}, "differ from each other"),
        ({"witnesses": {"addresses": [A, B], "threshold": 1}, "producer": B}, "and from the producer"),
        ({"witnesses": {"addresses": [A, B]}}, "2 witnesses and a threshold of 0"),
        ({"witnesses": {"addresses": [A, B], "threshold": 3}}, "2 witnesses and a threshold of 3"),
        ({"witnesses": {"threshold": 1}}, "0 witnesses and a threshold of 1"),
    ],
)
def test_a_list_that_cannot_be_is_refused(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(NodeMisconfigured, match=words) as refused:
        build_layer(read(**keys))
    assert refused.value.code == "layer.invalid"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["follow", "http://127.0.0.1:1", "--witness"], "witness.no_data"),
        (["follow", "http://127.0.0.1:1", "--keystore", "key.json"], "witness.no_flag"),
        (["seal", "0x12"], "block.hash"),
        (["seal", "12" * 31 + "zz"], "block.hash"),
    ],
)
def test_a_command_says_what_it_lacks(arguments: list[str], code: str) -> None:
    done = CliRunner().invoke(command.app, arguments)
    assert isinstance(done.exception, InvalidInput)
    assert done.exception.code == code


def test_a_witness_needs_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INFERNET_PRIVATE_KEY", raising=False)
    done = CliRunner().invoke(command.app, ["follow", "http://127.0.0.1:1", "--data", str(tmp_path), "--witness"])
    assert isinstance(done.exception, NodeMisconfigured)
    assert done.exception.code == "key.none"
