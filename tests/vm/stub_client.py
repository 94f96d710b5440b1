"""JSON-RPC to a chain behind its stubs, and contracts there."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp

from infernet.chain.artifacts import Artifact
from infernet.chain.local import DEV_ACCOUNTS
from infernet.protocol.abi_codec import decode_abi
from infernet.protocol.hashing import to_address
from infernet.types import Address

USER = DEV_ACCOUNTS[0].address


class Client:
    """A JSON-RPC client that shows answers as they are."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    async def post(self, body: Any) -> Any:
        async with self._session.post(self.url, json=body) as response:
            return json.loads(await response.read())

    async def ask(self, method: str, *params: Any) -> dict[str, Any]:
        answer = await self.post({"jsonrpc": "2.0", "id": 7, "method": method, "params": list(params)})
        assert answer["id"] == 7
        return dict(answer)

    async def request(self, method: str, *params: Any) -> Any:
        answer = await self.ask(method, *params)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    async def wait_for_receipt(self, tx_hash: str) -> dict[str, Any]:
        """Anvil mines at once, and answers a little before."""
        for _ in range(500):
            receipt = await self.request("eth_getTransactionReceipt", tx_hash)
            if receipt is not None:
                return dict(receipt)
            await asyncio.sleep(0.01)
        raise AssertionError("it is not mined")


class Contract:
    """A deployed contract behind a client."""

    def __init__(self, client: Client, artifact: Artifact, address: Address) -> None:
        self.client, self.artifact, self.address = client, artifact, address

    def encode(self, name: str, *arguments: Any) -> dict[str, Any]:
        return {"from": USER, "to": self.address, "data": "0x" + self.artifact.encode_call(name, arguments).hex()}

    async def send(self, name: str, *arguments: Any) -> bool:
        """Whether the transaction succeeded."""
        tx_hash = await self.client.request("eth_sendTransaction", self.encode(name, *arguments))
        receipt = await self.client.wait_for_receipt(tx_hash)
        return bool(receipt["status"] == "0x1")

    async def call(self, name: str, *arguments: Any, at: Any = "latest") -> Any:
        answer = await self.client.request("eth_call", self.encode(name, *arguments), at)
        (value,) = decode_abi(self.artifact.find_function(name, len(arguments)).output_types, bytes.fromhex(answer[2:]))
        return value

    async def answers(self) -> list[bytes]:
        """What the puppet keeps."""
        return [await self.call("answers", place) for place in range(await self.call("count"))]


async def deploy_by(client: Client, artifact: Artifact, *arguments: Any) -> Contract:
    data = "0x" + artifact.encode_deployment(arguments).hex()
    tx_hash = await client.request("eth_sendTransaction", {"from": USER, "data": data})
    receipt = await client.wait_for_receipt(tx_hash)
    assert receipt["status"] == "0x1"
    return Contract(client, artifact, to_address(receipt["contractAddress"]))
