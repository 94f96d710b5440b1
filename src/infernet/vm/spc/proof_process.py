"""Verifying proofs in a process of its own."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from threading import Timer
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
    """Starts with the first proof.

    Args:
        limit_s: for one proof, the start of the process included. `measure_circuit` keeps proofs far below it.
    """

    def __init__(self, limit_s: float = 30.0) -> None:
        self._limit_s = limit_s
        self._process: subprocess.Popen[str] | None = None

    def verify(self, circuit: Circuit, proof: bytes, instances: tuple[int, ...]) -> bool:
        """Whether it is a proof for these public instances.

        Raises:
            NodeMisconfigured: `zk.no_answer`: the process ended twice. That may be the machine's doing, and no answer
                may be.
        """
        felts = [instance.to_bytes(32, "little").hex() for instance in instances]
        body = {"instances": [felts], "proof": list(proof), "hex_proof": "0x" + proof.hex()}
        files = {**asdict(circuit), "proof": json.dumps(body).encode()}
        request = json.dumps({name: base64.b64encode(content).decode() for name, content in files.items()})
        for _ in range(_ATTEMPTS):
            answer = self._ask(request)
            if answer is not None:
                return answer
        raise NodeMisconfigured(
            "zk.no_answer",
            "the process that verifies proofs ended, or took too long: free memory and disk space, and start again",
        )

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
        timer = Timer(self._limit_s, process.kill)
        timer.start()
        try:
            process.stdin.write(request + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        if not line:
            self.close()
            return None
        return bool(json.loads(line))


def _start() -> subprocess.Popen[Any]:
    return subprocess.Popen(
        [sys.executable, "-m", "infernet.vm.spc.proof_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"RAYON_NUM_THREADS": "1", "RUST_BACKTRACE": "0"},
    )
