from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infernet.errors import InvalidInput
from infernet.protocol.hashing import compute_container_id, keccak, to_address
from infernet.protocol.subscription import FIELDS, DelegateRequest, Mode, Subscription
from infernet.protocol.wire_json import decode_delegate_json, encode_delegate_json
from infernet.types import Address, ChainId


def _value(kind: str) -> st.SearchStrategy[Any]:
    if kind == "address":
        return st.binary(min_size=20, max_size=20).map(to_address)
    if kind == "bytes32":
        return st.binary(min_size=32, max_size=32)
    return st.integers(0, 2 ** int(kind.removeprefix("uint")) - 1)


subscriptions = st.fixed_dictionaries({name: _value(kind.abi) for name, _, kind in FIELDS}).map(
    lambda fields: Subscription(**{**fields, "mode": Mode(fields["mode"])})
)
requests = st.builds(
    DelegateRequest,
    nonce=st.integers(0, 2**31 - 1),
    expiry=st.integers(0, 2**40 - 1),
    subscription=subscriptions,
    container=st.text(st.characters(codec="utf-8"), max_size=40),
    features=st.binary(max_size=200),
    signature=st.binary(max_size=70),
)
addresses = st.binary(min_size=20, max_size=20).map(to_address)


@given(st.integers(0, 2**53).map(ChainId), addresses, requests)
def test_what_is_written_is_read_again(chain_id: ChainId, coordinator: Address, request: DelegateRequest) -> None:
    text = json.dumps(encode_delegate_json(chain_id, coordinator, request))
    assert decode_delegate_json(json.loads(text)) == (chain_id, coordinator, request)


@given(requests)
def test_no_number_is_one_that_javascript_would_round(request: DelegateRequest) -> None:
    encoded = encode_delegate_json(ChainId(1), to_address(bytes(20)), request)
    numbers = [value for value in (*encoded.values(), *encoded["subscription"].values()) if isinstance(value, int)]
    assert all(number < 2**53 for number in numbers)


def _sample() -> dict[str, Any]:
    subscription = Subscription(
        owner=to_address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8"),
        container_id=compute_container_id("demo/digits:1"),
        features_hash=keccak(b"x"),
        max_gas_price=10**12,  # type: ignore[arg-type]
        max_gas_limit=300_000,  # type: ignore[arg-type]
    )
    request = DelegateRequest(3, 2_000_000_000, subscription, "demo/digits:1", b"x", b"\x01" * 65)  # type: ignore[arg-type]
    return encode_delegate_json(ChainId(31337), to_address("0x5FbDB2315678afecb367f032d93F642f64180aa3"), request)


def test_the_form_is_the_one_that_is_documented() -> None:
    sample = _sample()
    assert list(sample) == [
        "chainId",
        "coordinator",
        "nonce",
        "expiry",
        "subscription",
        "container",
        "features",
        "signature",
    ]
    assert sample["features"] == "0x78"
    assert sample["subscription"]["frequency"] == "1"
    assert sample["subscription"]["maxGasLimit"] == 300_000
    assert sample["subscription"]["minBond"] == "0"


def test_numbers_are_read_in_both_forms_and_addresses_in_lower_case() -> None:
    sample = _sample()
    expected = decode_delegate_json(sample)
    sample["nonce"], sample["chainId"] = "3", "31337"
    sample["subscription"]["frequency"] = 1
    sample["subscription"]["owner"] = sample["subscription"]["owner"].lower()
    assert decode_delegate_json(sample) == expected


@pytest.mark.parametrize(
    ("path", "value", "names"),
    [
        (("nonce",), None, "nonce"),
        (("nonce",), True, "nonce"),
        (("nonce",), 1.0, "nonce"),
        (("nonce",), "0x1", "nonce"),
        (("nonce",), "01", "nonce"),
        (("nonce",), "-1", "nonce"),
        (("nonce",), "9" * 5000, "nonce"),
        (("nonce",), 2**31, "nonce"),
        (("nonce",), -1, "nonce"),
        (("expiry",), 2**40, "expiry"),
        (("chainId",), "x", "chainId"),
        (("chainId",), -1, "chainId"),
        (("coordinator",), "0x12", "coordinator"),
        (("coordinator",), None, "coordinator"),
        (("container",), 5, "container"),
        (("features",), "78", "features"),
        (("features",), "0x7", "features"),
        (("signature",), "0xzz", "signature"),
        (("signature",), None, "signature"),
        (("subscription",), [], "subscription"),
        (("subscription", "owner"), "0x5fBDB2315678afecb367f032d93F642f64180aa3", "owner"),
        (("subscription", "owner"), 7, "owner"),
        (("subscription", "containerId"), "0x12", "container"),
        (("subscription", "redundancy"), 2**16, "redundancy"),
        (("subscription", "frequency"), str(2**256), "frequency"),
        (("subscription", "mode"), 256, "mode"),
        (("subscription", "fee"), {}, "fee"),
    ],
)
def test_a_field_that_does_not_fit_is_named(path: tuple[str, ...], value: object, names: str) -> None:
    sample = _sample()
    place = sample
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(InvalidInput, match=names) as caught:
        decode_delegate_json(sample)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("parsed", [None, [], 5, "x", {}, {"nonce": 1}])
def test_what_is_no_request_is_refused(parsed: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        decode_delegate_json(parsed)
    assert caught.value.code == "request.malformed"


def test_missing_and_unknown_fields_are_named() -> None:
    sample = _sample()
    del sample["subscription"]["fee"]
    with pytest.raises(InvalidInput, match="subscription lacks fee"):
        decode_delegate_json(sample)
    with pytest.raises(InvalidInput, match="unknown fields: ip"):
        decode_delegate_json({**_sample(), "ip": "1.2.3.4"})
