"""A model goes from a folder to the chain, and its creator sees what it earns."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from range_server import serve_folder
from small_models import write_model

from infernet.app.earnings import Earned, fetch_earnings
from infernet.app.model_sources import ModelSources
from infernet.app.publishing import Offer, Published, publish_model
from infernet.chain.model_registry import OnChainModels
from infernet.client import AsyncClient, Terms
from infernet.errors import InvalidInput, NodeMisconfigured, RetryLater
from infernet.models import upload as upload_module
from infernet.models.cache import ModelCache
from infernet.models.storage import Location, write
from infernet.models.store import StoredModel
from infernet.protocol.hashing import ZERO_ADDRESS, compute_container_id
from infernet.types import Address

pytestmark = pytest.mark.chain
FEE = 10**15


@dataclass
class Market:
    coordinator: Address
    creator: AsyncClient
    rival: AsyncClient
    root: Path

    def offer(self, name: str = "acme/largest", **terms: object) -> Offer:
        return replace(Offer(name=name, root=Location(str(self.root))), **terms)  # type: ignore[arg-type]


@pytest.fixture
def market(creator: AsyncClient, other: AsyncClient, tmp_path: Path) -> Market:
    return Market(creator.coordinator, creator, other, tmp_path / "public")


@pytest.fixture
def model(tmp_path: Path) -> StoredModel:
    write_model(tmp_path / "model", "local/largest:abc")
    return ModelCache(tmp_path / "mine").store.add(tmp_path / "model")


async def test_a_model_is_published_once_however_often_it_is_asked_for(market: Market, model: StoredModel) -> None:
    offer = market.offer(royalty_bps=1_000, price=FEE, alias="champion", run_id="run-1", registry="sqlite:///mlflow.db")
    done = await publish_model(market.creator, model, offer)
    assert (done.container, done.transactions) == ("acme/largest:abc", 4)
    again = await publish_model(market.creator, model, offer)
    assert again == Published(done.container, done.manifest_hash, done.uri, 0)
    assert await market.creator.read_model_hash("acme/largest:abc") == done.manifest_hash
    assert await market.creator.read_model_price("acme/largest:abc") == FEE
    assert await market.creator.read_model_alias("acme/largest@champion") == compute_container_id("acme/largest:abc")
    said = json.loads((market.root / done.manifest_hash.hex() / "publication.json").read_bytes())
    assert (said["published_as"], said["mlflow_run"]) == ("acme/largest:abc", "run-1")


async def test_what_was_published_is_fetched_by_its_alias(market: Market, model: StoredModel, tmp_path: Path) -> None:
    done = await publish_model(market.creator, model, market.offer(alias="champion"))
    chain_models = OnChainModels(market.rival.chain, market.coordinator)
    sources = ModelSources(ModelCache(tmp_path / "other"), "", chain_models, [market.root])
    found = await sources.resolve("acme/largest@champion")
    assert (found.version, found.manifest_hash) == ("acme/largest:abc", done.manifest_hash.hex())
    with await sources.fetch(found) as held:
        assert held.model.hash == found.manifest_hash
        assert held.model.manifest.files == model.manifest.files
    with pytest.raises(NodeMisconfigured) as caught:
        await sources.resolve("acme/largest@no-such")
    assert caught.value.code == "registry.not_found"


async def test_a_chains_entry_cannot_make_a_node_read_its_own_files(
    market: Market, model: StoredModel, tmp_path: Path
) -> None:
    await publish_model(market.creator, model, market.offer())
    sources = ModelSources(ModelCache(tmp_path / "other"), "", OnChainModels(market.rival.chain, market.coordinator))
    with pytest.raises(NodeMisconfigured) as caught:
        await sources.resolve("acme/largest:abc")
    assert caught.value.code == "model.local_uri"


async def test_what_a_web_server_shows_is_published_under_its_address(
    market: Market, model: StoredModel, tmp_path: Path
) -> None:
    market.root.mkdir()
    with serve_folder(market.root) as server:
        done = await publish_model(market.creator, model, market.offer(public_url=server.url + "/"))
        assert done.uri == f"{server.url}/{done.manifest_hash.hex()}/manifest.json"
        chain_models = OnChainModels(market.rival.chain, market.coordinator)
        strict, open_ = (
            ModelSources(ModelCache(tmp_path / "other"), "", chain_models, private_addresses=allowed)
            for allowed in (False, True)
        )
        with pytest.raises(NodeMisconfigured) as caught:
            await strict.fetch(await strict.resolve("acme/largest:abc"))
        assert caught.value.code == "storage.private_address"
        with await open_.fetch(await open_.resolve("acme/largest:abc")) as held:
            assert held.model.hash == done.manifest_hash.hex()


async def test_an_address_that_shows_something_else_is_refused_before_the_chain_knows(
    market: Market, model: StoredModel, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    with serve_folder(tmp_path / "empty") as server, pytest.raises(NodeMisconfigured) as caught:
        await publish_model(market.creator, model, market.offer(public_url=server.url))
    assert caught.value.code == "model.no_manifest"
    assert await market.creator.read_model_hash("acme/largest:abc") is None


async def test_nothing_is_on_the_chain_when_the_upload_breaks_and_the_same_command_goes_on(
    market: Market, model: StoredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(place: Location, source: Path, *report: object) -> None:
        raise RetryLater("storage.unreachable", "the line broke")

    monkeypatch.setattr(upload_module, "write", fail)
    with pytest.raises(RetryLater):
        await publish_model(market.creator, model, market.offer())
    assert await market.creator.read_namespace_owner("acme") == ZERO_ADDRESS
    monkeypatch.setattr(upload_module, "write", write)
    assert (await publish_model(market.creator, model, market.offer())).transactions == 2


async def test_of_two_who_publish_under_one_name_the_second_is_told_so(market: Market, model: StoredModel) -> None:
    results = await asyncio.gather(
        publish_model(market.creator, model, market.offer()),
        publish_model(market.rival, model, market.offer()),
        return_exceptions=True,
    )
    won = [result for result in results if isinstance(result, Published)]
    lost = [result for result in results if isinstance(result, InvalidInput)]
    assert (len(won), len(lost)) == (1, 1)
    assert lost[0].code == "publish.namespace_taken"
    assert "\n" not in lost[0].message


async def test_a_version_never_changes(market: Market, model: StoredModel, tmp_path: Path) -> None:
    await publish_model(market.creator, model, market.offer("acme/largest:1"))
    write_model(tmp_path / "better", "local/largest:2", favourite=2)
    better = ModelCache(tmp_path / "mine").store.add(tmp_path / "better")
    with pytest.raises(InvalidInput) as caught:
        await publish_model(market.creator, better, market.offer("acme/largest:1"))
    assert caught.value.code == "publish.version_taken"
    await publish_model(market.creator, better, market.offer("acme/largest:2", alias="champion"))


@pytest.mark.parametrize("name", ["largest", "Acme/largest", "acme/largest@champion", "acme/largest:", "a b/c"])
async def test_a_name_that_is_none_is_refused_before_anything_happens(
    market: Market, model: StoredModel, name: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await publish_model(market.creator, model, market.offer(name))
    assert caught.value.code == "model.name"
    assert not market.root.exists()


async def test_the_creators_share_is_counted_answer_by_answer(market: Market, model: StoredModel) -> None:
    await publish_model(market.creator, model, market.offer(royalty_bps=2_500, alias="champion"))
    asker, creator = market.rival, market.creator
    await asker.deposit(10 * FEE)
    for container in ("acme/largest:abc", "acme/largest@champion", "acme/largest@champion"):
        key = await asker.request(container, b"x", terms=Terms(fee=FEE))
        terms = await asker.fetch_terms(key)
        await creator.transact(
            market.coordinator, "EIP712Coordinator", "deliverModelOutput", key.id, 1, terms, b"y", b""
        )
    await asker.request("acme/largest:abc", b"x", terms=Terms(fee=FEE))  # asked, not answered
    earned = await fetch_earnings(asker.chain, market.coordinator, creator.address)
    assert earned == [
        Earned("acme/largest:abc", ZERO_ADDRESS, 1, FEE // 4),
        Earned("acme/largest@champion", ZERO_ADDRESS, 2, FEE // 2),
    ]
    assert await fetch_earnings(asker.chain, market.coordinator, creator.address, model="acme/other") == []
    assert await fetch_earnings(asker.chain, market.coordinator, asker.address) == []
