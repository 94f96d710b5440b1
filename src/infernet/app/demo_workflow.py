"""The part of the demonstration that takes longest and goes on beside the others: a contract has a model trained, asks
it, has it trained again, better, and asks again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from infernet.app.demo_events import Event, Quote, Row, Version, average_gas, show_ether
from infernet.app.earnings import fetch_earnings
from infernet.app.explanation import explain_record
from infernet.app.network import LocalNetwork
from infernet.app.node import RunningNode
from infernet.app.publishing import Offer, publish_model
from infernet.app.training import FOREST, HeldOut
from infernet.client import AsyncClient, Terms
from infernet.models.mlflow_registry import find_registered, parse_reference
from infernet.models.storage import Location
from infernet.models.store import ModelStore
from infernet.protocol.model_codec import encode_features
from infernet.settings import ContainerSettings, MlflowSettings
from infernet.store.reader import Record, read_records
from infernet.types import Address, SubscriptionKey
from infernet.workflows.graphs import build_missing

REQUESTS = {"trained": '{"params": {"trees": 1}}', "improved": '{"params": {"trees": 30}}'}
ASKED = 20
CREATOR, PAYER, PRICE, ROYALTY_BPS = 8, 7, 10**15, 1_000
_CONTAINER, _CHAMPION = "train-digits", "models:/digits@champion"
_TIMEOUT_S = 300.0
_POLL_S = 0.05


class Aside:
    """Events of work that goes on beside the rest: kept until their turn comes, told at once from then on."""

    def __init__(self, report: Callable[[Event], None]) -> None:
        self._report = report
        self._kept: list[Event] | None = []

    def __call__(self, event: Event) -> None:
        if self._kept is None:
            self._report(event)
        else:
            self._kept.append(event)

    def tell(self) -> None:
        """Its turn has come."""
        kept, self._kept = self._kept or [], None
        for event in kept:
            self._report(event)


def check_installed() -> None:
    """Whether a model can be trained on request.

    Raises:
        NodeMisconfigured: `demo.not_installed`.
    """
    if find_spec("mlflow") is None:
        raise build_missing("mlflow")


async def improve(
    network: LocalNetwork,
    model_store: Path,
    folder: Path,
    held_out: Awaitable[HeldOut],
    report: Callable[[Event], None],
    say: Callable[..., None],
) -> tuple[list[Row], list[Version]]:
    """From the first training to the answers of a better version, by a node that trains and accounts of its own.

    Args:
        model_store: of the network's nodes.
        folder: where MLflow's store, its runs and what is published go.
        held_out: the rows that the contract asks about.
    """
    await asyncio.to_thread(folder.mkdir)
    mlflow = MlflowSettings(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    container = ContainerSettings(id=_CONTAINER, kind="training", workflow=FOREST, timeout_s=_TIMEOUT_S)
    async with (
        network.run_node([container], mlflow) as node,
        await _connect(network, CREATOR) as creator,
        await _connect(network, PAYER) as payer,
    ):
        deploying = creator.deploy("Trainer", network.coordinator, _CONTAINER, node.address, False)
        trainer, _ = await asyncio.gather(deploying, payer.deposit(PRICE))
        models = ModelStore(model_store)
        contract = _Trainer(creator, trainer, models, mlflow.tracking_uri, folder, await held_out, say)
        rows, versions = [], []
        for flow, request in REQUESTS.items():
            versions.append(await contract.train(request))
            await contract.publish(versions[-1])
            row, key = await contract.ask(flow, versions[-1])
            rows.append(row)
        await _show_payment(payer, creator, node, versions[-1], contract.encode(versions[-1], 0), say)
        record = await _read_delivered(network.journals[node.address], key)
        report(Quote(f"infernet explain {key.id}", tuple(explain_record(record))))
        return rows, versions


async def _connect(network: LocalNetwork, account: int) -> AsyncClient:
    key = network.chain.accounts[account].private_key
    return await AsyncClient.connect(network.chain.rpc_url, key, coordinator=network.coordinator)


@dataclass(frozen=True, slots=True, eq=False)
class _Trainer:
    """The contract `Trainer`, and where its node puts what it trains."""

    creator: AsyncClient
    address: Address
    models: ModelStore
    tracking_uri: str
    folder: Path
    held_out: HeldOut
    say: Callable[..., None]

    async def train(self, request: str) -> Version:
        """Ask for a version on chain, and read back what the contract has of it."""
        receipt = await self.creator.transact(self.address, "Trainer", "train", request)
        self.say(f"asked to train: {request}", block=receipt.block_number, gas=receipt.gas_used)
        (key,) = self.creator.read_created(receipt)
        output = await self.creator.wait_output(key, timeout_s=_TIMEOUT_S)
        name, manifest_hash, metric = await self.creator.read(self.address, "Trainer", "best")
        champion = await asyncio.to_thread(find_registered, self.tracking_uri, parse_reference(_CHAMPION))
        if champion.manifest_hash != manifest_hash.hex():
            raise AssertionError("the contract's best version and MLflow's champion differ")
        version = Version(name, manifest_hash.hex(), metric / 10**18, champion.run_id)
        self.say(f"trained {name}", block=output.block_number, gas=output.gas_used)
        rows = len(self.held_out.target)
        self.say(f"  right on {version.accuracy:.1%} of {rows} held-out digits")
        self.say(f"  {champion}, MLflow run {version.run_id[:10]}…: the champion")
        return version

    async def publish(self, version: Version) -> None:
        """Enter it in the chain's ModelRegistry, with a price."""
        model = await asyncio.to_thread(self.models.get, version.name)
        name, root = version.name.partition(":")[0], Location(str(self.folder / "published"))
        offer = Offer(name=name, root=root, royalty_bps=ROYALTY_BPS, price=PRICE, run_id=version.run_id)
        done = await publish_model(self.creator, model, offer)
        self.say(f"  published at {show_ether(PRICE)} an answer, manifest {done.manifest_hash.hex()[:10]}…")

    async def ask(self, flow: str, version: Version) -> tuple[Row, SubscriptionKey]:
        """Have the contract ask its best version about held-out digits; the key is of the first."""
        asking = (
            self.creator.transact(self.address, "Trainer", "ask", self.encode(version, row)) for row in range(ASKED)
        )
        receipts = await asyncio.gather(*asking)
        keys = [self.creator.read_created(receipt)[0] for receipt in receipts]
        outputs = await asyncio.gather(*(self.creator.wait_output(key) for key in keys))
        answers = [await self.creator.read(self.address, "Trainer", "answers", key.id) for key in keys]
        right = sum(answer == truth for answer, truth in zip(answers, self.held_out.target, strict=False))
        gas = average_gas(outputs)
        self.say(f"{ASKED} held-out digits asked: {right} right", block=outputs[-1].block_number, gas=gas)
        waits = [o.block_number - receipt.block_number for o, receipt in zip(outputs, receipts, strict=True)]
        request_gas = round(sum(receipt.gas_used for receipt in receipts) / ASKED)
        return Row(flow, ASKED, right, request_gas, gas, blocks=sum(waits) / ASKED), keys[0]

    def encode(self, version: Version, row: int) -> bytes:
        """A held-out row as that version takes it."""
        manifest = self.models.get(version.name).manifest
        return encode_features(manifest, {manifest.inputs[0].name: self.held_out.features[row : row + 1]})


async def _show_payment(
    payer: AsyncClient,
    creator: AsyncClient,
    node: RunningNode,
    version: Version,
    features: bytes,
    say: Callable[..., None],
) -> None:
    """Somebody pays what the version costs; its creator's share is counted from the chain's logs."""
    price = await payer.read_model_price(version.name)
    output = await payer.wait_output(
        await payer.request(version.name, features, terms=Terms(fee=price), node=node.address)
    )
    (earned,) = await fetch_earnings(payer.chain, payer.coordinator, creator.address)
    say(
        f"paid {show_ether(price)}, its creator got {show_ether(earned.royalty)}",
        block=output.block_number,
        gas=output.gas_used,
    )


async def _read_delivered(journal: Path, key: SubscriptionKey) -> Record:
    """What the node's journal has of a subscription, once the node has seen its own delivery in a block."""
    async with asyncio.timeout(_TIMEOUT_S):
        while True:
            records = [record for record in read_records(journal, key.id) if record.tracked.key == key]
            if records and all(job.state == "delivered" for job in records[0].jobs):
                return records[0]
            await asyncio.sleep(_POLL_S)
