"""`infernet chain stubs`: anvil with a layer's precompiles, as `cast` or any other client sees it."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import pytest
from command import Place

from infernet.chain.anvil import AnvilChain
from infernet.chain.local import DEV_ACCOUNTS
from infernet.chain.transport import HttpTransport
from infernet.protocol.abi_codec import decode_abi, encode_abi
from infernet.protocol.hashing import keccak
from infernet.vm.spc.addresses import SCHEDULER, VECTOR_DATABASE

pytestmark = [pytest.mark.chain, pytest.mark.e2e]


def _encode(signature: str, *arguments: object) -> str:
    types = [kind for kind in signature.partition("(")[2][:-1].split(",") if kind]
    return "0x" + (keccak(signature.encode())[:4] + encode_abi(types, arguments)).hex()


async def _use(url: str) -> tuple[Any, Any]:
    """A collection is made by a transaction and described by a call; and whether anything is scheduled."""
    user = DEV_ACCOUNTS[0].address
    async with HttpTransport(url) as chain:
        create = _encode("createCollection(string,uint16,uint8)", "texts", 4, 0)
        tx_hash = await chain.request(
            "eth_sendTransaction", {"from": user, "to": VECTOR_DATABASE, "data": create, "gas": hex(2_000_000)}
        )
        assert (await chain.request("eth_getTransactionReceipt", tx_hash))["status"] == "0x1"
        identity = {"to": VECTOR_DATABASE, "data": _encode("collectionOf(address,string)", user, "texts")}
        collection = bytes.fromhex((await chain.request("eth_call", identity, "latest"))[2:])
        described = {"to": VECTOR_DATABASE, "data": _encode("describe(bytes32)", collection)}
        due = await chain.request("eth_call", {"to": SCHEDULER, "data": _encode("isDue()")}, "latest")
        return await chain.request("eth_call", described, "latest"), due


def test_a_layers_precompiles_answer_on_anvil(place: Place) -> None:
    async def start_and_use() -> tuple[Any, Any]:
        async with AnvilChain() as anvil:
            stubs = place.start("chain", "stubs", "--json", "--rpc", anvil.rpc_url, "--port=0")
            try:
                ready = await asyncio.to_thread(stubs.read_json)
                assert {"vectors", "scheduler"} <= set(ready["precompiles"])
                used = await _use(ready["rpcUrl"])
                assert stubs.stop(signal.SIGINT).code == 0
                return used
            finally:
                stubs.kill()

    described, due = asyncio.run(start_and_use())
    owner, dimension = decode_abi(["address", "uint16"], bytes.fromhex(described[2:])[:64])
    assert (owner, dimension) == (DEV_ACCOUNTS[0].address, 4)
    assert int(due, 16) == 0


def test_a_chain_that_is_not_there_is_an_error(place: Place) -> None:
    done = place.run("chain", "stubs", "--rpc", "http://127.0.0.1:9")
    assert "start it" in done.check_error("chain.unreachable")
