"""The specification's block, made of ours, and a state that is put back when something breaks."""

from __future__ import annotations

from collections import UserList
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

from ethereum.forks.osaka.fork_types import Address
from ethereum.forks.osaka.state import State
from ethereum_types.bytes import Bytes32
from ethereum_types.numeric import U64, U256, Uint

from infernet.vm.engine import BlockEnv
from infernet.vm.osaka.precompiles import HostedBlock
from infernet.vm.osaka.world import World
from infernet.vm.request import BlockOverride
from infernet.vm.spc.host import SpcHost


class _Hashes(UserList[bytes]):
    """Block hashes, made what the specification takes when it asks for one: mostly it asks for the last alone."""

    def __getitem__(self, index: Any) -> Any:
        return Bytes32(self.data[index])


def build_env(world: World, env: BlockEnv, host: SpcHost) -> HostedBlock:
    """What the specification's functions want of a block. There are no blobs and there is no beacon chain."""
    return HostedBlock(
        chain_id=U64(env.chain_id),
        state=cast(State, world),
        block_gas_limit=Uint(env.gas_limit),
        block_hashes=cast(list[Bytes32], _Hashes(env.hashes)),
        coinbase=Address(env.coinbase),
        number=Uint(env.number),
        base_fee_per_gas=Uint(env.base_fee),
        time=U256(env.timestamp),
        prev_randao=Bytes32(env.prev_randao),
        excess_blob_gas=U64(0),
        parent_beacon_block_root=Bytes32(bytes(32)),
        host=host,
    )


def override_block(env: BlockEnv, wanted: BlockOverride | None) -> BlockEnv:
    """The block as a call wants to see it."""
    if wanted is None:
        return env
    names = ("number", "timestamp", "gas_limit", "coinbase", "prev_randao", "base_fee")
    return replace(env, **{name: getattr(wanted, name) for name in names if getattr(wanted, name) is not None})


@contextmanager
def restored_on_error(world: World, host: SpcHost) -> Iterator[None]:
    """Nothing of what failed stays, whatever failed."""
    accounts, storages, records, blobs = world.accounts, world.storages, len(host.records), len(host.blobs.added)
    try:
        yield
    except BaseException:
        world.accounts, world.storages = accounts, storages
        world.snapshots.clear()
        world.created_accounts.clear()
        del host.records[records:]
        while len(host.blobs.added) > blobs:
            host.blobs.added.popitem()
        raise
