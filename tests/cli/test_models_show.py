"""What `infernet models show` tells of a model."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_models import write_model

from infernet.cli.models import show
from infernet.errors import NodeMisconfigured
from infernet.models.cache import ModelCache
from infernet.models.storage import Location


def test_a_fetched_model_is_shown_by_the_name_in_its_manifest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_model(tmp_path / "source", "acme/largest:abc")
    with ModelCache(tmp_path / "store").fetch(Location(str(tmp_path / "source"))) as held:
        show("acme/largest:abc", tmp_path / "store")
    printed = capsys.readouterr().out
    assert f"manifest hash  {held.model.hash}\n" in printed, "whole, also where no terminal is that wide"
    assert "input          features  uint8 n × 3  as int256[]\n" in printed
    with pytest.raises(NodeMisconfigured) as caught:
        show("acme/largest:2", tmp_path / "store")
    assert caught.value.code == "model.not_found"
