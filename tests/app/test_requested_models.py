"""Published models as containers: a version that a configuration names, and what a subscription asks for by name."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest
from small_models import write_model

from infernet.app.model_sources import Found, ModelSources
from infernet.app.node import RunningNode, start_node
from infernet.app.publishing import Offer, Published, publish_model
from infernet.app.requested_models import RequestedModels
from infernet.chain.child import ChildChain
from infernet.chain.local import DEV_ACCOUNTS
from infernet.chain.model_registry import OnChainModels
from infernet.client import AsyncClient
from infernet.errors import NodeMisconfigured
from infernet.keys.signer import LocalSigner
from infernet.models.cache import HeldModel, ModelCache
from infernet.models.download import Progress
from infernet.models.storage import Location
from infernet.protocol.int256 import decode_int256s, encode_int256s
from infernet.settings import Settings, read_settings
from infernet.store.journal import Job
from infernet.types import SubscriptionKey

pytestmark = pytest.mark.chain
TIE = encode_int256s([5, 5, 5])
"""Every version answers it with its own favourite."""
ROOM = 1 << 20

CONFIG = """
[api]
enabled = false

[models]
max_bytes = {max_bytes}
poll_interval_s = 0.05
fetch = "{fetch}"
trusted_folders = ["public"]

[policy]
namespaces = {namespaces}
creators = {creators}

