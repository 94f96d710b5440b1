"""`LocalChain` by the execution layer that comes with this package: it needs Python and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from infernet.chain.child import HOST, ChildChain


class EmbeddedChain(ChildChain):
    """`infernet chain run` on loopback, in memory."""

    program = "chain"

    async def _find(self) -> Sequence[str]:
        return (sys.executable, "-m", "infernet", "chain", "run")

    def _arguments(self, folder: Path) -> list[str]:
        arguments = ["--host", HOST, "--port", str(self._port), "--chain-id", str(self._chain_id), "--dev", "--quiet"]
        if self._block_time_s is not None:
            arguments += ["--block-time", f"{self._block_time_s:g}"]
        if self._block_gas_limit is not None:
            arguments += ["--gas-limit", str(self._block_gas_limit)]
        return arguments
