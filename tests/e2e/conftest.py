"""Commands run as a user types them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from command import PASSWORD, Place, write_config

from infernet.keys.keystore import create_key_file
from infernet.keys.signer import LocalSigner


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A folder to run commands in; whatever they do, no process and no temporary file is left."""
    place = Place(tmp_path)
    yield place
    place.check_nothing_left()


@dataclass(frozen=True)
class Network:
    """A running `infernet dev`: what it printed."""

    rpc_url: str
    coordinator: str
    apis: list[str]
    keys: list[str]

    def build_variables(self) -> dict[str, str]:
        """What a user exports to ask it something."""
        return {
            "INFERNET_RPC_URL": self.rpc_url,
            "INFERNET_COORDINATOR": self.coordinator,
            "INFERNET_PRIVATE_KEY": self.keys[-1],
        }

    def write_config(self, folder: Path, *, chain: tuple[str, ...] = (), extra: str = "", containers: str = "") -> Path:
        """A node's configuration for this network, with the key of an account that has coin."""
        key_file = folder / "node.keystore.json"
        if not key_file.exists():
            signer = LocalSigner.from_hex(self.keys[5])
            create_key_file(key_file, PASSWORD, signer, scrypt_work=2)
        own = (f'rpc_url = "{self.rpc_url}"', f'coordinator = "{self.coordinator}"', "poll_interval_s = 0.05")
        api = "" if "[api]" in extra else "[api]\nport = 0\n"
        return write_config(folder, chain=(*own, *chain), extra=extra + api, containers=containers)


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
