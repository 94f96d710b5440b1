"""Commands run as a user types them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from command import Place
from surroundings import Here, Network


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A folder to run commands in; whatever they do, no process and no temporary file is left."""
    place = Place(tmp_path)
    yield place
    place.check_nothing_left()


@pytest.fixture
def here(place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Here]:
    for name in [name for name in os.environ if name.startswith("INFERNET_") and name != "INFERNET_ANVIL"]:
        monkeypatch.delenv(name)
    yield Here(place, monkeypatch, capsys)
    structlog.reset_defaults()  # the logs went to what this test captured


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """`infernet dev` with two nodes, stopped by SIGTERM, which leaves nothing behind."""
    place = Place(tmp_path_factory.mktemp("dev"))
    dev = place.start("dev", "--json", "--nodes=2", "--port=0", "--api-port=0", "--block-time=0.25")
    try:
        told = dev.read_json()
        yield Network(
            told["rpcUrl"],
            told["coordinator"],
            [node["api"] for node in told["nodes"]],
            [account["privateKey"] for account in told["accounts"]],
        )
        assert dev.stop(signal.SIGTERM).code == 0
    finally:
        dev.kill()
    place.check_nothing_left()
