"""Seals between nodes: fetched from whoever has them, handed to the node that blocks come from."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from infernet.chain.transport import HttpTransport
from infernet.errors import InfernetError, RetryLater
from infernet.vm.block import Block

log = structlog.get_logger()


class SealExchange:
    """The endpoints that a follower has its seals from.

    Args:
        upstream: where its blocks come from.
        others: whom it asks for seals beside; which of them answer is all the same, for each seal is checked.
        most: seals that one of them is listened to, for one block.
    """

    def __init__(self, upstream: HttpTransport, others: Sequence[HttpTransport], most: int) -> None:
        self._upstream, self._others, self._most = upstream, others, most
        self._silent: set[HttpTransport] = set()

    async def fetch(self, block: Block) -> list[bytes]:
        """What all of them have for this block; unchecked.

        Raises:
            RetryLater: upstream cannot be reached.
        """
        found = await asyncio.gather(*(self._ask(one, block) for one in (self._upstream, *self._others)))
        return [seal for seals in found for seal in seals]

    async def fetch_head(self) -> int:
        """The number of upstream's last block, or of the last that it knows to exist.

        Raises:
            RetryLater: upstream cannot be reached.
        """
        status = await self._upstream.request("infernet_sealStatus")
        return max(int(status["head"], 16), int(status["produced"], 16))

    async def hand(self, block: Block, seal: bytes) -> None:
        """Give upstream a seal of one's own.

        Raises:
            RetryLater: upstream cannot be reached.
        """
        try:
            await self._upstream.request("infernet_addSeal", "0x" + block.hash.hex(), "0x" + seal.hex())
        except RetryLater:
            raise
        except InfernetError as error:
            log.warning("seal.refused", block=block.number, by=self._upstream.endpoint, reason=error.message)

    async def _ask(self, endpoint: HttpTransport, block: Block) -> list[bytes]:
        try:
            shown = await endpoint.request("infernet_getSeals", "0x" + block.hash.hex())
            seals = [bytes.fromhex(entry["seal"][2:]) for entry in shown["seals"][: self._most]]
        except RetryLater as error:
            if endpoint is self._upstream:
                raise
            self._note_silence(endpoint, error.message)
            return []
        except (InfernetError, KeyError, TypeError, ValueError):
            return []  # it has another block, or none yet
        self._silent.discard(endpoint)
        return seals

    def _note_silence(self, endpoint: HttpTransport, reason: str) -> None:
        if endpoint not in self._silent:
            log.warning("seals.unreachable", endpoint=endpoint.endpoint, reason=reason)
        self._silent.add(endpoint)
