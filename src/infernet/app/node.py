"""A whole node from its settings: containers, one pipeline for each chain, the HTTP API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from infernet.api import build_routes
from infernet.app.evaluation import build_evaluation
from infernet.app.following_model import FollowingModel, is_fetched
from infernet.app.model_sources import ModelSources
from infernet.app.requested_models import RequestedModels, ServedContainers
from infernet.app.trained import TrainingContainer
from infernet.chain.model_registry import OnChainModels
from infernet.chain.rpc import RpcChain
from infernet.chain.transport import name_endpoint
from infernet.compute.model import ModelContainer
from infernet.compute.python import PythonContainer
from infernet.errors import InvalidInput, JobRejected, NodeMisconfigured, RetryLater
from infernet.models.cache import ModelCache
from infernet.models.store import ModelStore
from infernet.node import ChainPipeline
from infernet.node.delivery import GasPolicy
from infernet.ports import Chain, Container, Signer
from infernet.protocol.money_calldata import BOND_OF, NODE_REGISTRY, PROTOCOL_SHARE_BPS
from infernet.protocol.policy import Policy
from infernet.settings import ChainSettings, ContainerSettings, Settings
from infernet.store.journal import Job, Journal
from infernet.types import Address, Call, ChainId, Wei
from infernet.web import HttpServer, build_application

INFERENCE_ENTRY = "infernet.workflows.inference_requests:load_inference_run"


class SystemClock:
    """The machine's clock."""

    def now_s(self) -> float:
        """Seconds that only move forward."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Pause."""
        await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class RunningNode:
    """A node at work.

    Attributes:
        api_url: where its HTTP API listens, None where it is off.
    """

    address: Address
    containers: tuple[str, ...]
    chains: tuple[ChainPipeline, ...]
    rpcs: tuple[RpcChain, ...]
    api_url: str | None


@asynccontextmanager
async def start_node(
    settings: Settings,
    signer: Signer,
    *,
    open_journal: Callable[..., Journal] = Journal,
    on_job: Callable[[Job], None] | None = None,
) -> AsyncIterator[RunningNode]:
    """A node that works until the end of the `async with`.

    Raises:
        NodeMisconfigured: what the operator must change, before anything is started that would be lost.
    """
    async with AsyncExitStack() as stack:
        rpcs = [await stack.enter_async_context(RpcChain(chain.rpc_url)) for chain in settings.chains]
        for chain, rpc in zip(settings.chains, rpcs, strict=True):
            await check_chain(chain, rpc)
        containers = build_containers(settings, rpcs[0])
        stack.push_async_callback(containers.stop)
        for container in containers.values():
            stack.push_async_callback(container.stop)
            await container.start()
        journal = stack.enter_context(open_journal(settings.journal.path))
        pipelines = [
            _build_pipeline(
                settings,
                chain,
                rpc,
                signer,
                journal,
                containers,
                await fetch_market(settings, chain, rpc, signer),
                on_job,
            )
            for chain, rpc in zip(settings.chains, rpcs, strict=True)
        ]
        api = await _start_api(stack, settings, pipelines, containers)
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(pipeline.run(), name="pipeline") for pipeline in pipelines]
            if api is not None:
                running.append(tasks.create_task(api.wait_end(), name="api"))
            api_url = api.url if api else None
            yield RunningNode(signer.address, tuple(containers), tuple(pipelines), tuple(rpcs), api_url)
            for task in running:
                task.cancel()


async def check_chain(settings: ChainSettings, chain: Chain) -> None:
    """Refuse a chain that is not the one configured.

    Raises:
        NodeMisconfigured: it cannot be reached, has another id, or no contract stands at the Coordinator's address.
    """
    try:
        chain_id = await chain.fetch_chain_id()
        code = await chain.fetch_code(Address(settings.coordinator))
    except RetryLater as error:
        raise NodeMisconfigured(error.code, f"{error.message}: check rpc_url") from error
    if chain_id != settings.chain_id:
        raise NodeMisconfigured(
            "chain.wrong_id",
            f"{name_endpoint(settings.rpc_url)} is chain {chain_id}, the configuration says {settings.chain_id}: "
            "correct chain_id or rpc_url",
        )
    if not code:
        raise NodeMisconfigured(
            "coordinator.no_code",
            f"no contract stands at {settings.coordinator} on chain {chain_id}: check coordinator",
        )


@dataclass(frozen=True, slots=True)
class Market:
    """What one chain says about this node's earnings.

    Attributes:
        bonds: the node's own, towards each verifier that the operator allows, in wei.
    """

    protocol_share_bps: int
    bonds: Mapping[Address, int]


async def fetch_market(settings: Settings, chain: ChainSettings, rpc: Chain, signer: Signer) -> Market:
    """Read the Coordinator's share of every fee, and the node's bonds.

    Raises:
        NodeMisconfigured: `coordinator.unknown`: the contract there is no Coordinator that this node knows.
    """
    coordinator, verifiers = Address(chain.coordinator), [Address(v) for v in settings.policy.verifiers]
    try:
        share: int = PROTOCOL_SHARE_BPS.decode_returned(await rpc.call(Call(coordinator, PROTOCOL_SHARE_BPS.encode())))
        registry = Address(NODE_REGISTRY.decode_returned(await rpc.call(Call(coordinator, NODE_REGISTRY.encode()))))
        asked = [await rpc.call(Call(registry, BOND_OF.encode(signer.address, verifier))) for verifier in verifiers]
        bonds = {verifier: BOND_OF.decode_returned(bond) for verifier, bond in zip(verifiers, asked, strict=True)}
    except (JobRejected, InvalidInput) as error:
        raise NodeMisconfigured(
            "coordinator.unknown", f"the contract at {coordinator} is no Coordinator: check coordinator"
        ) from error
    return Market(share, bonds)


