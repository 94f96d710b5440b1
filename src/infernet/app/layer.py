"""A layer put together: the settings of its file become a first block, precompiles and a chain that is served."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from infernet.app.deployment import SALT, plan_suite
from infernet.app.layer_spcs import SYSTEM_CONTRACTS, build_spcs, describe_recorded
from infernet.chain.artifacts import load_artifact
from infernet.chain.create2 import compute_create2_address
from infernet.chain.local import DEV_ACCOUNTS
from infernet.errors import NodeMisconfigured
from infernet.layer_settings import LayerSettings, TrainingEntry
from infernet.types import Address
from infernet.vm.chain import Chain
from infernet.vm.earnings import Earnings
from infernet.vm.engine_thread import EngineThread
from infernet.vm.genesis import (
    DEV_PRODUCER,
    DEV_PRODUCER_KEY,
    Deployment,
    Genesis,
    SpcCallOfGenesis,
    build_dev_accounts,
)
from infernet.vm.request import AccountOverride
from infernet.vm.rpc.server import serve_chain
from infernet.vm.seals import Witnesses
from infernet.vm.spc.addresses import TENSOR_INFERENCE
from infernet.vm.spc.call import Spc
from infernet.vm.spc.models.publication import build_publication
from infernet.vm.spc.prices import Limits, Prices
from infernet.web import HttpServer

MULTICALL3 = Address("0xcA11bde05977b3631167028862bE2a173976CA11")
T = TypeVar("T", Prices, Limits)


@dataclass(frozen=True)
class Layer:
    """What a chain is made of."""

    genesis: Genesis
    spcs: tuple[Spc, ...]
    producer_key: bytes | None
    training: TrainingEntry | None = None


@dataclass(frozen=True)
class RunningLayer:
    """A chain that is served. Call it on its engine's thread only."""

    chain: Chain
    engine: EngineThread
    server: HttpServer


def build_layer(settings: LayerSettings, producer_key: bytes | None = None, *, asks: bool = True) -> Layer:
    """Put a layer together.

    Args:
        producer_key: of the account that the file names as producer; where it names none, everybody knows the key.
        asks: whether its recorded precompiles will ask anybody: those of a follower that is no witness do not, and
            need no API keys.

    Raises:
        NodeMisconfigured: a price, a limit or a language model that cannot be; a precompile without another that it
            needs; a package that is not installed.
    """
    prices, limits = _choose("prices", Prices(), settings.prices), _choose("limits", Limits(), settings.limits)
    spcs = build_spcs(settings, prices, limits, asks=asks)
    genesis = Genesis(
        producer=_to_bytes(settings.producer) if settings.producer else DEV_PRODUCER,
        chain_id=settings.chain_id,
        timestamp=settings.timestamp,
        gas_limit=settings.gas_limit,
        base_fee=settings.base_fee_wei,
        block_time_s=settings.block_time_s,
        accounts=_build_accounts(settings),
        deployments=_build_deployments(settings),
        spcs=tuple(sorted(_to_bytes(spc.address) for spc in spcs)),
        spc_calls=tuple(_build_publications(settings)),
        witnesses=_build_witnesses(settings),
        parameters={"prices": asdict(prices), "limits": asdict(limits), **describe_recorded(settings)},
    )
    training = settings.training if "training" in settings.precompiles else None
    return Layer(genesis, spcs, producer_key if settings.producer else DEV_PRODUCER_KEY, training)


@asynccontextmanager
async def run_layer(
    layer: Layer, path: Path | None, host: str, port: int, *, is_dev: bool = False, is_public: bool = False
) -> AsyncIterator[RunningLayer]:
    """Serve a chain while the context is open.

    Args:
        path: of its file; None keeps it in memory.
        is_dev: with helpers for tests, and accounts whose keys everybody knows.
        is_public: for an endpoint open to all: no `debug_` and `txpool_` methods, and calls run no recorded
            precompiles, which cost the operator money or connections.

    Raises:
        NodeMisconfigured: the file holds another chain or is in use, or the port is.
    """
    async with AsyncExitStack() as stack:
        engine = EngineThread()
        stack.callback(engine.close)
        chain = await engine.run(
            Chain, layer.genesis, layer.spcs, path, producer_key=layer.producer_key, run_recorded=not is_public
        )
        stack.push_async_callback(engine.run, chain.close)
        if layer.producer_key is not None:
            stack.callback((await engine.run(Earnings, chain)).close)
        if is_dev and chain.head.number == 0:
            await engine.run(chain.mine)  # the first block is as old as its file says: the head's time is today's
        accounts = DEV_ACCOUNTS if is_dev else ()
        server = await stack.enter_async_context(
            serve_chain(chain, engine, host, port, accounts=accounts, is_dev=is_dev, is_public=is_public)
        )
        if layer.training is not None and layer.producer_key is not None:
            from infernet.app.layer_training import train_for  # noqa: PLC0415  (with the workflows: heavy)

            folder = None if path is None else path.with_name("training")
            await stack.enter_async_context(train_for(chain, engine, folder, layer.training))
        yield RunningLayer(chain, engine, server)


