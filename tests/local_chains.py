"""The kinds of local chain that tests run on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from needs import need

from infernet.chain.anvil import AnvilChain
from infernet.chain.anvil_binary import find_anvil
from infernet.chain.child import ChildChain
from infernet.chain.embedded import EmbeddedChain

KINDS: dict[str, type[ChildChain]] = {"embedded": EmbeddedChain, "anvil": AnvilChain}


def need_program(kind: type[ChildChain]) -> None:
    need(kind is not AnvilChain or find_anvil() is not None, "no anvil: run `make setup`, or set INFERNET_ANVIL")


@asynccontextmanager
async def borrow(chain: ChildChain) -> AsyncIterator[ChildChain]:
    """Whatever is done to the chain is undone in the end."""
    snapshot = await chain.snapshot()
    yield chain
    await chain.request("anvil_removeBlockTimestampInterval")
    await chain.set_interval(0)
    await chain.set_automine(True)
    await chain.revert(snapshot)
