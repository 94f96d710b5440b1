"""`LocalChain` by anvil, Foundry's development chain."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from infernet.chain.anvil_binary import install_anvil
from infernet.chain.child import HOST, ChildChain
from infernet.chain.local import LOCAL_CHAIN_ID
from infernet.types import ChainId


class AnvilChain(ChildChain):
    """anvil on loopback.

    Args:
        binary: the program; None finds or fetches it.
    """

    program = "anvil"

    def __init__(
        self,
        *,
        port: int = 0,
        block_time_s: float | None = None,
        chain_id: ChainId = LOCAL_CHAIN_ID,
        block_gas_limit: int | None = None,
        binary: Path | None = None,
    ) -> None:
        super().__init__(port=port, block_time_s=block_time_s, chain_id=chain_id, block_gas_limit=block_gas_limit)
        self._binary = binary

    async def _find(self) -> Sequence[str]:
        binary = self._binary if self._binary is not None else await asyncio.to_thread(install_anvil)
        return (str(binary),)

    def _arguments(self, folder: Path) -> list[str]:
        arguments = ["--host", HOST, "--port", str(self._port), "--chain-id", str(self._chain_id), "--quiet"]
        arguments += ["--no-request-size-limit", "--cache-path", str(folder)]
        if self._block_time_s is not None:
            arguments += ["--block-time", f"{self._block_time_s:g}"]
        if self._block_gas_limit is not None:
            arguments += ["--gas-limit", str(self._block_gas_limit)]
        return arguments
