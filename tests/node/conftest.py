"""The world that the node's integration tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infernet.chain.child import ChildChain
from infernet.testing.world import World, build_world


@pytest.fixture
async def world(local_chain: ChildChain, tmp_path: Path) -> AsyncIterator[World]:
    async with build_world(local_chain, tmp_path) as built:
        yield built