def build_containers(settings: Settings, chain: Chain) -> ServedContainers:
    """The configured containers, not started, and what those that train have trained; more while they run.

    Args:
        chain: the first one; names of models are looked up there.
    """
    containers = ServedContainers(_build_requested(settings, chain))
    built = [build_container(container, settings, chain) for container in settings.containers]
    containers.data |= {container.id: container for container in built}
    for container in built:
        if isinstance(container, TrainingContainer):
            container.on_version(lambda version: containers.data.setdefault(version.id, version))
    return containers


def _build_requested(settings: Settings, chain: Chain) -> RequestedModels | None:
    policy = settings.policy
    if not policy.namespaces:
        return None
    creators = [Address(creator) for creator in policy.creators]
    return RequestedModels(_build_sources(settings, chain), policy.namespaces, SystemClock(), creators)


def build_container(settings: ContainerSettings, whole: Settings, chain: Chain) -> Container:
    """One configured container, not started.

    Raises:
        NodeMisconfigured: its model is not in the store, or is not what its manifest says.
    """
    match settings.kind:
        case "model" if is_fetched(settings.model or "", ModelStore(whole.models.store)):
            return FollowingModel(
                settings.name,
                settings.model or "",
                _build_sources(whole, chain),
                SystemClock(),
                is_ahead=whole.models.fetch == "ahead",
                poll_interval_s=whole.models.poll_interval_s,
                max_concurrency=settings.concurrency,
                run_timeout_s=settings.timeout_s,
                **_list_workflow(settings),
            )
        case "model":
            model = ModelStore(whole.models.store).get(settings.model or "")
            return ModelContainer(
                model.manifest,
                model.folder,
                container_id=settings.name,
                max_concurrency=settings.concurrency,
                run_timeout_s=settings.timeout_s,
                **_list_workflow(settings),
            )
        case "python":
            return PythonContainer(
                settings.name,
                settings.target or "",
                max_concurrency=settings.concurrency,
                run_timeout_s=settings.timeout_s,
            )
        case "training":
            return TrainingContainer(settings, whole.models.store, whole.mlflow.tracking_uri)
        case "evaluation":
            return build_evaluation(settings)


def _list_workflow(settings: ContainerSettings) -> dict[str, Any]:
    """What has a model's worker put an inference workflow around it."""
    if settings.workflow is None:
        return {}
    arguments = {"workflow": str(settings.workflow), "workflow_name": settings.workflow_name}
    return {"entry": INFERENCE_ENTRY, "arguments": arguments}


def _build_sources(settings: Settings, chain: Chain) -> ModelSources:
    first = settings.chains[0]
    published = OnChainModels(chain, Address(first.coordinator), first.start_block)
    cache = ModelCache(settings.models.store, settings.models.max_bytes)
    return ModelSources(
        cache,
        settings.mlflow.tracking_uri,
        published,
        settings.models.trusted_folders,
        private_addresses=settings.models.private_addresses,
    )


def _build_pipeline(
    settings: Settings,
    chain: ChainSettings,
    rpc: Chain,
    signer: Signer,
    journal: Journal,
    containers: Mapping[str, Container],
    market: Market,
    on_job: Callable[[Job], None] | None,
) -> ChainPipeline:
    return ChainPipeline(
        chain=rpc,
        chain_id=ChainId(chain.chain_id),
        coordinator=Address(chain.coordinator),
        signer=signer,
        journal=journal,
        containers=containers,
        policy=Policy(
            node=signer.address,
            containers=containers.keys(),
            allowed_owners=frozenset(map(Address, settings.policy.allowed_owners)),
            denied_owners=frozenset(map(Address, settings.policy.denied_owners)),
            turn_window_s=settings.policy.turn_window_s,
            max_callback_gas=settings.policy.max_callback_gas,
            minimum_fees={Address(token): least for token, least in settings.policy.minimum_fees.items()},
            margin_percent=settings.policy.margin_percent,
            tip=Wei(chain.tip_wei),
            bonds=market.bonds,
            protocol_share_bps=market.protocol_share_bps,
        ),
        gas_policy=GasPolicy(
            tip=Wei(chain.tip_wei), max_fee=None if chain.max_fee_wei is None else Wei(chain.max_fee_wei)
        ),
        clock=SystemClock(),
        poll_interval_s=chain.poll_interval_s,
        start_block=chain.start_block,
        job_timeout_s=settings.policy.job_timeout_s,
        on_job=on_job,
    )


async def _start_api(
    stack: AsyncExitStack, settings: Settings, pipelines: Sequence[ChainPipeline], containers: Iterable[str]
) -> HttpServer | None:
    if not settings.api.enabled:
        return None
    chains = {
        (ChainId(chain.chain_id), Address(chain.coordinator)): pipeline
        for chain, pipeline in zip(settings.chains, pipelines, strict=True)
    }
    application = build_application(build_routes(chains, containers))
    return await stack.enter_async_context(HttpServer(application, settings.api.host, settings.api.port))
