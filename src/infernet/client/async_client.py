"""The client for code that runs in an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from infernet.chain.sending import Message
from infernet.client.account import find_abi
from infernet.client.contract_client import COORDINATOR
from infernet.client.delegation import check_signer, fetch_free_nonce, post_request, sign_request
from infernet.client.money_client import MoneyClient
from infernet.client.outputs import Output, fetch_created, wait_for_output
from infernet.client.terms import FREE, Terms
from infernet.errors import InvalidInput, RetryLater
from infernet.protocol.calldata import (
    encode_cancel_subscription,
    encode_create_subscription_delegate,
    encode_create_subscription_with_terms,
)
from infernet.protocol.deliveries import encode_multicall
from infernet.protocol.events import SubscriptionCreated, decode_event
from infernet.protocol.fees import Shares
from infernet.protocol.hashing import ZERO_ADDRESS, compute_container_id, keccak, to_address
from infernet.protocol.money_calldata import (
    encode_create_subscription_with_verifier,
    encode_expire,
    encode_fund,
)
from infernet.protocol.subscription import PERPETUAL, DelegateRequest, Subscription
from infernet.types import Address, Gas, Interval, Receipt, SubscriptionId, SubscriptionKey, Timestamp, Wei

DEFAULT_MAX_GAS_PRICE = Wei(1_000 * 10**9)
"""A thousand gwei: no limit in practice, since it is the node that pays."""
DEFAULT_CALLBACK_GAS = 100_000
DEFAULT_EXPIRY_S = 3600


class AsyncClient(MoneyClient):
    """One account's view of one chain and, once attached, of one Coordinator. Make one with `connect`.

    Every method raises `RetryLater` where the chain cannot be reached, and `JobRejected` with code
    `revert.<ErrorName>` where a transaction or a call reverts.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._created_in: dict[SubscriptionKey, int] = {}
        self._next_nonce: dict[Address, int] = {}
        self._nonce_choice = asyncio.Lock()

    async def request(
        self,
        container: str,
        features: bytes,
        *,
        max_gas_price: int = DEFAULT_MAX_GAS_PRICE,
        max_gas_limit: int | None = None,
        redundancy: int = 1,
        node: str = ZERO_ADDRESS,
        terms: Terms = FREE,
    ) -> SubscriptionKey:
        """Ask once for a model's output. The answer is read with `wait_output`.

        Args:
            container: the container's name, or a chain `A,B`.
            features: its input, ABI bytes.
            max_gas_price: wei per gas that a delivery may cost its node at most.
            max_gas_limit: gas of the callback and the delivery's overhead; None is enough for an account.
            redundancy: how many distinct nodes shall answer.
            node: the only node that may answer.
            terms: what it pays, and who decides whether an answer is good; free and nobody by default. What
                `quote` says is locked of the payer's balance.
        """
        head = await self.chain.fetch_head()
        subscription = build_subscription(
            self.address,
            container,
            features,
            active_at=head.timestamp,
            max_gas_price=max_gas_price,
            max_gas_limit=self._choose_gas_limit(max_gas_limit),
            redundancy=redundancy,
            node=node,
            **await self._build_terms(terms, container, head.timestamp),
        )
        return await self._create(subscription, container, features, terms)

    async def request_many(
        self, container: str, features: Sequence[bytes], *, node: str = ZERO_ADDRESS, terms: Terms = FREE
    ) -> tuple[SubscriptionKey, ...]:
        """Ask once for each of several features, in one transaction. Terms as in `request`."""
        head = await self.chain.fetch_head()
        fields = await self._build_terms(terms, container, head.timestamp)
        calls = [
            encode_create_subscription_with_verifier(
                build_subscription(
                    self.address,
                    container,
                    one,
                    active_at=head.timestamp,
                    max_gas_price=DEFAULT_MAX_GAS_PRICE,
                    max_gas_limit=self._choose_gas_limit(None),
                    node=node,
                    **fields,
                ),
                container,
                one,
                terms.verifier_params,
            )
            for one in features
        ]
        return self.read_created(await self._send(encode_multicall(calls)))

    async def subscribe(
        self,
        container: str,
        features: bytes,
        *,
        period: int,
        frequency: int = PERPETUAL,
        active_at: int | None = None,
        max_gas_price: int = DEFAULT_MAX_GAS_PRICE,
        max_gas_limit: int | None = None,
        redundancy: int = 1,
        node: str = ZERO_ADDRESS,
        terms: Terms = FREE,
    ) -> SubscriptionKey:
        """Ask for an output in each of `frequency` intervals of `period` seconds, each time for the same features.

        Only a contract can give other features each time (`getModelFeatures`). The first interval begins at
        `active_at`, one period from now where that is None. Where `terms` have a fee, one interval's fees are locked
        from now on, and each answer is made up for from the payer's balance.
        """
        head = await self.chain.fetch_head()
        subscription = build_subscription(
            self.address,
            container,
            features,
            active_at=head.timestamp + period if active_at is None else active_at,
            period=period,
            frequency=frequency,
            max_gas_price=max_gas_price,
            max_gas_limit=self._choose_gas_limit(max_gas_limit),
            redundancy=redundancy,
            node=node,
            **await self._build_terms(terms, container, head.timestamp, is_recurring=frequency != 1),
        )
        return await self._create(subscription, container, features, terms)

    async def cancel(self, subscription: SubscriptionKey | int) -> Receipt:
        """End a subscription of the client's own account."""
        if isinstance(subscription, SubscriptionKey) and subscription.owner != self.address:
            raise InvalidInput(
                "client.not_owner", f"only {subscription.owner} may cancel its subscription, not {self.address}"
            )
        id_ = subscription.id if isinstance(subscription, SubscriptionKey) else SubscriptionId(subscription)
        return await self._send(encode_cancel_subscription(id_))

    async def wait_output(
        self, key: SubscriptionKey, interval: int = 1, redundancy: int = 1, timeout_s: float = 60.0
    ) -> Output:
        """The answer to an interval as soon as it is in a block; `redundancy` is the answer's ordinal, from 1.

        Raises:
            RetryLater: `output.not_delivered` after `timeout_s`.
            JobRejected: `subscription.cancelled`; `output.indirect`, it was delivered through another contract.
        """
        since = self._created_in.get(key)
        return await wait_for_output(self.chain, key, Interval(interval), redundancy, since, timeout_s)

    def read_created(self, receipt: Receipt) -> tuple[SubscriptionKey, ...]:
        """The subscriptions that a transaction created, as a consumer's function does."""
        events = [decode_event(log) for log in receipt.logs if log.address == self.coordinator]
        keys = tuple(
            SubscriptionKey(self.chain_id, self.coordinator, event.owner, event.id)
            for event in events
            if isinstance(event, SubscriptionCreated)
        )
        self._created_in.update(dict.fromkeys(keys, receipt.block_number))
        return keys

    async def sign_delegate(
        self,
        owner: str,
        container: str,
        features: bytes,
        *,
        nonce: int | None = None,
        expiry: int | None = None,
        period: int = 0,
        frequency: int = 1,
        active_at: int | None = None,
        max_gas_price: int = DEFAULT_MAX_GAS_PRICE,
        max_gas_limit: int | None = None,
        redundancy: int = 1,
        node: str = ZERO_ADDRESS,
        terms: Terms = FREE,
    ) -> DelegateRequest:
        """Sign a subscription for a `Delegator` contract whose signer this client is. Sends nothing.

        Args:
            owner: the consumer contract.
            container: the container's name, or a chain `A,B`.
            features: its input, ABI bytes.
            nonce: None takes the owner's first that is free.
            expiry: last time at which it may be created; None is an hour from now.
            period: seconds of an interval, 0 for one answer.
            frequency: number of intervals.
            active_at: start of interval 1; None is now.
            max_gas_price: wei per gas that a delivery may cost its node at most.
            max_gas_limit: gas of the callback and the delivery's overhead.
            redundancy: how many distinct nodes shall answer.
            node: the only node that may answer.
            terms: what it pays, and who decides whether an answer is good.

        Raises:
            InvalidInput: `delegate.no_delegator`, `delegate.wrong_signer`.
        """
        consumer = to_address(owner)
        await check_signer(self.chain, consumer, self.address)
        head = await self.chain.fetch_head()
        subscription = build_subscription(
            consumer,
            container,
            features,
            active_at=head.timestamp if active_at is None else active_at,
            period=period,
            frequency=frequency,
            max_gas_price=max_gas_price,
            max_gas_limit=self._choose_gas_limit(max_gas_limit),
            redundancy=redundancy,
            node=node,
            **await self._build_terms(terms, container, head.timestamp, is_recurring=frequency != 1),
        )
        if nonce is None:
            async with self._nonce_choice:
                first = self._next_nonce.get(consumer, 0)
                nonce = await fetch_free_nonce(self.chain, self.coordinator, consumer, first)
                self._next_nonce[consumer] = nonce + 1
        return sign_request(
            self._account.signer,
            self.chain_id,
            self.coordinator,
            nonce=nonce,
            expiry=Timestamp(head.timestamp + DEFAULT_EXPIRY_S if expiry is None else expiry),
            subscription=subscription,
            container=container,
            features=features,
        )

    async def submit_delegate(self, request: DelegateRequest) -> SubscriptionKey:
        """Create a delegated subscription on chain, in this client's transaction. One that exists is left as it is.

        Raises:
            JobRejected: `revert.NonceUsed` where it was completed or cancelled, `revert.InvalidSignature`, ….
        """
        self.read_created(await self._send(encode_create_subscription_delegate(request)))
        return SubscriptionKey(self.chain_id, self.coordinator, request.subscription.owner, request.id)

    async def post_delegate(self, node_url: str, request: DelegateRequest) -> SubscriptionKey:
        """Hand a delegated request to a node, which creates and answers it in one transaction.

        Raises:
            RetryLater: `node.unreachable`, or the node cannot take it now.
            JobRejected: the node refuses it, with the node's code.
        """
        head = await self.chain.fetch_head()
        key = await post_request(node_url, self.chain_id, self.coordinator, request, self._timeout_s)
        self._created_in[key] = head.number
        return key

    async def quote(self, subscription: Subscription) -> Shares:
        """Who gets what of the fee of an answer under these terms, as the Coordinator says it."""
        return Shares(*await self.read(self.coordinator, COORDINATOR, "quoteAnswer", subscription))

    async def fetch_terms(self, key: SubscriptionKey) -> Subscription:
        """The terms of a subscription, from the event that created it.

        Raises:
            InvalidInput: `subscription.unknown`.
        """
        return (await fetch_created(self.chain, key, self._created_in.get(key))).subscription

    async def expire(self, key: SubscriptionKey) -> Receipt:
        """End what is over, and return what is left to its payer. Anyone may.

        Raises:
            JobRejected: `revert.NotExpired`, `revert.SubscriptionNotFound`.
        """
        return await self._send(encode_expire(key.id, await self.fetch_terms(key)))

    async def fund(self, key: SubscriptionKey) -> Receipt:
        """Resume a paused subscription from its payer's balance. Anyone may.

        Raises:
            JobRejected: `revert.NotPaused`, `revert.InsufficientBalance`.
        """
        return await self._send(encode_fund(key.id, await self.fetch_terms(key)))

    async def _build_terms(self, terms: Terms, container: str, now: int, is_recurring: bool = False) -> dict[str, Any]:
        return await terms.build_fields(compute_container_id(container), now, is_recurring, self.read_royalty)

    async def _create(
        self, subscription: Subscription, container: str, features: bytes, terms: Terms
    ) -> SubscriptionKey:
        if terms.verifier_params:
            params = terms.verifier_params
            calldata = encode_create_subscription_with_verifier(subscription, container, features, params)
        else:
            calldata = encode_create_subscription_with_terms(subscription, container, features)
        return self._read_key(await self._send(calldata))

    async def _send(self, calldata: bytes) -> Receipt:
        return await self._account.send(Message(self.coordinator, calldata), find_abi(COORDINATOR))

    def _read_key(self, receipt: Receipt) -> SubscriptionKey:
        keys = self.read_created(receipt)
        if len(keys) != 1:
            raise RetryLater(
                "chain.bad_answer",
                f"{self.chain.endpoint} gave a receipt without the created subscription: ask another endpoint",
            )
        return keys[0]

    def _choose_gas_limit(self, wanted: int | None) -> int:
        self.coordinator  # noqa: B018  (says so where there is none)
        return self._overhead + DEFAULT_CALLBACK_GAS if wanted is None else wanted


def build_subscription(
    owner: Address,
    container: str,
    features: bytes,
    *,
    active_at: int,
    max_gas_price: int,
    max_gas_limit: int,
    redundancy: int = 1,
    node: str = ZERO_ADDRESS,
    period: int = 0,
    frequency: int = 1,
    **terms: Any,
) -> Subscription:
    """Terms with the features inline; unpaid and without a verifier where `terms` say nothing else."""
    terms = {name: to_address(value) if isinstance(value, str) else value for name, value in terms.items()}
    return Subscription(
        owner=owner,
        container_id=compute_container_id(container),
        features_hash=keccak(features),
        frequency=frequency,
        period=period,
        active_at=Timestamp(active_at),
        redundancy=redundancy,
        max_gas_price=Wei(max_gas_price),
        max_gas_limit=Gas(max_gas_limit),
        node=to_address(node),
        **terms,
    )
