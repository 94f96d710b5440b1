"""Layers as their files describe them: what is refused, what is served to whom, and several side by side."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from rpc_client import ALICE, BOB, NOBODY, RpcClient, raw
from small_server import Reply, Seen, serve
from typer.testing import CliRunner

from infernet.app.following import export, follow
from infernet.app.layer import Layer, build_layer, run_layer
from infernet.cli import chain as command
from infernet.errors import InvalidInput, NodeMisconfigured
from infernet.layer_settings import LayerSettings
from infernet.protocol.abi_codec import decode_abi, encode_abi
from infernet.protocol.hashing import keccak
from infernet.vm.chain import EXECUTION_LIMIT_S
from infernet.vm.rpc import client, dispatch, server
from infernet.vm.spc.addresses import EMBEDDINGS, SCHEDULER, VECTOR_DATABASE


def build(precompiles: Iterable[str], **keys: Any) -> Layer:
    return build_layer(LayerSettings.model_validate({"predeploys": [], "precompiles": list(precompiles), **keys}))


def encode(signature: str, *arguments: object) -> bytes:
    types = [kind for kind in signature.partition("(")[2][:-1].split(",") if kind]
    return keccak(signature.encode())[:4] + encode_abi(types, arguments)


@pytest.mark.parametrize(
    ("precompiles", "missing"),
    [
        (["rag", "embeddings", "inference", "llm"], "vectors"),
        (["rag", "vectors", "inference", "llm"], "embeddings"),
        (["rag", "vectors", "embeddings", "inference"], "llm"),
        (["embeddings"], "inference"),
    ],
)
def test_a_precompile_without_another_that_it_needs_is_refused(precompiles: list[str], missing: str) -> None:
    with pytest.raises(NodeMisconfigured) as refused:
        build(precompiles)
    name = precompiles[0]
    assert refused.value.code == "layer.invalid"
    assert refused.value.message == f"the precompile '{name}' needs '{missing}': add it, or leave '{name}' out"
    assert build([*precompiles, missing]).spcs


@pytest.mark.parametrize(
    ("precompiles", "keys", "words"),
    [
        (["vectors"], {"models": ["digits"]}, "models need the precompile 'inference'"),
        (["vectors", "vectors"], {}, "stands twice"),
        (["inference", "embeddings", "embeddings-recorded"], {}, "leave 'embeddings' out"),
    ],
)
def test_what_does_not_go_together_is_refused(precompiles: list[str], keys: dict[str, Any], words: str) -> None:
    with pytest.raises(NodeMisconfigured, match=words):
        build(precompiles, **keys)


async def test_a_public_endpoint_serves_neither_traces_nor_the_pool() -> None:
    async with (
        run_layer(build([]), None, "127.0.0.1", 0, is_public=True) as running,
        RpcClient(running.server.url) as rpc,
    ):
        receipt = await rpc.send(ALICE, to=raw(BOB), value=5)
        assert receipt["status"] == "0x1"
        for method, params in (
            ("debug_traceTransaction", [receipt["transactionHash"]]),
            ("debug_traceCall", [{"to": NOBODY}, "latest"]),
            ("debug_traceBlockByNumber", ["0x1"]),
            ("txpool_content", []),
            ("txpool_status", []),
            ("anvil_mine", []),
        ):
            refused = await rpc.refuses(method, *params)
            assert (refused.code, refused.message) == (-32601, f"the method {method} does not exist/is not available")


def test_a_public_endpoint_is_none_for_development(tmp_path: Path) -> None:
    file = tmp_path / "layer.toml"
    file.write_text("")
    for arguments in (["--public"], ["--public", "--dev", "--layer", str(file)]):
        done = CliRunner().invoke(command.app, ["run", *arguments])
        assert isinstance(done.exception, InvalidInput)
        assert done.exception.code == "layer.public"


def test_the_help_names_the_limits() -> None:
    text = " ".join(command.PUBLIC_HELP.split())
    for number, unit in (
        (server.MAX_CONNECTIONS, "connections"),
        (dispatch.MAX_BATCH, "requests in a batch"),
        (server.MAX_BODY_BYTES // 2**20, "MiB in a message"),
        (client.MAX_LOGS, "logs and"),
        (dispatch.MAX_RESPONSE_BYTES // 10**6, "MB of them in an answer"),
        (client.MAX_CALL_GAS, "gas"),
        (EXECUTION_LIMIT_S, "seconds in a call"),
        (client.RECORDED_PER_MINUTE, "times a minute"),
    ):
        assert f"{number:,.0f} {unit}" in text


def answer_embedding(seen: Seen) -> Reply:
    text = json.loads(seen.body)["input"]
    return Reply(body=json.dumps({"data": [{"embedding": [float(len(text)), 1.5]}]}).encode())


async def test_float_embeddings_are_in_the_block_and_a_follower_needs_no_model(tmp_path: Path) -> None:
    with serve(answer_embedding) as engine:
        embedder = {"name": "small", "url": engine.url("/v1"), "model": "their-name"}
        layer = build(["embeddings-recorded"], embedder=[embedder])
        async with (
            run_layer(layer, None, "127.0.0.1", 0) as running,
            RpcClient(running.server.url) as rpc,
        ):
            data = encode("embed(bytes32,string)", keccak(b"small"), "four")
            receipt = await rpc.send(to=bytes.fromhex(EMBEDDINGS[2:]), data=data, gas=1_000_000)
            assert receipt["status"] == "0x1"
            (record,) = running.chain.head.records
            assert decode_abi(["bytes"], record.output) == (bytes([119, 45]),)  # (4, 1.5) at length 127
            (seen,) = engine.seen
            assert (seen.path, json.loads(seen.body)["model"]) == ("/v1/embeddings", "their-name")
            assert await export(running.server.url, tmp_path / "blocks", 1, None) == 1
        follower = build(["embeddings-recorded"])
        assert follower.genesis.fingerprint() == layer.genesis.fingerprint()
        assert await follow(follower, None, str(tmp_path / "blocks"), once=True, on_block=lambda block: None) == 1
        assert len(engine.seen) == 1


def test_layers_whose_embeddings_are_recorded_have_other_first_blocks() -> None:
    exact, recorded = build(["inference", "embeddings"]), build(["inference", "embeddings-recorded"])
    assert exact.genesis.spcs == recorded.genesis.spcs
    assert exact.genesis.commitment() != recorded.genesis.commitment()


async def test_two_layers_with_other_precompiles_run_side_by_side() -> None:
    """Each has its chain id, its precompiles and its state; the other's addresses hold nothing."""
    create = encode("createCollection(string,uint16,uint8)", "texts", 4, 0)
    vectors, scheduler = bytes.fromhex(VECTOR_DATABASE[2:]), bytes.fromhex(SCHEDULER[2:])
    async with (
        run_layer(build(["vectors"], chain_id=71), None, "127.0.0.1", 0) as first,
        run_layer(build(["scheduler"], chain_id=72), None, "127.0.0.1", 0) as second,
        RpcClient(first.server.url) as one,
        RpcClient(second.server.url) as two,
    ):
        assert [await rpc.number("eth_chainId") for rpc in (one, two)] == [71, 72]
        made = await one.send(chain_id=71, to=vectors, data=create, gas=2_000_000)
        nothing = await two.send(chain_id=72, to=vectors, data=create, gas=2_000_000)
        assert (made["status"], nothing["status"]) == ("0x1", "0x1")
        described = {
            "to": VECTOR_DATABASE,
            "data": "0x" + encode("collectionOf(address,string)", ALICE.address, "texts").hex(),
        }
        assert len(await one("eth_call", described, "latest")) == 66
        assert await two("eth_call", described, "latest") == "0x"
        assert [await rpc("eth_getCode", VECTOR_DATABASE, "latest") for rpc in (one, two)] == ["0xfe", "0x"]
        is_due = {"to": SCHEDULER, "data": "0x" + encode("isDue()").hex()}
        assert await one("eth_call", is_due, "latest") == "0x"
        assert int(await two("eth_call", is_due, "latest"), 16) == 0
        assert len(await two("eth_getCode", SCHEDULER, "latest")) > 1_000
        assert scheduler not in first.chain.genesis.spcs
        refused = await one.refuses("eth_sendRawTransaction", await two.sign(chain_id=72, nonce=1, to=vectors))
        assert "invalid chain id" in refused.message
