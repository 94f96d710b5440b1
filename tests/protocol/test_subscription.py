from __future__ import annotations

import runpy
from dataclasses import replace

import eth_abi
import pytest
from hypothesis import given
from subscription_strategies import delegate_requests, subscriptions, uints

from infernet.errors import InvalidInput
from infernet.protocol.hashing import ZERO_HASH, compute_container_id, keccak
from infernet.protocol.subscription import (
    FIELDS,
    PERPETUAL,
    SUBSCRIPTION_ABI,
    SUBSCRIPTION_TYPE_HASH,
    Mode,
    Subscription,
    compute_commitment,
    compute_struct_hash,
    decode_subscription,
    delegated_id,
    encode_subscription,
)
from vectors import FOLDER, read_vectors, unhex

CASES = read_vectors("subscription.json")["cases"]


@pytest.mark.parametrize("case", CASES)
def test_golden_vectors_decode_hash_and_encode_to_the_same(case):
    subscription = decode_subscription(unhex(case["abi"]))
    assert subscription.container_id == compute_container_id(case["container"])
    features = unhex(case["features"])
    pulled = Mode.PULL in subscription.mode and not features
    assert subscription.features_hash == (ZERO_HASH if pulled else keccak(features))
    assert unhex(case["typeHash"]) == SUBSCRIPTION_TYPE_HASH
    assert unhex(case["structHash"]) == compute_struct_hash(subscription)
    assert unhex(case["commitment"]) == compute_commitment(subscription)
    assert unhex(case["abi"]) == encode_subscription(subscription)


def test_the_golden_vectors_are_what_their_generator_writes():
    files = runpy.run_path(str(FOLDER / "generate.py"))["build_files"]()
    assert files == {name: (FOLDER / name).read_text(encoding="utf-8") for name in files}


def test_the_golden_vectors_cover_the_edges():
    subscriptions = [decode_subscription(unhex(case["abi"])) for case in CASES]
    assert any(subscription.frequency == PERPETUAL for subscription in subscriptions)
    assert any(subscription.mode == Mode.PULL for subscription in subscriptions)
    assert any(case["features"] == "0x" for case in CASES)
    assert any(subscription.mode == 255 and subscription.fee == 2**128 - 1 for subscription in subscriptions)
    assert len(CASES) >= 8


@given(subscriptions())
def test_what_was_encoded_decodes_to_the_same(subscription):
    encoded = encode_subscription(subscription)
    assert len(encoded) == 21 * 32
    assert decode_subscription(encoded) == subscription


@given(subscriptions())
def test_the_encoding_is_abi_encode_of_the_struct(subscription):
    assert encode_subscription(subscription) == eth_abi.encode([SUBSCRIPTION_ABI], [subscription.as_tuple()])


@given(subscriptions())
def test_the_commitment_leaves_one_byte_for_flags(subscription):
    commitment = compute_commitment(subscription)
    assert commitment[31] == 0
    assert commitment[:31] == compute_struct_hash(subscription)[:31]


@given(subscriptions(), subscriptions())
def test_other_terms_have_another_commitment(one, other):
    assert (compute_commitment(one) == compute_commitment(other)) == (one == other)


def test_one_answer_once_is_what_a_subscription_is_by_default(subscription):
    assert (subscription.frequency, subscription.redundancy, subscription.period) == (1, 1, 0)
    zeroable = subscription.as_tuple()[9:]
    assert all(not any(value) if isinstance(value, bytes) else int(str(value), 0) == 0 for value in zeroable[1:])


@pytest.mark.parametrize("field", [name for name, _, kind in FIELDS if kind.abi.startswith("uint")])
def test_a_number_out_of_its_fields_range_is_refused_by_name(subscription, field):
    bits = int({name: kind.abi for name, _, kind in FIELDS}[field].removeprefix("uint"))
    for value in (-1, 2**bits):
        with pytest.raises(InvalidInput, match=rf"subscription\.{field} is .*{value}.*2\*\*{bits} - 1"):
            replace(subscription, **{field: value})
    assert getattr(replace(subscription, **{field: 2**bits - 1}), field) == 2**bits - 1


def test_an_address_in_lower_case_is_refused_by_name(subscription):
    with pytest.raises(InvalidInput, match=r"subscription\.node is .* to_address"):
        replace(subscription, node=subscription.owner.lower())


def test_a_hash_of_another_length_is_refused_by_name(subscription):
    with pytest.raises(InvalidInput, match=r"subscription\.features_hash .* 32 bytes"):
        replace(subscription, features_hash=b"\x01")


@pytest.mark.parametrize("change", [-1, 1])
def test_only_21_words_are_a_subscription(subscription, change):
    encoded = encode_subscription(subscription)
    with pytest.raises(InvalidInput, match="672 bytes"):
        decode_subscription(encoded[:-1] if change < 0 else encoded + b"\0")


def test_dirty_upper_bits_are_refused(subscription):
    encoded = bytearray(encode_subscription(subscription))
    encoded[0] = 1
    with pytest.raises(InvalidInput, match="not valid ABI data"):
        decode_subscription(bytes(encoded))


@given(uints(31))
def test_delegated_ids_carry_the_nonce_and_the_highest_bit(nonce):
    assert delegated_id(nonce) == 2**31 + nonce


@pytest.mark.parametrize("nonce", [-1, 2**31, 2**32 - 1, 2**32])
def test_a_nonce_that_would_take_anothers_id_is_refused(nonce):
    with pytest.raises(InvalidInput) as caught:
        delegated_id(nonce)
    assert caught.value.code == "nonce.out_of_range"


@given(delegate_requests)
def test_a_request_knows_its_id(request):
    assert request.id == delegated_id(request.nonce)
    with pytest.raises(InvalidInput):
        replace(request, nonce=2**31)
    with pytest.raises(InvalidInput, match=r"request\.expiry"):
        replace(request, expiry=2**40)


@pytest.fixture
def subscription() -> Subscription:
    return Subscription(
        owner="0x5FbDB2315678afecb367f032d93F642f64180aa3",
        container_id=compute_container_id("digits"),
        max_gas_price=10**9,
        max_gas_limit=100_000,
    )
