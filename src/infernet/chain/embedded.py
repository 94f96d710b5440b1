"""`LocalChain` by the execution layer that comes with this package: it needs Python and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from infernet.chain.child import HOST, ChildChain
from infernet.chain.local import LOCAL_CHAIN_ID
from infernet.types import ChainId


class EmbeddedChain(ChildChain):
    """`infernet chain run` on loopback, in memory.

    Args:
        layer: the file that says what it is; None is a chain for development with everything on it.
    """

    program = "chain"

    def __init__(
        self,
        *,
        port: int = 0,
        block_time_s: float | None = None,
        chain_id: ChainId = LOCAL_CHAIN_ID,
        block_gas_limit: int | None = None,
        layer: Path | None = None,
    ) -> None:
        super().__init__(port=port, block_time_s=block_time_s, chain_id=chain_id, block_gas_limit=block_gas_limit)
        self._layer = layer

    async def _find(self) -> Sequence[str]:
        return (sys.executable, "-m", "infernet", "chain", "run")

    def _arguments(self, folder: Path) -> list[str]:
        arguments = ["--host", HOST, "--port", str(self._port), "--chain-id", str(self._chain_id), "--dev", "--quiet"]
        if self._block_time_s is not None:
            arguments += ["--block-time", f"{self._block_time_s:g}"]
        if self._block_gas_limit is not None:
            arguments += ["--gas-limit", str(self._block_gas_limit)]
        if self._layer is not None:
            arguments += ["--layer", str(self._layer)]
        return arguments
