"""Delegated requests: find a nonce, sign, hand to a node."""

from __future__ import annotations

import json

import aiohttp

from infernet.chain.artifacts import load_artifact
from infernet.chain.rpc import RpcChain
from infernet.errors import InvalidInput, JobRejected, RetryLater
from infernet.ports import Signer
from infernet.protocol.calldata import decode_signer, encode_signer
from infernet.protocol.hashing import to_address
from infernet.protocol.signing import compute_delegate_digest
from infernet.protocol.subscription import DELEGATED_BIT, DelegateRequest, Subscription
from infernet.protocol.wire_json import encode_delegate_json
from infernet.types import Address, Call, ChainId, SubscriptionId, SubscriptionKey, Timestamp

PATH = "/v1/subscriptions/delegated"

_CONTRACT = "EIP712Coordinator"
_NONCES_AT_ONCE = 64
_MAX_ANSWER_BYTES = 2**20


def sign_request(
    signer: Signer,
    chain_id: ChainId,
    coordinator: Address,
    *,
    nonce: int,
    expiry: Timestamp,
    subscription: Subscription,
    container: str,
    features: bytes,
) -> DelegateRequest:
    """The request with its EIP-712 signature."""
    digest = compute_delegate_digest(chain_id, coordinator, nonce, expiry, subscription)
    return DelegateRequest(nonce, expiry, subscription, container, features, signer.sign_digest(digest))


async def check_signer(chain: RpcChain, owner: Address, signer: Address) -> None:
    """That a signature of `signer` acts for `owner`.

    Raises:
        InvalidInput: `delegate.no_delegator`, `delegate.wrong_signer`.
    """
    try:
        named = decode_signer(await chain.call(Call(owner, encode_signer())))
    except (InvalidInput, JobRejected):
        raise InvalidInput(
            "delegate.no_delegator", f"{owner} is no Delegator contract (it has no signer()): name the consumer"
        ) from None
    if named != signer and not await chain.fetch_code(named):  # a contract may accept this key by ERC-1271
        raise InvalidInput(
            "delegate.wrong_signer", f"{owner} takes signatures of {named} only, this client signs as {signer}"
        )


async def fetch_free_nonce(chain: RpcChain, coordinator: Address, owner: Address, start: int = 0) -> int:
    """The first nonce from `start` on that the owner has not used: neighbours share a word and cost less gas."""
    abi = load_artifact(_CONTRACT)
    for first in range(start, DELEGATED_BIT, _NONCES_AT_ONCE):
        nonces = range(first, min(first + _NONCES_AT_ONCE, DELEGATED_BIT))
        calls = [Call(coordinator, abi.encode_call("isNonceUsed", (owner, nonce))) for nonce in nonces]
        answers = await chain.call_many(calls)
        for nonce, answer in zip(nonces, answers, strict=True):
            if not isinstance(answer, bytes):
                raise answer
            if not int.from_bytes(answer):
                return nonce
    raise InvalidInput("nonce.out_of_range", f"{owner} has used every nonce: delegate from another contract")


async def post_request(
    node_url: str, chain_id: ChainId, coordinator: Address, request: DelegateRequest, timeout_s: float
) -> SubscriptionKey:
    """Hand a request to a node, which creates and answers it in one transaction.

    Raises:
        RetryLater: `node.unreachable`, or the node says that it cannot take it now.
        JobRejected: the node refuses it, with the node's code and message.
    """
    body = encode_delegate_json(chain_id, coordinator, request)
    url = node_url.rstrip("/") + PATH
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_s)) as session,
            session.post(url, json=body, allow_redirects=False) as response,
        ):
            status, answer = response.status, await response.content.read(_MAX_ANSWER_BYTES)
    except TimeoutError:
        raise RetryLater("node.unreachable", f"the node at {node_url} did not answer within {timeout_s:g} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise RetryLater("node.unreachable", f"cannot reach a node at {node_url}: {error}") from None
    return _read_answer(node_url, status, answer, chain_id, coordinator)


def _read_answer(node_url: str, status: int, answer: bytes, chain_id: ChainId, coordinator: Address) -> SubscriptionKey:
    try:
        parsed = json.loads(answer)
        if status == 202:
            id_ = int(parsed["id"])
            if not 0 < id_ < 2**32:
                raise ValueError("no subscription's id")
            return SubscriptionKey(chain_id, coordinator, to_address(parsed["owner"]), SubscriptionId(id_))
        said = parsed.get("error", parsed)
        code, message = str(said["code"]), " ".join(str(said["message"]).split())
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, InvalidInput):
        raise RetryLater(
            "node.bad_answer", f"{node_url} answered {status} with something no node says: is it a node's URL?"
        ) from None
    if status == 429 or status >= 500:
        raise RetryLater(code, f"the node cannot take it now: {message}")
    raise JobRejected(code, f"the node refused the request: {message}")
