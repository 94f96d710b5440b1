"""`infernet models publish`, killed between its steps: nothing is half published, the same command completes it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from small_models import write_model

from infernet.app.deployment import CORE, deploy_suite
from infernet.app.model_sources import ModelSources
from infernet.chain.child import ChildChain
from infernet.chain.local import DEV_ACCOUNTS
from infernet.chain.model_registry import OnChainModels
from infernet.client import AsyncClient
from infernet.errors import NodeMisconfigured
from infernet.models.cache import ModelCache
from infernet.protocol.hashing import compute_container_id

pytestmark = pytest.mark.chain

MORTAL = """
import os, signal, sys
from infernet.app import publishing
from infernet.client import AsyncClient
from infernet.cli.main import run_command_line

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def mortal(step):
    def run(*args, **named):
        if {when!r} == "before":
            die()
        step(*args, **named)
        die()
    return run

def mortal_async(step):
    async def run(*args, **named):
        if {when!r} == "before":
            die()
        await step(*args, **named)
        die()
    return run

if {step!r} == "upload_model":
    publishing.upload_model = mortal(publishing.upload_model)
else:
    setattr(AsyncClient, {step!r}, mortal_async(getattr(AsyncClient, {step!r})))
run_command_line(sys.argv[1:])
"""


async def run(code: str, arguments: list[str], folder: Path, variables: dict[str, str]) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, *arguments), stdout=subprocess.PIPE, cwd=folder, env=os.environ | variables
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.mark.parametrize(
    ("step", "when", "left"),
    [
        ("upload_model", "after", 4),
        ("publish_model", "before", 3),
        ("publish_model", "after", 2),
        ("set_model_alias", "before", 1),
    ],
)
async def test_a_killed_publication_is_completed_by_the_same_command(
    local_chain: ChildChain, tmp_path: Path, step: str, when: str, left: int
) -> None:
    write_model(tmp_path / "model", "local/largest:1")
    ModelCache(tmp_path / "models").store.add(tmp_path / "model")
    owner = DEV_ACCOUNTS[1]
    async with await AsyncClient.connect(local_chain.rpc_url, owner.private_key) as client:
        coordinator = (await deploy_suite(client.chain, client.signer, only=CORE)).coordinator
        await client.attach(coordinator)
        variables = {"INFERNET_PRIVATE_KEY": "0x" + owner.private_key.hex(), "INFERNET_RPC_URL": local_chain.rpc_url}
        variables["INFERNET_COORDINATOR"] = coordinator
        command = ["models", "publish", "local/largest:1", "--as", "acme/largest:1", "--to", "public"]
        command += ["--price", "1 gwei", "--alias", "champion", "--json"]
        code, _ = await run(MORTAL.format(step=step, when=when), command, tmp_path, variables)
        assert code == -signal.SIGKILL

        chain_models = OnChainModels(client.chain, coordinator)
        sources = ModelSources(ModelCache(tmp_path / "node"), "", chain_models, [tmp_path / "public"])
        if await client.read_model_hash("acme/largest:1") is not None:  # then all of it is there
            with await sources.fetch(await sources.resolve("acme/largest:1")) as held:
                assert held.model.manifest.name == "acme/largest:1"
        with pytest.raises(NodeMisconfigured) as caught:
            await sources.resolve("acme/largest@champion")
        assert caught.value.code == "registry.not_found"

        code, said = await run("import sys; from infernet.cli import main; main()", command, tmp_path, variables)
        assert (code, json.loads(said)["transactions"]) == (0, left)
        assert await client.read_model_alias("acme/largest@champion") == compute_container_id("acme/largest:1")
        assert (await sources.resolve("acme/largest@champion")).version == "acme/largest:1"