[[chains]]
rpc_url = "{rpc_url}"
chain_id = {chain_id}
coordinator = "{coordinator}"
poll_interval_s = 0.05
"""
FIXED = """
[[containers]]
kind = "model"
model = "acme/largest:1"
"""


@dataclass
class Market:
    chain: ChildChain
    creator: AsyncClient
    asker: AsyncClient
    folder: Path

    async def publish(self, version: int, namespace: str = "acme") -> Published:
        """A version whose favourite is its number."""
        folder = self.folder / f"model-{namespace}-{version}"
        write_model(folder, f"{namespace}/largest:{version}", favourite=version)
        model = ModelCache(self.folder / "mine").store.add(folder)
        offer = Offer(name=f"{namespace}/largest", root=Location(str(self.folder / "public")))
        return await publish_model(self.creator, model, offer)

    def read_settings(
        self,
        containers: str = "",
        *,
        fetch: str = "ahead",
        namespaces: str = "[]",
        creators: str = "[]",
        max_bytes: int = ROOM,
    ) -> Settings:
        path = self.folder / "infernet.toml"
        values = {"rpc_url": self.chain.rpc_url, "chain_id": self.chain.chain_id, "fetch": fetch}
        values |= {
            "coordinator": self.asker.coordinator,
            "namespaces": namespaces,
            "creators": creators,
            "max_bytes": max_bytes,
        }
        path.write_text(CONFIG.format(**values) + containers)
        return read_settings(path)

    async def ask(self, container: str) -> int:
        output = await self.asker.wait_output(await self.asker.request(container, TIE), timeout_s=60)
        return int(decode_int256s(output.output)[0])

    def damage(self, published: Published) -> None:
        """Another model's graph where the published one's was, of the same size."""
        manifest = ModelCache(self.folder / "mine").store.get(published.container).manifest
        blob = self.folder / "public" / "blobs" / manifest.files[0].sha256
        content = bytearray(blob.read_bytes())
        content[-1] ^= 1
        blob.write_bytes(content)


@pytest.fixture
def market(local_chain: ChildChain, creator: AsyncClient, other: AsyncClient, tmp_path: Path) -> Market:
    return Market(local_chain, creator, other, tmp_path)


class Ended:
    """The jobs that came to an end."""

    def __init__(self) -> None:
        self.jobs: dict[SubscriptionKey, Job] = {}

    def __call__(self, job: Job) -> None:
        self.jobs[job.key.subscription] = job


def run_node(settings: Settings, ended: Ended | None = None):  # type: ignore[no-untyped-def]
    return start_node(settings, LocalSigner(DEV_ACCOUNTS[2].private_key), on_job=ended)


def list_fetched(market: Market) -> set[str]:
    return {model.hash for model in ModelCache(market.folder / "models").list()}


@pytest.mark.parametrize("fetch", ["ahead", "first-use"])
async def test_a_published_version_is_fetched_ahead_or_when_it_is_asked_for(market: Market, fetch: str) -> None:
    first = await market.publish(1)
    async with run_node(market.read_settings(FIXED, fetch=fetch)) as node:
        assert node.containers == ("acme/largest:1",)
        assert list_fetched(market) == ({first.manifest_hash.hex()} if fetch == "ahead" else set())
        assert await market.ask("acme/largest:1") == 1
        assert list_fetched(market) == {first.manifest_hash.hex()}
        await market.publish(2)
        assert await market.ask("acme/largest:1") == 1


async def test_a_version_that_was_added_by_hand_is_served_from_here(market: Market) -> None:
    await market.publish(1)
    write_model(market.folder / "own", "acme/largest:1", favourite=2)
    ModelCache(market.folder / "models").store.add(market.folder / "own")
    async with run_node(market.read_settings(FIXED)):
        assert await market.ask("acme/largest:1") == 2
    assert list_fetched(market) == set()


async def test_a_version_that_is_nowhere_stops_the_node_at_the_start(market: Market) -> None:
    with pytest.raises(NodeMisconfigured, match=r"in .*models, and none is published under that name") as caught:
        async with run_node(market.read_settings(FIXED)):
            pass
    assert caught.value.code == "model.not_found"


@pytest.mark.parametrize("fetch", ["ahead", "first-use"])
async def test_a_version_that_is_not_what_the_chain_says_never_runs(market: Market, fetch: str) -> None:
    market.damage(await market.publish(1))
    settings, ended = market.read_settings(FIXED, fetch=fetch), Ended()
    if fetch == "ahead":
        with pytest.raises(NodeMisconfigured) as caught:
            async with run_node(settings):
                pass
        assert caught.value.code == "model.hash_mismatch"
        return
    async with run_node(settings, ended):
        job = await fail(market, ended, "acme/largest:1")
    assert (job.state, job.code, job.output) == ("failed", "model.hash_mismatch", None)


async def fail(market: Market, ended: Ended, container: str) -> Job:
    """How a request ends that is not answered."""
    key = await market.asker.request(container, TIE)
    async with asyncio.timeout(60):
        while key not in ended.jobs:  # noqa: ASYNC110  (what the node calls)
            await asyncio.sleep(0.02)
    return ended.jobs[key]


async def test_what_a_trusted_namespace_publishes_is_served_when_it_is_asked_for(market: Market) -> None:
    first, ended = await market.publish(1), Ended()
    async with run_node(market.read_settings(namespaces='["acme"]'), ended) as node:
        assert node.containers == ()
        assert list_fetched(market) == set()
        assert [await market.ask("acme/largest:1") for _ in range(2)] == [1, 1]
        assert list_fetched(market) == {first.manifest_hash.hex()}
        second = await market.publish(2)
        assert await market.ask("acme/largest:2") == 2
        await market.creator.set_model_alias("acme/largest:1", "stable")
        assert await market.ask("acme/largest@stable") == 1
        await market.creator.set_model_alias("acme/largest:2", "stable")
        assert await market.ask("acme/largest@stable") == 2
        job = await fail(market, ended, "acme/largest:9")
        assert (job.state, job.code) == ("failed", "registry.not_found")
    uses = [use for job in ended.jobs.values() for use in job.models]
    assert [(use.container, use.version, use.manifest_hash) for use in uses[-2:]] == [
        ("acme/largest@stable", first.container, first.manifest_hash.hex()),
        ("acme/largest@stable", second.container, second.manifest_hash.hex()),
    ]


@pytest.mark.parametrize(("namespaces", "namespace"), [("[]", "acme"), ('["acme"]', "other")])
async def test_without_that_policy_and_from_others_nothing_is_fetched(
    market: Market, namespaces: str, namespace: str
) -> None:
    await market.publish(1, namespace)
    async with run_node(market.read_settings(namespaces=namespaces)) as node:
        key = await market.asker.request(f"{namespace}/largest:1", TIE)
        await wait_until_seen(node, key)
        report = node.chains[0].report(key.owner, key.id)
    assert report is not None
    assert (report.code, report.jobs) == ("container.not_served", ())
    assert list_fetched(market) == set()


async def test_a_namespace_that_changed_hands_is_served_as_far_as_its_creator_published_it(market: Market) -> None:
    await market.publish(1)
    registry = await OnChainModels(market.asker.chain, market.asker.coordinator).fetch_registry()
    await market.creator.transact(registry, "ModelRegistry", "offerNamespace", "acme", market.asker.address)
    await market.asker.transact(registry, "ModelRegistry", "acceptNamespace", "acme")
    market.creator, creator = market.asker, market.creator.address
    await market.publish(2)
    ended = Ended()
    async with run_node(market.read_settings(namespaces='["acme"]', creators=f'["{creator}"]'), ended):
        assert await market.ask("acme/largest:1") == 1
        job = await fail(market, ended, "acme/largest:2")
    assert (job.state, job.code) == ("failed", "model.creator_refused")
    assert len(list_fetched(market)) == 1


async def wait_until_seen(node: RunningNode, key: SubscriptionKey) -> None:
    async with asyncio.timeout(60):
        while node.chains[0].report(key.owner, key.id) is None:  # noqa: ASYNC110  (the chain's blocks)
            await asyncio.sleep(0.02)


async def test_what_is_asked_for_and_is_not_what_the_chain_says_never_runs(market: Market) -> None:
    market.damage(await market.publish(1))
    ended = Ended()
    async with run_node(market.read_settings(namespaces='["acme"]'), ended):
        job = await fail(market, ended, "acme/largest:1")
        assert (job.state, job.code, job.output) == ("failed", "model.hash_mismatch", None)
        await market.publish(2)
        assert await market.ask("acme/largest:2") == 2
    assert len(list_fetched(market)) == 1


class CountingSources(ModelSources):
    """A model of the store that is published under any name, and was damaged on its way until it is put right."""

    def __init__(self, store: Path) -> None:
        super().__init__(ModelCache(store), "")
        self.fetches = 0
        self.is_damaged = True

    async def resolve(self, reference: str) -> Found:
        (model,) = self.cache.store.list()
        return Found(reference, "", Location(str(model.folder)), model.hash)

    async def fetch(self, found: Found, progress: Progress | None = None) -> HeldModel:
        self.fetches += 1
        await asyncio.sleep(0)
        if self.is_damaged:
            raise NodeMisconfigured("model.hash_mismatch", "it is not what its manifest says")
        return await super().fetch(found, progress)


class Minutes:
    """A clock that is set by hand."""

    now = 0.0

    def now_s(self) -> float:
        return 60.0 * self.now

    async def sleep(self, seconds: float) -> None: ...


async def test_what_cannot_be_served_is_fetched_once_a_minute_however_often_it_is_asked_for(tmp_path: Path) -> None:
    write_model(tmp_path / "model", "acme/largest:1", favourite=1)
    ModelCache(tmp_path / "store").store.add(tmp_path / "model")
    sources, clock = CountingSources(tmp_path / "store"), Minutes()
    models = RequestedModels(sources, ["acme"], clock)

    async def ask_often() -> list[object]:
        asked = [models.run("acme/largest:1", TIE) for _ in range(8)]
        return await asyncio.gather(*asked, return_exceptions=True)

    for minute in (0.0, 0.9):
        clock.now = minute
        assert {getattr(error, "code", error) for error in await ask_often()} == {"model.hash_mismatch"}
        assert sources.fetches == 1
    clock.now, sources.is_damaged = 1.1, False
    try:
        answers = await ask_often()
        assert [decode_int256s(output).tolist() for output, _ in answers] == [[1]] * 8  # type: ignore[misc]
        assert sources.fetches == 2
    finally:
        await models.stop()


async def test_what_finds_no_room_is_refused_before_its_files_are_fetched(market: Market) -> None:
    await market.publish(1)
    ended = Ended()
    async with run_node(market.read_settings(namespaces='["acme"]', max_bytes=100), ended):
        job = await fail(market, ended, "acme/largest:1")
    assert (job.state, job.code) == ("failed", "model.too_large")
    assert not list((market.folder / "models").rglob("*.onnx*"))


async def test_more_than_a_few_versions_take_turns_with_the_workers(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infernet.app.on_demand._MAX_LOADED", 1)
    for version in (0, 1, 2):
        await market.publish(version)
    async with run_node(market.read_settings(namespaces='["acme"]')):
        asked = [0, 1, 2, 0, 2]
        assert [await market.ask(f"acme/largest:{version}") for version in asked] == asked
