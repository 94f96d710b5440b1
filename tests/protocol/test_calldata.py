from __future__ import annotations

from dataclasses import replace

import eth_abi
import pytest
from hypothesis import given
from hypothesis import strategies as st
from subscription_strategies import addresses, blobs, delegate_requests, subscriptions, texts, uints

from infernet.errors import InvalidInput
from infernet.protocol import calldata
from infernet.protocol.calldata import Delivery, decode_delivery
from infernet.protocol.subscription import DELEGATE_REQUEST, SUBSCRIPTION_ABI, Subscription


@given(uints(32), uints(32), subscriptions(), blobs, blobs)
def test_a_delivery_is_encoded_as_eth_abi_does_and_found_again(number, interval, subscription, output, proof):
    data = calldata.encode_deliver_model_output(number, interval, subscription, output, proof)
    types = ["uint32", "uint32", SUBSCRIPTION_ABI, "bytes", "bytes"]
    assert data[4:] == eth_abi.encode(types, [number, interval, subscription.as_tuple(), output, proof])
    assert decode_delivery(data) == Delivery(
        owner=subscription.owner,
        id=number,
        interval=interval,
        subscription=subscription,
        output=output,
        proof=proof,
    )


@given(delegate_requests, uints(32), blobs, blobs)
def test_a_delegated_delivery_is_encoded_as_eth_abi_does_and_found_again(request, interval, output, proof):
    data = calldata.encode_deliver_model_output_delegate(request, interval, output, proof)
    types = [DELEGATE_REQUEST.abi, "uint32", "bytes", "bytes"]
    assert data[4:] == eth_abi.encode(types, [request.as_tuple(), interval, output, proof])
    assert calldata.DELIVER_MODEL_OUTPUT_DELEGATE.decode(data) == (request.as_tuple(), interval, output, proof)
    assert decode_delivery(data) == Delivery(
        owner=request.subscription.owner,
        id=request.id,
        interval=interval,
        subscription=request.subscription,
        output=output,
        proof=proof,
    )


@given(delegate_requests, blobs)
def test_junk_where_the_contract_does_not_look_cannot_hide_an_output(request, output):
    data = calldata.encode_deliver_model_output_delegate(request, 1, output)
    body = bytearray(data)
    head = 4 + 4 * 32
    for offset_word in range(23, 26):  # container, features, signature
        at = head + offset_word * 32
        body[at : at + 32] = b"\xff" * 32
    assert decode_delivery(bytes(body)) == decode_delivery(data)
    with pytest.raises(InvalidInput):
        calldata.DELIVER_MODEL_OUTPUT_DELEGATE.decode(bytes(body))


@given(st.binary(max_size=100))
def test_calldata_that_deliver_nothing_are_passed_over(data):
    assert decode_delivery(data) is None
    assert decode_delivery(calldata.BURN_NONCE.selector + data) is None


@given(subscriptions(), st.data())
def test_a_cut_delivery_is_an_error(subscription, data):
    whole = calldata.encode_deliver_model_output(1, 1, subscription, b"output")
    with pytest.raises(InvalidInput) as caught:
        decode_delivery(whole[: data.draw(st.integers(4, len(whole) - 33))])
    assert caught.value.code == "abi.malformed"


@given(texts, blobs, uints(48), uints(32), uints(256), uints(32), uints(16))
def test_the_plain_creation_round_trips(container, features, max_gas_price, max_gas_limit, frequency, period, nodes):
    data = calldata.encode_create_subscription(
        container,
        features,
        max_gas_price=max_gas_price,
        max_gas_limit=max_gas_limit,
        frequency=frequency,
        period=period,
        redundancy=nodes,
    )
    values = (container, features, max_gas_price, max_gas_limit, frequency, period, nodes)
    types = ["string", "bytes", "uint48", "uint32", "uint256", "uint32", "uint16"]
    assert data[4:] == eth_abi.encode(types, values)
    assert calldata.CREATE_SUBSCRIPTION.decode(data) == values


@given(subscriptions(), texts, blobs)
def test_the_creation_with_terms_round_trips(subscription, container, features):
    data = calldata.encode_create_subscription_with_terms(subscription, container, features)
    assert calldata.CREATE_SUBSCRIPTION_WITH_TERMS.decode(data) == (subscription.as_tuple(), container, features)


@given(delegate_requests)
def test_the_delegated_creation_round_trips(request):
    data = calldata.encode_create_subscription_delegate(request)
    types = ["uint32", "uint40", SUBSCRIPTION_ABI, "string", "bytes", "bytes"]
    assert data[4:] == eth_abi.encode(types, request.as_tuple())
    assert calldata.decode_create_subscription_delegate(data) == request


@given(uints(32), uints(32), uints(32), addresses, uints(40))
def test_the_short_calls_round_trip(number, interval, timestamp, caller, active_at):
    for function, data, values in [
        (calldata.CANCEL_SUBSCRIPTION, calldata.encode_cancel_subscription(number), (number,)),
        (calldata.BURN_NONCE, calldata.encode_burn_nonce(number), (number,)),
        (calldata.SIGNER, calldata.encode_signer(), ()),
        (
            calldata.GET_SUBSCRIPTION_INTERVAL,
            calldata.encode_get_subscription_interval(active_at, number),
            (active_at, number),
        ),
        (
            calldata.GET_MODEL_FEATURES,
            calldata.encode_get_model_features(number, interval, timestamp, caller),
            (number, interval, timestamp, caller),
        ),
    ]:
        assert data == function.selector + eth_abi.encode(function.types, values)
        assert function.decode(data) == values


@given(uints(32), blobs, addresses)
def test_returned_values_are_read_as_eth_abi_writes_them(number, features, signer):
    assert calldata.decode_subscription_id(eth_abi.encode(["uint32"], [number])) == number
    assert calldata.decode_subscription_interval(eth_abi.encode(["uint32"], [number])) == number
    assert calldata.decode_model_features(eth_abi.encode(["bytes"], [features])) == features
    assert calldata.decode_signer(eth_abi.encode(["address"], [signer])) == signer


def test_nothing_returned_means_no_such_contract():
    for decode in (calldata.decode_signer, calldata.decode_model_features, calldata.decode_subscription_id):
        with pytest.raises(InvalidInput, match="returned nothing"):
            decode(b"")


def test_a_value_out_of_range_is_named_before_it_is_sent(subscription):
    with pytest.raises(InvalidInput, match="interval is 4294967296"):
        calldata.encode_deliver_model_output(1, 2**32, subscription, b"")
    with pytest.raises(InvalidInput, match=r"subscription\.fee"):
        replace(subscription, fee=2**128)


@pytest.fixture
def subscription() -> Subscription:
    return Subscription(
        owner="0x5FbDB2315678afecb367f032d93F642f64180aa3",
        container_id=bytes(32),
        max_gas_price=10**9,
        max_gas_limit=100_000,
    )
