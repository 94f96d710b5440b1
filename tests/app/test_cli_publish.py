"""The commands of a model's creator, one after the other: publish from MLflow, fetch elsewhere, see what it earns."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mlflow_stores import copy_store, register
from small_models import write_model

from infernet.app.deployment import CORE, deploy_suite
from infernet.chain.child import ChildChain
from infernet.chain.local import DEV_ACCOUNTS
from infernet.client import AsyncClient, Terms
from infernet.protocol.manifest import compute_manifest_hash
from infernet.types import Address
from infernet.workflows.tracker import open_tracker

pytestmark = pytest.mark.chain
FEE = 10**15


async def deploy(chain: ChildChain) -> Address:
    async with await AsyncClient.connect(chain.rpc_url, DEV_ACCOUNTS[0].private_key) as client:
        return (await deploy_suite(client.chain, client.signer, only=CORE)).coordinator


async def ask_and_answer(chain: ChildChain, coordinator: Address) -> None:
    key = DEV_ACCOUNTS[2].private_key
    async with await AsyncClient.connect(chain.rpc_url, key, coordinator=coordinator) as client:
        await client.deposit(FEE)
        asked = await client.request("acme/largest@champion", b"x", terms=Terms(fee=FEE))
        terms = await client.fetch_terms(asked)
        await client.transact(coordinator, "EIP712Coordinator", "deliverModelOutput", asked.id, 1, terms, b"y", b"")


async def test_from_mlflow_to_the_chain_and_back(
    local_chain: ChildChain,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    coordinator = await deploy(local_chain)
    tracker = open_tracker(copy_store(tmp_path_factory.getbasetemp().parent, tmp_path))
    manifest = write_model(tmp_path / "model", "acme/largest:abc")
    digest = compute_manifest_hash(manifest).hex()
    register(tracker, "largest", tmp_path / "model", tags={"infernet.manifest_hash": digest})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INFERNET_PRIVATE_KEY", "0x" + DEV_ACCOUNTS[1].private_key.hex())
    monkeypatch.setenv("INFERNET_RPC_URL", local_chain.rpc_url)
    monkeypatch.setenv("INFERNET_COORDINATOR", coordinator)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracker.uri)

    async def run(*arguments: str, code: int = 0) -> Any:
        command = [str(Path(sys.executable).with_name("infernet")), *arguments, "--json"]
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        output, _ = await process.communicate()
        assert process.returncode == code, output
        return json.loads(output)

    publish = ("models", "publish", "models:/largest@champion", "--as", "acme/largest", "--to", "public")
    terms = ("--royalty", "10", "--price", "0.001 ether", "--alias", "champion")
    done = await run(*publish, *terms)
    assert (done["name"], done["hash"], done["transactions"]) == ("acme/largest:abc", digest, 4)
    assert (await run(*publish, *terms))["transactions"] == 0
    assert tracker.client.get_model_version("largest", "1").tags["infernet.published_as"] == "acme/largest:abc"

    fetched = await run("models", "fetch", "acme/largest@champion", "--trust", "public", "--store", "elsewhere")
    assert (fetched["model"], fetched["hash"]) == ("acme/largest:abc", digest)
    (listed,) = await run("models", "list", "--store", "elsewhere")
    assert (listed["hash"], listed["fetchedFrom"]) == (digest, str(tmp_path / "public" / digest))

    there = ("models", "fetch", "acme/largest@champion", "--trust", "public", "--store", "small")
    chain = f'[[chains]]\nrpc_url = "{local_chain.rpc_url}"\nchain_id = 1\ncoordinator = "{coordinator}"\n'
    (tmp_path / "infernet.toml").write_text(f'[models]\nstore = "small"\nmax_bytes = 100\n{chain}')
    assert (await run(*there, code=1))["error"]["code"] == "model.too_large"
    refused = await run(*there, "--max-bytes", "101", code=1)
    assert "which may take up 101 bytes" in refused["error"]["message"]
    assert list((tmp_path / "small").rglob("model.onnx*")) == []
    assert (await run(*there, "--max-bytes", "100000"))["hash"] == digest

    assert await run("models", "earnings") == []
    await ask_and_answer(local_chain, coordinator)
    (earned,) = await run("models", "earnings", "acme/largest")
    assert (earned["model"], earned["answers"], earned["royalty"]) == ("acme/largest@champion", 1, str(FEE // 10))

    missing = await run("models", "fetch", "acme/other@champion", code=1)
    assert missing["error"]["code"] == "registry.not_found"
