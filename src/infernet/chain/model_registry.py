"""The on-chain ModelRegistry, read: what an alias stands for, which manifest a version has, where it is found."""

from __future__ import annotations

from typing import Any

from infernet.chain.abi import ContractAbi
from infernet.chain.artifacts import load_artifact
from infernet.chain.log_ranges import fetch_logs_backwards
from infernet.errors import NodeMisconfigured
from infernet.ports import Chain
from infernet.protocol.hashing import compute_container_id, to_address
from infernet.protocol.registry_events import VERSION_PUBLISHED, VersionPublished
from infernet.types import Address, Call, Hash32

_NOTHING = bytes(32)


class OnChainModels:
    """One Coordinator's ModelRegistry.

    Args:
        start_block: the registry's deployment or earlier.
    """

    def __init__(self, chain: Chain, coordinator: Address, start_block: int = 0) -> None:
        self._chain = chain
        self._coordinator = coordinator
        self._start_block = start_block
        self._registry: Address | None = None
        self._known: dict[Hash32, VersionPublished] = {}  # versions never change, but for a reorg
        self._abi: ContractAbi = load_artifact("ModelRegistry")

    async def fetch_registry(self) -> Address:
        """Its address, as the Coordinator has it for ever."""
        if self._registry is None:
            coordinator = load_artifact("EIP712Coordinator")
            data = coordinator.encode_call("MODEL_REGISTRY", ())
            returned = await self._chain.call(Call(self._coordinator, data))
            self._registry = to_address(coordinator.decode_result("MODEL_REGISTRY", 0, returned))
        return self._registry

    async def fetch_target(self, name: str) -> Hash32:
        """The id of the version that an alias stands for; of a version, its own.

        Raises:
            NodeMisconfigured: `registry.not_found`.
        """
        own = compute_container_id(name)
        if "@" not in name:
            return own
        target = Hash32(await self._read("resolveAlias", own))
        if target == _NOTHING:
            raise _not_found(name)
        return target

    async def fetch_manifest_hash(self, container_id: Hash32) -> bytes | None:
        """The manifest hash of a version, None where it is not published."""
        manifest_hash: bytes = (await self._read("getVersion", container_id))[0]
        return None if manifest_hash == _NOTHING else manifest_hash

    async def fetch_publication(self, name: str) -> VersionPublished:
        """What was published of the version that a name (or an alias, now) stands for.

        Raises:
            NodeMisconfigured: `registry.not_found`.
            RetryLater: the chain cannot be reached.
        """
        target = await self.fetch_target(name)
        manifest_hash = await self.fetch_manifest_hash(target)
        if manifest_hash is None:
            raise _not_found(name)
        if target in self._known and self._known[target].manifest_hash == manifest_hash:
            return self._known[target]
        registry, head = await self.fetch_registry(), await self._chain.fetch_head()
        async for logs in fetch_logs_backwards(self._chain, [registry], self._start_block, head.number):
            for log in logs:
                if log.topics[0] == VERSION_PUBLISHED.topic and log.topics[1] == target:
                    self._known[target] = VERSION_PUBLISHED.decode(log)
                    return self._known[target]
        raise NodeMisconfigured(
            "registry.no_log",
            f"the chain has no log of the publication of {name} from block {self._start_block} on: lower start_block",
        )

    async def _read(self, function: str, argument: Hash32) -> Any:
        registry = await self.fetch_registry()
        returned = await self._chain.call(Call(registry, self._abi.encode_call(function, (argument,))))
        return self._abi.decode_result(function, 1, returned)


def _not_found(name: str) -> NodeMisconfigured:
    return NodeMisconfigured(
        "registry.not_found", f"nothing is published as {name} on this chain: check the name", reference=name
    )
