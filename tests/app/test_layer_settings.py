"""What a layer's file may say of prices and limits, and what its start says of its precompiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from infernet.app.layer import build_layer, describe_precompiles
from infernet.errors import NodeMisconfigured
from infernet.layer_settings import LayerSettings, read_layer


def read(folder: Path, text: str) -> LayerSettings:
    path = folder / "layer.toml"
    path.write_text(f'predeploys = []\nprecompiles = ["vectors"]\n{text}')
    return read_layer(path)


def test_a_limit_that_is_true_or_false_is_written_so(tmp_path: Path) -> None:
    said = build_layer(read(tmp_path, "[limits]\nrounded_models = true")).genesis
    assert said.commitment() == build_layer(read(tmp_path, "")).genesis.commitment()
    refusing = build_layer(read(tmp_path, "[limits]\nrounded_models = false\nneighbours = 5")).genesis
    limits = refusing.parameters["limits"]
    assert isinstance(limits, dict)
    assert (limits["rounded_models"], limits["neighbours"]) == (False, 5)
    assert refusing.commitment() != said.commitment()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[limits]\nrounded_models = 1", "rounded_models in limits is true or false, not 1"),
        ("[limits]\nneighbours = true", "neighbours in limits is a whole number, not true"),
        ("[prices]\ncall = false", "call in prices is a whole number, not false"),
        ("[prices]\ncall = -1", "prices are not negative"),
        ("[prices]\ncalls = 1", "there is no 'calls' in prices"),
    ],
)
def test_a_value_of_another_kind_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(NodeMisconfigured, match=words):
        build_layer(read(tmp_path, text))


def test_all_enabled_precompiles_are_named_with_their_addresses() -> None:
    settings = LayerSettings(predeploys=(), precompiles=("training", "vectors", "scheduler", "embeddings-recorded"))
    described = describe_precompiles(settings, build_layer(settings))
    assert list(described) == ["training", "vectors", "scheduler", "embeddings-recorded"]
    assert [int(address, 16) for address in described.values()] == [0x0813, 0x0810, 0x0830, 0x0811]