def describe_predeploys(settings: LayerSettings) -> dict[str, Address]:
    """The contracts of the first block by name."""
    found: dict[str, Address] = {}
    if "suite" in settings.predeploys:
        found |= {part.name: part.address for part in plan_suite()}
    if "multicall3" in settings.predeploys:
        found["Multicall3"] = MULTICALL3
    if "weth" in settings.predeploys:
        found["WrappedEther"] = compute_create2_address(SALT, load_artifact("WrappedEther").encode_deployment())
    return found


def describe_precompiles(settings: LayerSettings, layer: Layer) -> dict[str, Address]:
    """Those that the file enables by name, the contracts among them too."""
    built = iter(layer.spcs)
    return {
        name: SYSTEM_CONTRACTS[name][1] if name in SYSTEM_CONTRACTS else next(built).address
        for name in settings.precompiles
    }


def _build_accounts(settings: LayerSettings) -> dict[bytes, AccountOverride]:
    accounts = build_dev_accounts() if settings.dev_accounts else {}
    for address, entry in settings.accounts.items():
        accounts[_to_bytes(Address(address))] = AccountOverride(balance=entry.ether * 10**18 + entry.wei)
    contracts = [SYSTEM_CONTRACTS[name] for name in settings.precompiles if name in SYSTEM_CONTRACTS]
    if "multicall3" in settings.predeploys:
        contracts.append(("Multicall3", MULTICALL3))
    for name, at in contracts:
        accounts[_to_bytes(at)] = AccountOverride(nonce=1, code=load_artifact(name).runtime)
    return accounts


def _build_deployments(settings: LayerSettings) -> tuple[Deployment, ...]:
    init_codes = [part.init_code for part in plan_suite()] if "suite" in settings.predeploys else []
    if "weth" in settings.predeploys:
        init_codes.append(load_artifact("WrappedEther").encode_deployment())
    return tuple(Deployment(SALT, init_code) for init_code in init_codes)


def _build_publications(settings: LayerSettings) -> Iterator[SpcCallOfGenesis]:
    """The calls that bring the file's models into the first block."""
    for folder in settings.models:
        for data in build_publication(Path(folder)):
            yield SpcCallOfGenesis(_to_bytes(TENSOR_INFERENCE), data)


def _build_witnesses(settings: LayerSettings) -> Witnesses:
    addresses, threshold = settings.witnesses.addresses, settings.witnesses.threshold
    if len(set(addresses)) < len(addresses) or settings.producer in addresses:
        raise NodeMisconfigured("layer.invalid", "witnesses differ from each other and from the producer")
    if not bool(addresses) <= threshold <= len(addresses):
        raise NodeMisconfigured(
            "layer.invalid",
            f"{len(addresses)} witnesses and a threshold of {threshold}: it is from 1 to their number",
        )
    return Witnesses(tuple(map(_to_bytes, addresses)), threshold)


def _choose(name: str, default: T, chosen: dict[str, bool | int]) -> T:
    """The default with what the file says."""
    unknown = sorted(set(chosen) - set(asdict(default)))
    if unknown:
        known = ", ".join(asdict(default))
        raise NodeMisconfigured("layer.unknown_key", f"there is no {unknown[0]!r} in {name}; there are {known}")
    for key, value in chosen.items():
        if type(value) is not type(getattr(default, key)):
            kind = "a whole number" if isinstance(value, bool) else "true or false"
            raise NodeMisconfigured("layer.invalid", f"{key} in {name} is {kind}, not {str(value).lower()}")
    if any(value < 0 for value in chosen.values()):
        raise NodeMisconfigured("layer.invalid", f"{name} are not negative")
    values: dict[str, Any] = dict(chosen)
    return replace(default, **values)


def _to_bytes(address: str) -> bytes:
    return bytes.fromhex(address[2:])
