"""The suite on a chain: the same addresses for everyone, deployed once."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infernet.app.deployment import CORE, SUITE, deploy_suite, plan_suite, write_deployment
from infernet.chain.anvil import AnvilChain
from infernet.chain.child import ChildChain
from infernet.chain.create2 import PROXY, compute_create2_address
from infernet.chain.embedded import EmbeddedChain
from infernet.chain.local import DEV_ACCOUNTS
from infernet.chain.rpc import RpcChain
from infernet.client import AsyncClient
from infernet.errors import NodeMisconfigured
from infernet.keys.signer import LocalSigner
from infernet.protocol.hashing import to_address
from infernet.types import Hash32

SIGNERS = [LocalSigner(account.private_key) for account in DEV_ACCOUNTS[:2]]


@pytest.fixture
async def empty_chain(chain_kind: type[ChildChain], tmp_path: Path) -> AsyncIterator[ChildChain]:
    """One on which nothing is deployed."""
    layer = tmp_path / "layer.toml"
    layer.write_text("predeploys = []\nprecompiles = []\n")
    async with EmbeddedChain(layer=layer) if chain_kind is EmbeddedChain else AnvilChain() as chain:
        yield chain


def test_an_address_is_that_of_the_standards_examples() -> None:
    zero, beef = Hash32(bytes(32)), to_address("0xdeadbeef00000000000000000000000000000000")
    assert compute_create2_address(zero, b"\0", beef) == "0xB928f69Bb1D91Cd65274e3c79d8986362984fDA3"
    salt = Hash32(bytes.fromhex("cafebabe").rjust(32, b"\0"))
    deployer = to_address("0x00000000000000000000000000000000deadbeef")
    address = compute_create2_address(salt, bytes.fromhex("deadbeef"), deployer)
    assert address == "0x60f3f640a8508fC6a86d45DF051962668E1e8AC7"


def test_a_plan_is_the_same_every_time_and_other_terms_have_other_addresses() -> None:
    assert plan_suite() == plan_suite()
    other = plan_suite(protocol_share_bps=100, protocol_to=PROXY)
    ours = {part.name: part.address for part in plan_suite()}
    changed = {part.name for part in other if part.address != ours[part.name]}
    assert changed == {"EIP712Coordinator", "SealedQuorumVerifier", "OptimisticVerifier"}
    assert tuple(part.name for part in other) == SUITE


@pytest.mark.chain
@pytest.mark.both_chains
async def test_the_whole_suite_is_deployed_once_by_whomever(empty_chain: ChildChain, tmp_path: Path) -> None:
    async with RpcChain(empty_chain.rpc_url) as rpc:
        first = await deploy_suite(rpc, SIGNERS[0])
        again = await deploy_suite(rpc, SIGNERS[1])
    assert (first.created, again.created) == (SUITE, ())
    assert again.parts == first.parts
    async with await AsyncClient.connect(empty_chain.rpc_url, coordinator=first.coordinator) as client:
        assert await client.read(client.coordinator, "EIP712Coordinator", "NODE_REGISTRY") == first["NodeRegistry"]
    written = json.loads(write_deployment(first, tmp_path).read_text())
    assert written["chainId"] == 31337
    assert {name: entry["address"] for name, entry in written["contracts"].items()} == {
        name: first[name] for name in SUITE
    }


@pytest.mark.chain
@pytest.mark.both_chains
async def test_what_is_missing_is_added(empty_chain: ChildChain) -> None:
    async with RpcChain(empty_chain.rpc_url) as rpc:
        await deploy_suite(rpc, SIGNERS[0], only=CORE)
        assert set((await deploy_suite(rpc, SIGNERS[0])).created) == set(SUITE) - set(CORE)


@pytest.mark.chain
@pytest.mark.both_chains
async def test_a_chain_without_the_proxy_is_named(empty_chain: ChildChain) -> None:
    await empty_chain.request("anvil_setCode", PROXY, "0x")
    async with RpcChain(empty_chain.rpc_url) as rpc:
        with pytest.raises(NodeMisconfigured) as caught:
            await deploy_suite(rpc, SIGNERS[0])
    assert caught.value.code == "deploy.no_proxy"
