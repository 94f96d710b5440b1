"""The plainest JSON-RPC client, for tests; and transactions by dev accounts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import aiohttp

from infernet.chain.local import DEV_ACCOUNTS, LOCAL_CHAIN_ID, DevAccount
from infernet.vm.transaction import FEE_MARKET, sign_transaction

ALICE, BOB, CAROL = DEV_ACCOUNTS[:3]
GWEI = 10**9
NOBODY = "0x" + "00" * 18 + "abcd"

REASON = "0x6308c379a060e01b6000526020600452600460245263" + b"nope".hex() + "60e01b60445260646000fd"
"""Code that reverts with `Error("nope")`."""
LOGGER = "6001600055602a60005260aa60206000a160206000f3"
"""Code that stores 1 in slot 0, logs the word 42 under the topic 0xaa, and returns it."""
FOREVER = "0x5b600056"
"""Code that never ends."""


def deployment(runtime: str) -> str:
    """Init code that deploys this code."""
    return f"0x60{len(runtime) // 2:02x}80600b6000396000f3{runtime}"


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(str(error))
        self.code: int = error["code"]
        self.message: str = error["message"]
        self.data = error.get("data")


class RpcClient:
    """Over HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = aiohttp.ClientSession()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def post(self, body: Any, **options: Any) -> tuple[int, Any]:
        """Any body; the status and the answer, None where it is empty."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        options = {"headers": {"content-type": "application/json"}} | options
        async with self._session.post(self.url, data=data, **options) as response:
            text = await response.text()
            return response.status, json.loads(text) if text else None

    async def __call__(self, method: str, *params: Any) -> Any:
        _, answer = await self.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["result"]

    async def refuses(self, method: str, *params: Any) -> Refused:
        """The error that this request is answered with."""
        try:
            result = await self(method, *params)
        except Refused as error:
            return error
        raise AssertionError(f"{method} was answered: {result!r}")

    async def number(self, method: str, *params: Any) -> int:
        return int(await self(method, *params), 16)

    async def send(self, account: DevAccount = ALICE, **fields: Any) -> dict[str, Any]:
        """Sign, send, and wait for the receipt."""
        tx_hash = await self("eth_sendRawTransaction", await self.sign(account, **fields))
        for _ in range(200):
            receipt: dict[str, Any] | None = await self("eth_getTransactionReceipt", tx_hash)
            if receipt is not None:
                return receipt
            await asyncio.sleep(0.01)
        raise AssertionError(f"{tx_hash} is not mined")

    async def sign(self, account: DevAccount = ALICE, **fields: Any) -> str:
        """A signed transaction with the account's next nonce."""
        if "nonce" not in fields:
            fields["nonce"] = await self.number("eth_getTransactionCount", account.address, "pending")
        return sign(account, **fields)


def sign(account: DevAccount = ALICE, *, kind: int = FEE_MARKET, **fields: Any) -> str:
    """Of 200,000 gas at 10 gwei where nothing else is said."""
    fields = {"chain_id": LOCAL_CHAIN_ID, "gas": 200_000, "max_fee": 10 * GWEI, "max_priority_fee": GWEI} | fields
    return "0x" + sign_transaction(kind, account.private_key, **fields).raw.hex()


def raw(account: DevAccount) -> bytes:
    """The account's address as bytes."""
    return bytes.fromhex(account.address[2:])


class Socket:
    """Over WebSocket: answers by id, notifications by subscription."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.notes: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._number = 0

    async def __call__(self, method: str, *params: Any) -> Any:
        self._number += 1
        request = {"jsonrpc": "2.0", "id": self._number, "method": method, "params": list(params)}
        await self.socket.send_str(json.dumps(request))
        while True:
            message = json.loads(await self.socket.receive_str(timeout=10))
            if message.get("id") == self._number:
                if "error" in message:
                    raise Refused(message["error"])
                return message["result"]
            self.notes.put_nowait(message)

    async def note(self) -> tuple[str, Any]:
        """The next notification: the subscription's name and what came."""
        message = (
            await self.notes.get() if not self.notes.empty() else json.loads(await self.socket.receive_str(timeout=10))
        )
        assert message["method"] == "eth_subscription"
        return message["params"]["subscription"], message["params"]["result"]


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Socket]:
    """A WebSocket to this server."""
    async with aiohttp.ClientSession() as session, session.ws_connect(url.replace("http", "ws", 1)) as socket:
        yield Socket(socket)
