"""A whole Infernet on this machine: a local chain, the contracts, nodes. Gone when it is closed."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

from infernet.app.deployment import Deployment, deploy_suite
from infernet.app.node import RunningNode, start_node
from infernet.chain.child import ChildChain
from infernet.chain.embedded import EmbeddedChain
from infernet.chain.local import LocalChain
from infernet.chain.rpc import RpcChain
from infernet.client import AsyncClient
from infernet.keys.signer import LocalSigner
from infernet.settings import (
    ApiSettings,
    ChainSettings,
    ContainerSettings,
    JournalSettings,
    MlflowSettings,
    ModelSettings,
    PolicySettings,
    Settings,
)
from infernet.store.journal import Job
from infernet.types import Address

DEPLOYER, USER, FIRST_NODE = 0, 1, 2
"""Which development account does what."""
FASTEST_POLL_S = 0.05


class LocalNetwork:
    """What runs. Nodes may join while it does.

    Attributes:
        deployment: where all contracts stand.
        client: the user's client, attached to the Coordinator.
        user: the funded account that `client` signs with.
        nodes: those that joined by `add_node`, in order.
        journals: where each node writes down what it does.
    """

    def __init__(
        self,
        chain: LocalChain,
        deployment: Deployment,
        client: AsyncClient,
        user: LocalSigner,
        settings: Settings,
        folder: Path,
        stack: AsyncExitStack,
    ) -> None:
        self.chain = chain
        self.deployment = deployment
        self.client = client
        self.user = user
        self.nodes: list[RunningNode] = []
        self.journals: dict[Address, Path] = {}
        self._numbers = itertools.count()
        self._settings = settings
        self._folder = folder
        self._stack = stack

    @property
    def coordinator(self) -> Address:
        return self.deployment.coordinator

    async def add_node(self, on_job: Callable[[Job], None] | None = None) -> RunningNode:
        """One more node that stays as long as the network."""
        node = await self._stack.enter_async_context(self.run_node(on_job=on_job))
        self.nodes.append(node)
        return node

    def run_node(
        self,
        containers: Sequence[ContainerSettings] | None = None,
        mlflow: MlflowSettings | None = None,
        on_job: Callable[[Job], None] | None = None,
    ) -> AbstractAsyncContextManager[RunningNode]:
        """A node with an account, a journal and an API port of its own, until the end of the `async with`.

        Args:
            containers: what it serves, where that is not what the others do.
            mlflow: its registry, likewise.
        """
        number = next(self._numbers)
        api = self._settings.api
        own = {"containers": None if containers is None else tuple(containers), "mlflow": mlflow}
        settings = self._settings.model_copy(
            update={
                "journal": JournalSettings(path=self._folder / f"node-{number + 1}" / "journal.sqlite"),
                "api": api.model_copy(update={"port": api.port + number if api.port else 0}),
                **{name: value for name, value in own.items() if value is not None},
            }
        )
        signer = LocalSigner(self.chain.accounts[FIRST_NODE + number].private_key)
        self.journals[signer.address] = settings.journal.path
        return start_node(settings, signer, on_job=on_job)


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
    turn_window_s: int = 0,
    chain_kind: type[ChildChain] = EmbeddedChain,
    mlflow: MlflowSettings | None = None,
) -> AsyncIterator[LocalNetwork]:
    """A network that runs until the end of the `async with`, and leaves nothing behind.

    Args:
        containers: what every node serves.
        model_store: the folder of the model store that the nodes read.
        port: of the chain (0: a free one).
        api_port: of the first node; the others take the ports after it (0: free ones).
        block_time_s: seconds between blocks, None for a block with each transaction.
        poll_interval_s: pause between two looks at the chain; a tenth of the block time by default.
        turn_window_s: seconds over which the nodes spread their answers.
        chain_kind: the program behind the chain.
        mlflow: the registry of nodes that train.
    """
    async with AsyncExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="infernet-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        chain = await stack.enter_async_context(chain_kind(port=port, block_time_s=block_time_s))
        deployment = await _deploy(chain)
        coordinator = deployment.coordinator
        user = LocalSigner(chain.accounts[USER].private_key)
        client = await AsyncClient.connect(chain.rpc_url, signer=user, coordinator=coordinator)
        await stack.enter_async_context(client)
        settings = Settings(
            models=ModelSettings(store=model_store),
            mlflow=mlflow or MlflowSettings(),
            api=ApiSettings(port=api_port),
            policy=PolicySettings(turn_window_s=turn_window_s),
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
        network = LocalNetwork(chain, deployment, client, user, settings, folder, stack)
        for _ in range(nodes):
            await network.add_node()
        yield network


async def _deploy(chain: LocalChain) -> Deployment:
    async with RpcChain(chain.rpc_url) as rpc:
        return await deploy_suite(rpc, LocalSigner(chain.accounts[DEPLOYER].private_key))
