"""The client for code without an event loop: the same methods, each returning when it is done."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from infernet.client.async_client import AsyncClient
from infernet.ports import Signer
from infernet.types import Address, ChainId, Receipt, SubscriptionKey

P = ParamSpec("P")
T = TypeVar("T")


def _blocking(
    method: Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Client, P], T]:
    @functools.wraps(method)
    def call(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._loop.run(method(self._client, *args, **kwargs))

    return call


class Client:
    """`AsyncClient` for code without an event loop. Make one with `connect`; close it, or use it in a `with` block.

    It may be used from several threads. Its own thread ends with `close`, or with the program.
    """

    def __init__(self, client: AsyncClient, loop: _LoopThread) -> None:
        self._client = client
        self._loop = loop

    @classmethod
    def connect(cls, rpc_url: str, private_key: str | bytes | None = None, **options: Any) -> Self:
        """As `AsyncClient.connect`, with the same options."""
        loop = _LoopThread()
        try:
            return cls(loop.run(AsyncClient.connect(rpc_url, private_key, **options)), loop)
        except BaseException:
            loop.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back the connections and end the thread. Safe to call twice."""
        if self._loop.is_open:
            self._loop.run(self._client.close())
            self._loop.close()

    @property
    def chain_id(self) -> ChainId:
        return self._client.chain_id

    @property
    def address(self) -> Address:
        """The client's own account."""
        return self._client.address

    @property
    def signer(self) -> Signer:
        """Who signs for the client's account."""
        return self._client.signer

    @property
    def coordinator(self) -> Address:
        """The Coordinator that this client is attached to."""
        return self._client.coordinator

    def read_created(self, receipt: Receipt) -> tuple[SubscriptionKey, ...]:
        """The subscriptions that a transaction created, as a consumer's function does."""
        return self._client.read_created(receipt)

    deploy = _blocking(AsyncClient.deploy)
    attach = _blocking(AsyncClient.attach)
    transact = _blocking(AsyncClient.transact)
    send = _blocking(AsyncClient.send)
    read = _blocking(AsyncClient.read)
    request = _blocking(AsyncClient.request)
    subscribe = _blocking(AsyncClient.subscribe)
    cancel = _blocking(AsyncClient.cancel)
    wait_output = _blocking(AsyncClient.wait_output)
    sign_delegate = _blocking(AsyncClient.sign_delegate)
    submit_delegate = _blocking(AsyncClient.submit_delegate)
    post_delegate = _blocking(AsyncClient.post_delegate)
    deposit = _blocking(AsyncClient.deposit)
    withdraw = _blocking(AsyncClient.withdraw)
    allow = _blocking(AsyncClient.allow)
    read_balance = _blocking(AsyncClient.read_balance)
    read_royalty = _blocking(AsyncClient.read_royalty)
    claim_namespace = _blocking(AsyncClient.claim_namespace)
    publish_model = _blocking(AsyncClient.publish_model)
    read_namespace_owner = _blocking(AsyncClient.read_namespace_owner)
    read_model_hash = _blocking(AsyncClient.read_model_hash)
    read_model_alias = _blocking(AsyncClient.read_model_alias)
    set_model_alias = _blocking(AsyncClient.set_model_alias)
    read_model_price = _blocking(AsyncClient.read_model_price)
    set_model_price = _blocking(AsyncClient.set_model_price)
    list_node = _blocking(AsyncClient.list_node)
    post_bond = _blocking(AsyncClient.post_bond)
    start_unbonding = _blocking(AsyncClient.start_unbonding)
    withdraw_bond = _blocking(AsyncClient.withdraw_bond)
    read_bond = _blocking(AsyncClient.read_bond)
    quote = _blocking(AsyncClient.quote)
    fetch_terms = _blocking(AsyncClient.fetch_terms)
    expire = _blocking(AsyncClient.expire)
    fund = _blocking(AsyncClient.fund)
    request_many = _blocking(AsyncClient.request_many)


class _LoopThread:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="infernet-client", daemon=True)
        self._thread.start()

    @property
    def is_open(self) -> bool:
        return self._thread.is_alive()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The coroutine's result. It is cancelled where the caller is interrupted."""
        if not self.is_open:
            coroutine.close()
            raise RuntimeError("this client is closed")
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        finally:
            future.cancel()  # does nothing where it is done

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
