"""The world that the node's integration tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infernet.chain.anvil import AnvilChain
from infernet.testing.world import World, build_world


@pytest.fixture
async def world(anvil: AnvilChain, tmp_path: Path) -> AsyncIterator[World]:
    async with build_world(anvil, tmp_path) as built:
        yield built
