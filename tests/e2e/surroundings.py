"""What commands are tested in: this process, or beside a running `infernet dev`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from command import PASSWORD, Done, Place, write_config

from infernet.cli.main import run_command_line
from infernet.keys.keystore import create_key_file
from infernet.keys.signer import LocalSigner


class Here:
    """Runs a command line in this process: the same code from the arguments to the exit code, without the second that
    a process takes to start. For the many ways to be wrong, of which a few also run as processes."""

    def __init__(self, place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._place, self._monkeypatch, self._capsys = place, monkeypatch, capsys
        self.folder = place.folder

    def run(self, *arguments: str, **variables: str) -> Done:
        with self._monkeypatch.context() as patch:
            patch.chdir(self.folder)
            for name, value in self._place.build_environment(variables).items():
                patch.setenv(name, value)
            code = run_command_line(list(arguments))
        return Done(code, *self._capsys.readouterr())


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
