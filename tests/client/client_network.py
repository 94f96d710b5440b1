"""One Coordinator and two accounts on a local chain: who asks and who answers."""

from __future__ import annotations

from dataclasses import dataclass

from infernet.chain.child import ChildChain
from infernet.client import AsyncClient
from infernet.protocol.events import SubscriptionCreated, decode_event
from infernet.types import Address, Receipt, SubscriptionKey


@dataclass
class Network:
    """One Coordinator on one chain."""

    chain: ChildChain
    coordinator: Address
    asker: AsyncClient
    node: AsyncClient

    async def find_created(self, key: SubscriptionKey) -> SubscriptionCreated:
        logs = await self.node.chain.fetch_logs([self.coordinator], 0, (await self.node.chain.fetch_head()).number)
        events = [decode_event(log) for log in logs]
        return next(e for e in events if isinstance(e, SubscriptionCreated) and (e.owner, e.id) == (key.owner, key.id))

    async def deliver(self, key: SubscriptionKey, output: bytes, interval: int = 1, proof: bytes = b"") -> Receipt:
        """What a node does."""
        created = await self.find_created(key)
        return await self.node.transact(
            self.coordinator,
            "EIP712Coordinator",
            "deliverModelOutput",
            key.id,
            interval,
            created.subscription,
            output,
            proof,
        )
