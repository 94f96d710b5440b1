"""Requests that were signed off chain: what is looked at before one is taken in, so that none costs work in vain."""

from __future__ import annotations

from infernet.errors import InvalidInput, JobRejected, RetryLater
from infernet.node.book import Book
from infernet.ports import Chain
from infernet.protocol.calldata import encode_create_subscription_delegate
from infernet.protocol.decision import Tracked, decide
from infernet.protocol.hashing import ZERO_HASH, compute_container_id, keccak
from infernet.protocol.policy import Drop, Policy
from infernet.protocol.subscription import DelegateRequest, Mode, delegated_id
from infernet.store.journal import Journal
from infernet.types import Address, BlockRef, Call, SubscriptionId, SubscriptionKey

MAX_REQUESTS_PER_OWNER, MAX_REQUESTS = 64, 4_096
"""Requests that may wait at once to be answered: they cost their senders nothing."""
MAX_AHEAD_S = 30 * 86_400

_REVERTS = {
    "revert.InvalidSignature": ("request.signature", "the signature does not act for {owner}: sign with its signer"),
    "revert.NonceUsed": (
        "request.completed",
        "the nonce {nonce} of {owner} is used up, the request was answered or cancelled: sign a new one",
    ),
    "revert.SignatureExpired": ("request.expired", "the request expired at {expiry}: sign a new one"),
}


class Intake:
    """Takes signed requests in for one Coordinator."""

    def __init__(self, chain: Chain, journal: Journal, book: Book, coordinator: Address, policy: Policy) -> None:
        self._chain = chain
        self._journal = journal
        self._book = book
        self._coordinator = coordinator
        self._policy = policy

    async def accept(self, request: DelegateRequest, head: BlockRef, block_time_s: int) -> SubscriptionKey:
        """Take a request; it is on disk when this returns.

        Raises:
            InvalidInput: it does not hold together, the Coordinator would not create it, this node will not serve it.
            RetryLater: the chain cannot be asked; `requests.too_many`: as many wait already as may.
        """
        check_request(request)
        check_start(request, head)
        owner = request.subscription.owner
        key = self._book.key_of(owner, SubscriptionId(delegated_id(request.nonce)))
        tracked = Tracked(key, request.subscription, request.container, request.features, request)
        decision = decide(tracked, head, self._policy, block_time_s)
        if isinstance(decision, Drop):
            raise InvalidInput(decision.code, decision.message)
        self._check_room(request)
        await simulate_creation(self._chain, self._coordinator, self._policy.node, request)
        self._check_room(request)  # others may have come meanwhile
        with self._journal.step():
            return self._book.add_request(request)

    def _check_room(self, request: DelegateRequest) -> None:
        if self._book.find_request(request) is not None:
            return
        waiting, of_owner = self._book.count_requests(request.subscription.owner)
        if of_owner >= MAX_REQUESTS_PER_OWNER:
            raise RetryLater(
                "requests.too_many", f"{of_owner} requests of this owner wait already: wait until some are answered"
            )
        if waiting >= MAX_REQUESTS:
            raise RetryLater("requests.too_many", f"{waiting} requests wait at this node: ask another, or later")


def check_start(request: DelegateRequest, head: BlockRef) -> None:
    """Refuse what would have to be kept for long before anything can be done.

    Raises:
        InvalidInput: `request.too_early`.
    """
    if request.subscription.active_at > head.timestamp + MAX_AHEAD_S:
        raise InvalidInput("request.too_early", "activeAt is more than 30 days ahead: send the request later")


def check_request(request: DelegateRequest) -> None:
    """Refuse a signed request whose parts are not those that were signed.

    Raises:
        InvalidInput: naming the part.
    """
    terms = request.subscription
    if compute_container_id(request.container) != terms.container_id:
        raise InvalidInput("request.container", "containerId is not the hash of the container: sign them together")
    is_pull = bool(terms.mode & Mode.PULL)
    if is_pull and request.features:
        raise InvalidInput("request.features", "a request in pull mode carries no features: leave them empty")
    if not is_pull and keccak(request.features) != terms.features_hash:
        raise InvalidInput("request.features", "featuresHash is not the hash of the features: sign them together")
    if terms.verifier_params != ZERO_HASH:
        raise InvalidInput(
            "request.verifier", "parameters of a verifier do not travel with a request: create it on chain first"
        )


async def simulate_creation(chain: Chain, coordinator: Address, node: Address, request: DelegateRequest) -> None:
    """Ask the Coordinator itself whether it would create the request's subscription now, without creating it.

    Raises:
        InvalidInput: it would not: `request.signature`, `request.completed`, `request.expired`, `request.refused`.
        RetryLater: the chain cannot be asked.
    """
    call = Call(to=coordinator, data=encode_create_subscription_delegate(request), sender=node)
    try:
        await chain.call(call)
    except JobRejected as error:
        code, text = _REVERTS.get(error.code, ("request.refused", "the Coordinator refuses the request: {reason}"))
        words = {"owner": request.subscription.owner, "nonce": request.nonce, "expiry": request.expiry}
        raise InvalidInput(code, text.format(**words, reason=error.message)) from None
