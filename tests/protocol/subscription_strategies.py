"""Hypothesis strategies for the values of the protocol."""

from __future__ import annotations

from hypothesis import strategies as st

from infernet.protocol.hashing import to_address
from infernet.protocol.subscription import FIELDS, DelegateRequest, Mode, Subscription

addresses = st.binary(min_size=20, max_size=20).map(to_address)
hashes = st.binary(min_size=32, max_size=32)
blobs = st.binary(max_size=100)
texts = st.text(st.characters(codec="utf-8"), max_size=40)


def uints(bits: int) -> st.SearchStrategy[int]:
    """The whole range, its ends more often than chance has them."""
    return st.one_of(st.integers(0, 2**bits - 1), st.sampled_from([0, 1, 2**bits - 1]))


def values_of(abi: str) -> st.SearchStrategy[object]:
    if abi == "address":
        return addresses
    if abi in ("bool", "bytes", "string"):
        return {"bool": st.booleans(), "bytes": blobs, "string": texts}[abi]
    return hashes if abi == "bytes32" else uints(int(abi.removeprefix("uint")))


_fields = st.fixed_dictionaries({name: values_of(kind.abi) for name, _, kind in FIELDS})


def subscriptions() -> st.SearchStrategy[Subscription]:
    return _fields.map(lambda values: Subscription(**values | {"mode": Mode(values["mode"])}))


delegate_requests = st.builds(
    DelegateRequest,
    nonce=uints(31),
    expiry=uints(40),
    subscription=subscriptions(),
    container=texts,
    features=blobs,
    signature=blobs,
)
