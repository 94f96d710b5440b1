"""A contract has a model trained and asks what was trained: a real node on a real chain, from request to answer."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow_stores import copy_store

from infernet.app.explanation import explain_record
from infernet.app.network import LocalNetwork, start_network
from infernet.models import ModelStore
from infernet.protocol.model_codec import encode_features
from infernet.settings import ContainerSettings, MlflowSettings
from infernet.store.reader import read_records
from infernet.types import Address, SubscriptionKey
from infernet.workflows.registry import Registry
from infernet.workflows.tracker import open_tracker

pytestmark = pytest.mark.chain
WORKFLOW = Path(__file__).parent / "asked_workflow.py"
PERIOD_S = 600
TIMEOUT_S = 60


@dataclass
class Trainer:
    """The contract, and the node that trains for it."""

    network: LocalNetwork
    address: Address
    store: ModelStore
    registry: Registry

    async def send(self, function: str, *arguments: object) -> SubscriptionKey:
        client = self.network.client
        receipt = await client.transact(self.address, "Trainer", function, *arguments)
        (key,) = client.read_created(receipt)
        return key

    async def read(self, function: str, *arguments: object) -> Any:
        return await self.network.client.read(self.address, "Trainer", function, *arguments)

    async def wait(self, key: SubscriptionKey, interval: int = 1) -> bytes:
        return (await self.network.client.wait_output(key, interval, timeout_s=TIMEOUT_S)).output


@pytest.fixture
async def trainer(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Trainer]:
    uri = copy_store(tmp_path_factory.getbasetemp().parent, tmp_path)
    container = ContainerSettings(id="train-iris", kind="training", workflow=WORKFLOW, timeout_s=300.0)
    store = tmp_path / "models"
    async with start_network([container], store, block_time_s=None, mlflow=MlflowSettings(tracking_uri=uri)) as network:
        arguments = (network.coordinator, "train-iris", network.nodes[0].address, False)
        address = await network.client.deploy("Trainer", *arguments)
        yield Trainer(network, address, ModelStore(store), Registry(open_tracker(uri)))


async def test_a_contract_has_a_model_trained_and_improved_and_asks_it(trainer: Trainer) -> None:
    await trainer.wait(await trainer.send("train", json.dumps({"params": {"depth": 1}})))
    first = await trainer.read("best")
    await trainer.wait(await trainer.send("train", json.dumps({"params": {"depth": 3}})))
    name, manifest_hash, metric = await trainer.read("best")
    assert metric > first[2] > 0
    champion = trainer.registry.find_champion("iris")
    assert champion is not None
    assert champion.tags["infernet.manifest_hash"] == manifest_hash.hex()

    manifest = trainer.store.get(name).manifest
    features = encode_features(manifest, {manifest.inputs[0].name: [[6.7, 3.0, 5.2, 2.3]]})
    question = await trainer.send("ask", features)
    await trainer.wait(question)
    assert await trainer.read("answers", question.id) == 2  # the third species
    explained = await wait_until_explained(trainer.network, question)
    assert explained[-1] == f"    by {name}, manifest {manifest_hash.hex()}, MLflow run {champion.run_id}"
    assert {first[0], name, "train-iris"} == await asyncio.to_thread(list_containers, trainer.network)

    freshness = await trainer.send("keepFresh", '{"params": {"depth": 2}}', PERIOD_S, 2)
    once = await trainer.wait(freshness)
    await trainer.network.chain.increase_time(PERIOD_S + 60)  # the chain's clock may be ahead of the machine's by now
    await trainer.network.chain.mine()
    assert await trainer.wait(freshness, 2) == once, "the same data give the same version"
    assert len(trainer.registry.list_versions("iris")) == 3


async def wait_until_explained(network: LocalNetwork, key: SubscriptionKey) -> list[str]:
    """What `infernet explain` says once the node knows that it has delivered."""
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            (record,) = read_records(network.journals[network.nodes[0].address], key.id)
            if all(job.state == "delivered" for job in record.jobs):
                return explain_record(record)
            await asyncio.sleep(0.05)


def list_containers(network: LocalNetwork) -> set[str]:
    with urllib.request.urlopen(f"{network.nodes[0].api_url}/v1/containers", timeout=10) as answer:
        return {container["id"] for container in json.load(answer)["containers"]}
