"""A whole Infernet on this machine: a local chain, the contracts, nodes. Gone when it is closed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from infernet.app.node import RunningNode, start_node
from infernet.chain.anvil import AnvilChain
from infernet.chain.local import LocalChain
from infernet.client import AsyncClient
from infernet.keys.signer import LocalSigner
from infernet.settings import (
    ApiSettings,
    ChainSettings,
    ContainerSettings,
    JournalSettings,
    ModelSettings,
    Settings,
)
from infernet.store.journal import Job
from infernet.types import Address

DEPLOYER, USER, FIRST_NODE = 0, 1, 2
"""Which development account does what."""
FASTEST_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class LocalNetwork:
    """What runs.

    Attributes:
        client: the user's client, attached to the Coordinator.
        user: the funded account that `client` signs with.
    """

    chain: LocalChain
    coordinator: Address
    client: AsyncClient
    user: LocalSigner
    nodes: tuple[RunningNode, ...]
    folder: Path


@asynccontextmanager
async def start_network(
    containers: Sequence[ContainerSettings],
    model_store: Path,
    *,
    nodes: int = 1,
    port: int = 0,
    api_port: int = 0,
    block_time_s: float | None = 1.0,
    poll_interval_s: float | None = None,
    on_job: Callable[[int, Job], None] | None = None,
) -> AsyncIterator[LocalNetwork]:
    """A network that runs until the end of the `async with`, and leaves nothing behind.

    Args:
        containers: what every node serves.
        model_store: the folder of the model store that the nodes read.
        api_port: of the first node; the others take the ports after it (0: free ones).
        block_time_s: seconds between blocks, None for a block with each transaction.
        poll_interval_s: pause between two looks at the chain; a tenth of the block time by default.
        on_job: told the number of the node and every job of its that ended.
    """
    async with AsyncExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="infernet-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        chain = await stack.enter_async_context(AnvilChain(port=port, block_time_s=block_time_s))
        coordinator = await _deploy_coordinator(chain)
        user = LocalSigner(chain.accounts[USER].private_key)
        client = await stack.enter_async_context(AsyncClient(chain.rpc_url, user))
        await client.attach(coordinator)
        running = []
        for number in range(nodes):
            settings = Settings(
                journal=JournalSettings(path=folder / f"node-{number + 1}" / "journal.sqlite"),
                models=ModelSettings(store=model_store),
                api=ApiSettings(port=api_port + number if api_port else 0),
                chains=(
                    ChainSettings(
                        rpc_url=chain.rpc_url,
                        chain_id=chain.chain_id,
                        coordinator=coordinator,
                        poll_interval_s=poll_interval_s or max(FASTEST_POLL_S, (block_time_s or 0.0) / 10),
                    ),
                ),
                containers=tuple(containers),
            )
            signer = LocalSigner(chain.accounts[FIRST_NODE + number].private_key)
            report = _number_jobs(number, on_job)
            running.append(await stack.enter_async_context(start_node(settings, signer, on_job=report)))
        yield LocalNetwork(chain, coordinator, client, user, tuple(running), folder)


async def _deploy_coordinator(chain: LocalChain) -> Address:
    async with AsyncClient(chain.rpc_url, LocalSigner(chain.accounts[DEPLOYER].private_key)) as deployer:
        return await deployer.deploy("EIP712Coordinator")


def _number_jobs(number: int, on_job: Callable[[int, Job], None] | None) -> Callable[[Job], None] | None:
    return None if on_job is None else lambda job: on_job(number, job)


