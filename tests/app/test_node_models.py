"""A node serves what an alias on the chain stands for; the answers change with it, and the journal knows by which."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from small_models import write_model
from structlog.testing import capture_logs

from infernet.app.node import start_node
from infernet.app.publishing import Offer, Published, publish_model
from infernet.chain.child import ChildChain
from infernet.chain.local import DEV_ACCOUNTS
from infernet.cli.main import run_command_line
from infernet.client import AsyncClient
from infernet.keys.signer import LocalSigner
from infernet.models.cache import ModelCache
from infernet.models.storage import Location
from infernet.protocol.int256 import decode_int256s, encode_int256s
from infernet.settings import read_settings
from infernet.types import SubscriptionKey

pytestmark = pytest.mark.chain
ALIAS = "acme/largest@champion"
RUN = "5d82ea03c9c04f0aa1617ddc53b87516"
TIE = encode_int256s([5, 5, 5])

CONFIG = """
[api]
port = 0

[models]
poll_interval_s = 0.05
fetch = "{fetch}"
trusted_folders = ["public"]

[[chains]]
rpc_url = "{rpc_url}"
chain_id = {chain_id}
coordinator = "{coordinator}"
poll_interval_s = 0.05

[[containers]]
kind = "model"
model = "acme/largest@champion"
"""


@dataclass
class Market:
    chain: ChildChain
    creator: AsyncClient
    asker: AsyncClient
    folder: Path

    async def publish(self, favourite: int) -> Published:
        """A version with that favourite, which the alias stands for from then on."""
        folder = self.folder / f"model-{favourite}"
        write_model(folder, f"local/largest:{favourite}", favourite=favourite)
        model = ModelCache(self.folder / "mine").store.add(folder)
        offer = Offer(name="acme/largest", root=Location(str(self.folder / "public")), alias="champion", run_id=RUN)
        return await publish_model(self.creator, model, offer)

    async def ask(self) -> tuple[SubscriptionKey, int]:
        key = await self.asker.request(ALIAS, TIE)
        output = await self.asker.wait_output(key, timeout_s=60)
        return key, int(decode_int256s(output.output)[0])

    def write_config(self, fetch: str) -> Path:
        path = self.folder / "infernet.toml"
        values = {"rpc_url": self.chain.rpc_url, "chain_id": self.chain.chain_id}
        path.write_text(CONFIG.format(fetch=fetch, coordinator=self.asker.coordinator, **values))
        return path


@pytest.fixture
def market(local_chain: ChildChain, creator: AsyncClient, other: AsyncClient, tmp_path: Path) -> Market:
    return Market(local_chain, creator, other, tmp_path)


@pytest.mark.parametrize("fetch", ["ahead", "first-use"])
async def test_a_node_answers_by_the_version_that_the_alias_stands_for(
    market: Market, fetch: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first = await market.publish(1)
    config = market.write_config(fetch)
    with capture_logs() as logs:
        async with start_node(read_settings(config), LocalSigner(DEV_ACCOUNTS[2].private_key)):
            before, label = await market.ask()
            assert label == 1
            second = await market.publish(2)
            async with asyncio.timeout(60):
                while (await market.ask())[1] != 2:  # noqa: ASYNC110  (each look is a request)
                    await asyncio.sleep(0.05)
            after, label = await market.ask()
            assert label == 2
    assert [line["version"] for line in logs if line["event"] == "model.serving"] == [
        first.container,
        second.container,
    ]
    for key, published in ((before, first), (after, second)):
        command = ["explain", str(key.id), "--owner", key.owner, "--config", str(config)]
        assert run_command_line([*command, "--json"]) == 0
        (record,) = json.loads(capsys.readouterr().out)
        assert record["jobs"][0]["models"] == [
            {
                "container": ALIAS,
                "version": published.container,
                "manifestHash": published.manifest_hash.hex(),
                "run": RUN,
            }
        ]
        assert run_command_line(command) == 0
        assert (
            f"by {published.container}, manifest {published.manifest_hash.hex()}, MLflow run {RUN}"
            in capsys.readouterr().out
        )


async def test_a_subscription_that_nobody_knows_is_one_line(market: Market, capsys: pytest.CaptureFixture[str]) -> None:
    config = market.write_config("ahead")
    assert run_command_line(["explain", "7", "--config", str(config)]) == 1
    assert "(journal.missing)" in capsys.readouterr().err
