"""A whole node that follows an alias on MLflow's own server, requests under way, whatever becomes of that server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow_servers import MlflowServer, serve_mlflow
from mlflow_stores import copy_store, register
from small_models import write_model
from structlog.testing import capture_logs

from infernet.app.deployment import CORE, deploy_suite
from infernet.app.node import RunningNode, start_node
from infernet.chain.child import ChildChain
from infernet.chain.local import DEV_ACCOUNTS
from infernet.client import AsyncClient
from infernet.keys.signer import LocalSigner
from infernet.protocol.int256 import decode_int256s, encode_int256s
from infernet.protocol.manifest import compute_manifest_hash
from infernet.settings import read_settings
from infernet.store.journal import Job
from infernet.types import SubscriptionKey
from infernet.workflows.tracker import Tracker, open_tracker

pytestmark = pytest.mark.chain
TIE = encode_int256s([5, 5, 5])
"""Every version answers it with its own favourite."""
SLOW = encode_int256s([9, 9, 9])

CONFIG = """
[api]
enabled = false
[models]
poll_interval_s = 0.1
[mlflow]
tracking_uri = "{tracking_uri}"
[[chains]]
rpc_url = "{rpc_url}"
chain_id = {chain_id}
coordinator = "{coordinator}"
poll_interval_s = 0.05
[[containers]]
id = "largest"
kind = "model"
model = "models:/{name}@champion"
workflow = "slow.py"
"""
WORKFLOW = """
import time
from pathlib import Path
from infernet.workflows import InferenceWorkflow

class Slow(InferenceWorkflow):
    name, model = "slow", "models:/any@champion"

    def infer(self, features):
        if int(features["features"][0][0]) == 9:
            Path({began!r}).touch()
            while not Path({go_on!r}).exists():
                time.sleep(0.01)
        return super().infer(features)
"""
PICKLE = b"cposix\nsystem\n(S'touch %s'\ntR."


@dataclass
class Here:
    """One model's place on the server, one node's folder."""

    server: MlflowServer
    tracker: Tracker
    asker: AsyncClient
    folder: Path
    name: str
    ended: dict[SubscriptionKey, Job]

    def register(self, favourite: int) -> str:
        """A version with that favourite becomes the champion; answers its manifest hash."""
        folder = self.folder / f"model-{favourite}"
        digest = compute_manifest_hash(write_model(folder, favourite=favourite)).hex()
        register(self.tracker, self.name, folder, tags={"infernet.manifest_hash": digest})
        return digest

    def run_node(self) -> AbstractAsyncContextManager[RunningNode]:
        def note(job: Job) -> None:
            self.ended[job.key.subscription] = job

        settings = read_settings(self.folder / "infernet.toml")
        return start_node(settings, LocalSigner(DEV_ACCOUNTS[2].private_key), on_job=note)

    async def ask(self, features: bytes = TIE) -> int:
        return await self.wait(await self.asker.request("largest", features))

    async def wait(self, key: SubscriptionKey) -> int:
        output = await self.asker.wait_output(key, timeout_s=60)
        return int(decode_int256s(output.output)[0])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    folder = tmp_path_factory.mktemp("mlflow")
    with serve_mlflow(copy_store(tmp_path_factory.getbasetemp().parent, folder)) as running:
        yield running


@pytest.fixture
async def here(
    server: MlflowServer, local_chain: ChildChain, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Here]:
    name = request.node.name.replace("test_", "", 1)
    async with await AsyncClient.connect(local_chain.rpc_url, DEV_ACCOUNTS[0].private_key) as asker:
        coordinator = (await deploy_suite(asker.chain, asker.signer, only=CORE)).coordinator
        await asker.attach(coordinator)
        values = {"rpc_url": local_chain.rpc_url, "chain_id": local_chain.chain_id, "coordinator": coordinator}
        (tmp_path / "infernet.toml").write_text(CONFIG.format(tracking_uri=server.url, name=name, **values))
        (tmp_path / "slow.py").write_text(WORKFLOW.format(began=str(tmp_path / "began"), go_on=str(tmp_path / "go_on")))
        yield Here(server, open_tracker(server.url), asker, tmp_path, name, {})


async def wait_for(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not what():  # noqa: ASYNC110  (other processes)
            await asyncio.sleep(0.02)


def list_serving(logs: list[dict[str, object]]) -> list[object]:
    return [line["version"] for line in logs if line["event"] == "model.serving"]


async def test_what_is_being_computed_while_the_alias_moves_is_answered_by_its_own_version(here: Here) -> None:
    first = here.register(1)
    with capture_logs() as logs:
        async with here.run_node():
            slow = await here.asker.request("largest", SLOW)
            await wait_for((here.folder / "began").exists)
            second = here.register(2)
            await wait_for(lambda: len(list_serving(logs)) == 2)
            assert await here.ask() == 2
            assert slow not in here.ended
            (here.folder / "go_on").touch()
            assert await here.wait(slow) == 1
            await wait_for(lambda: slow in here.ended)
    assert list_serving(logs) == [f"{here.name} version 1", f"{here.name} version 2"]
    (use,) = here.ended.pop(slow).models
    assert (use.version, use.manifest_hash) == (f"{here.name} version 1", first)
    (quick,) = here.ended.values()
    assert [(use.version, use.manifest_hash) for use in quick.models] == [(f"{here.name} version 2", second)]


async def test_a_server_that_goes_away_and_comes_back_changes_nothing_and_is_followed_again(here: Here) -> None:
    here.register(1)
    with capture_logs() as logs:
        async with here.run_node():
            here.server.kill()
            await wait_for(lambda: any(line["event"] == "model.stays" for line in logs))
            assert await here.ask() == 1
        async with here.run_node():  # what it served last, from its own store
            assert await here.ask() == 1
            here.server.start()
            here.register(2)
            await wait_for(lambda: f"{here.name} version 2" in list_serving(logs))
            assert await here.ask() == 2
    stays = [line for line in logs if line["event"] == "model.stays"]
    assert [line["code"] for line in stays] == ["registry.unreachable"] * 2
    assert sum(line["event"] == "model.followed_again" for line in logs) == 1


async def test_a_version_that_is_deleted_or_a_pickle_in_its_place_leaves_the_node_at_work(here: Here) -> None:
    here.register(1)
    touched = here.folder / "touched"
    for name, manifest in (("bare", None), ("described", "manifest.json")):
        folder = here.folder / name
        folder.mkdir()
        (folder / "model.pkl").write_bytes(PICKLE % str(touched).encode())
        if manifest is not None:
            text = (here.folder / "model-1" / manifest).read_text()
            (folder / manifest).write_text(text.replace('"flavour":"onnx"', '"flavour":"sklearn"'))
    with capture_logs() as logs:

        def list_troubles() -> list[object]:
            return [line["code"] for line in logs if line["event"] == "model.stays"]

        async with here.run_node():
            register(here.tracker, here.name, here.folder / "bare")
            await wait_for(lambda: "model.no_manifest" in list_troubles())
            assert await here.ask() == 1
            register(here.tracker, here.name, here.folder / "described")
            await wait_for(lambda: "model.unsafe" in list_troubles())
            assert await here.ask() == 1
            here.tracker.client.delete_registered_model(here.name)
            await wait_for(lambda: "registry.not_found" in list_troubles())
            assert await here.ask() == 1
    assert list_troubles() == ["model.no_manifest", "model.unsafe", "registry.not_found"]
    assert list_serving(logs) == [f"{here.name} version 1"]
    assert not touched.exists()
