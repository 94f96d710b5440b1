"""What is looked at before a request that was signed off chain is taken in: it must not cost the node work in vain."""

from __future__ import annotations

from infernet.errors import InvalidInput, JobRejected
from infernet.ports import Chain
from infernet.protocol.calldata import encode_create_subscription_delegate
from infernet.protocol.hashing import ZERO_HASH, compute_container_id, keccak
from infernet.protocol.subscription import DelegateRequest, Mode
from infernet.types import Address, Call

_REVERTS = {
    "revert.InvalidSignature": ("request.signature", "the signature does not act for {owner}: sign with its signer"),
    "revert.NonceUsed": (
        "request.completed",
        "the nonce {nonce} of {owner} is used up, the request was answered or cancelled: sign a new one",
    ),
    "revert.SignatureExpired": ("request.expired", "the request expired at {expiry}: sign a new one"),
}


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
