from __future__ import annotations

import eth_abi
from hypothesis import given
from hypothesis import strategies as st
from subscription_strategies import addresses, blobs, delegate_requests, hashes, subscriptions, uints

from infernet.protocol import calldata, deliveries
from infernet.protocol.calldata import decode_delivery
from infernet.protocol.deliveries import Answer, decode_deliveries
from infernet.protocol.subscription import SUBSCRIPTION_ABI

plain = st.builds(calldata.encode_deliver_model_output, uints(32), uints(32), subscriptions(), blobs, blobs)
delegated = st.builds(calldata.encode_deliver_model_output_delegate, delegate_requests, uints(32), blobs, blobs)
items = st.lists(st.one_of(plain, delegated), max_size=4)
answers = st.builds(
    Answer, id=uints(32), interval=uints(32), redundancy=uints(16), node=addresses, pending_until=uints(40),
    features_hash=hashes,
)  # fmt: skip


@given(items)
def test_a_batch_is_encoded_as_eth_abi_does_and_each_item_is_found(batch):
    data = deliveries.encode_deliver_model_outputs(batch)
    assert data[4:] == eth_abi.encode(["bytes[]"], [batch])
    assert deliveries.is_batch(data)
    assert decode_deliveries(data) == tuple(decode_delivery(item) for item in batch)


@given(plain, st.binary(max_size=40), plain)
def test_an_item_that_does_not_decode_hides_no_other(first, junk, last):
    batch = [first, calldata.DELIVER_MODEL_OUTPUT.selector + junk, junk, last]
    found = decode_deliveries(deliveries.encode_deliver_model_outputs(batch))
    assert found == (decode_delivery(first), None, None, decode_delivery(last))


@given(plain)
def test_a_single_delivery_is_a_batch_of_one(item):
    assert decode_deliveries(item) == (decode_delivery(item),)
    assert not deliveries.is_batch(item)


@given(answers, subscriptions(), blobs, blobs)
def test_a_settlement_hands_over_the_output_that_was_pending(answer, subscription, output, proof):
    data = deliveries.encode_settle(answer, subscription, output, proof)
    types = ["(uint32,uint32,uint16,address,uint40,bytes32)", SUBSCRIPTION_ABI, "bytes", "bytes"]
    assert data[4:] == eth_abi.encode(types, [answer.as_tuple(), subscription.as_tuple(), output, proof])
    (found,) = decode_deliveries(data)
    assert (found.owner, found.id, found.interval) == (subscription.owner, answer.id, answer.interval)
    assert (found.output, found.proof) == (output, proof)


@given(delegate_requests, plain, items)
def test_deliveries_within_a_multicall_are_found(request, item, batch):
    creation = calldata.encode_create_subscription_delegate(request)
    calls = [creation, item, deliveries.encode_deliver_model_outputs(batch)]
    found = decode_deliveries(deliveries.encode_multicall(calls))
    assert found == (None, decode_delivery(item), *(decode_delivery(one) for one in batch))
    nested = deliveries.encode_multicall([deliveries.encode_multicall(calls)])
    assert decode_deliveries(nested) == ()


@given(st.binary(max_size=100))
def test_junk_behind_a_batchs_selector_delivers_nothing(junk):
    assert set(decode_deliveries(deliveries.DELIVER_MODEL_OUTPUTS.selector + junk)) <= {None}
