"""Verifying proofs in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from infernet.errors import NodeMisconfigured

_ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class Circuit:
    """What verifies the proofs of one circuit.

    Attributes:
        key: EZKL's verifying key.
        settings: EZKL's settings.json.
        srs: the structured reference string, or as much of it as `cut_srs` keeps.
    """

    key: bytes
    settings: bytes
    srs: bytes


def require_ezkl() -> None:
    """Raises `NodeMisconfigured`: `zk.not_installed`."""
    if find_spec("ezkl") is None:
        raise NodeMisconfigured(
            "zk.not_installed", "proof verification needs ezkl: pip install 'infernet[zk]', or leave 0x0820 out"
        )


class ProofProcess:
    """Starts with the first proof."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="infernet-proofs-")

    def verify(self, identity: bytes, circuit: Circuit, proof: bytes, instances: tuple[int, ...]) -> bool:
        """Whether it is a proof for these public instances. One that ends the process twice is none."""
        felts = [instance.to_bytes(32, "little").hex() for instance in instances]
        body = {"instances": [felts], "proof": list(proof), "hex_proof": "0x" + proof.hex()}
        request = json.dumps({"files": self._write_files(identity, circuit), "proof": body})
        for _ in range(_ATTEMPTS):
            answer = self._ask(request)
            if answer is not None:
                return answer
        return False

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _ask(self, request: str) -> bool | None:
        """None where the process ended before it answered."""
        process = self._process = self._process or _start()
        assert process.stdin is not None  # noqa: S101  (both are pipes)
        assert process.stdout is not None  # noqa: S101
        try:
            process.stdin.write(request + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self.close()
            return None
        return bool(json.loads(line))

    def _write_files(self, identity: bytes, circuit: Circuit) -> dict[str, str]:
        folder = Path(self._folder.name) / identity.hex()
        paths = {name: folder / name for name in ("key", "settings", "srs")}
        if not folder.is_dir():
            folder.mkdir()
            for name, path in paths.items():
                path.write_bytes(getattr(circuit, name))
        return {name: str(path) for name, path in paths.items()}


def _start() -> subprocess.Popen[Any]:
    return subprocess.Popen(
        [sys.executable, "-m", "infernet.vm.spc.proof_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"RAYON_NUM_THREADS": "1"},
    )
