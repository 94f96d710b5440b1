from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import eth_abi
import pytest
from hypothesis import given
from hypothesis import strategies as st
from subscription_strategies import addresses, blobs, subscriptions, texts, uints, values_of

from infernet.errors import NodeMisconfigured
from infernet.protocol.events import (
    EVENTS,
    NONCE_BURNED,
    SUBSCRIPTION_CANCELLED,
    SUBSCRIPTION_CREATED,
    SUBSCRIPTION_FULFILLED,
    NonceBurned,
    SubscriptionCancelled,
    SubscriptionCreated,
    SubscriptionFulfilled,
    decode_event,
)
from infernet.protocol.hashing import to_address
from infernet.protocol.subscription import SUBSCRIPTION_ABI
from infernet.types import Log

COORDINATOR = to_address("0x" + "c0" * 20)
PLACE = {
    "coordinator": COORDINATOR,
    "block_number": 7,
    "block_hash": b"\x07" * 32,
    "tx_hash": b"\x77" * 32,
    "log_index": 3,
}


def build_log(*topics: bytes, data: bytes = b"") -> Log:
    return Log(COORDINATOR, topics, data, 7, b"\x07" * 32, b"\x77" * 32, 3)


def as_word(value: int | str) -> bytes:
    return value.to_bytes(32) if isinstance(value, int) else bytes(12) + bytes.fromhex(value[2:])


def log_of_creation(subscription, number, container, features) -> Log:
    data = eth_abi.encode([SUBSCRIPTION_ABI, "string", "bytes"], [subscription.as_tuple(), container, features])
    topics = (SUBSCRIPTION_CREATED.topic, as_word(subscription.owner), as_word(number), subscription.container_id)
    return build_log(*topics, data=data)


@given(subscriptions(), uints(32), texts, blobs)
def test_a_creation_carries_all_that_a_node_needs(subscription, number, container, features):
    event = decode_event(log_of_creation(subscription, number, container, features))
    assert event == SubscriptionCreated(
        **PLACE,
        owner=subscription.owner,
        id=number,
        container_id=subscription.container_id,
        subscription=subscription,
        container=container,
        features=features,
    )


@given(addresses, uints(32))
def test_a_cancellation_names_its_subscription(owner, number):
    event = decode_event(build_log(SUBSCRIPTION_CANCELLED.topic, as_word(owner), as_word(number)))
    assert event == SubscriptionCancelled(**PLACE, owner=owner, id=number)


@given(addresses, uints(32), addresses, uints(32), uints(16), st.booleans())
def test_a_delivery_names_node_interval_and_ordinal(owner, number, node, interval, redundancy, callback_ok):
    data = as_word(interval) + as_word(redundancy) + as_word(int(callback_ok))
    event = decode_event(
        build_log(SUBSCRIPTION_FULFILLED.topic, as_word(owner), as_word(number), as_word(node), data=data)
    )
    assert event == SubscriptionFulfilled(
        **PLACE,
        owner=owner,
        id=number,
        node=node,
        interval=interval,
        redundancy=redundancy,
        callback_ok=callback_ok,
    )


@given(addresses, uints(31))
def test_a_burned_nonce_names_its_owner(owner, nonce):
    event = decode_event(build_log(NONCE_BURNED.topic, as_word(owner), as_word(nonce)))
    assert event == NonceBurned(**PLACE, owner=owner, nonce=nonce)


@given(st.sampled_from(list(EVENTS.values())).filter(lambda codec: codec is not SUBSCRIPTION_CREATED), st.data())
def test_every_other_event_is_found_again_field_by_field(codec, data):
    values = {name: data.draw(values_of(abi)) for name, abi in (codec.indexed | codec.data).items()}
    topics = [eth_abi.encode([abi], [values[name]]) for name, abi in codec.indexed.items()]
    body = eth_abi.encode([*codec.data.values()], [values[name] for name in codec.data])
    assert decode_event(build_log(codec.topic, *topics, data=body)) == codec.build(**PLACE, **values)


def test_logs_of_another_kind_are_passed_over():
    assert decode_event(build_log()) is None
    assert decode_event(build_log(b"\x01" * 32, data=b"junk")) is None


@given(subscriptions(), st.binary(max_size=20))
def test_a_container_that_is_not_text_does_not_stop_a_reader(subscription, name):
    data = eth_abi.encode([SUBSCRIPTION_ABI, "bytes", "bytes"], [subscription.as_tuple(), name, b""])
    log = replace(log_of_creation(subscription, 1, "", b""), data=data)
    assert decode_event(log).container == name.decode(errors="replace")


@given(st.sampled_from(list(EVENTS)), st.lists(st.binary(min_size=30, max_size=33), max_size=4), st.binary())
def test_junk_under_a_known_topic_never_raises_anything_but_a_typed_error(topic, topics, data):
    with suppress(NodeMisconfigured):
        decode_event(build_log(topic, *topics, data=data))


def test_a_malformed_log_says_what_to_check():
    with pytest.raises(NodeMisconfigured) as caught:
        decode_event(build_log(SUBSCRIPTION_CREATED.topic, as_word(COORDINATOR), as_word(1), as_word(2), data=b"junk"))
    assert caught.value.code == "event.malformed"
    assert f"check that {COORDINATOR} is one" in caught.value.message
    assert "\n" not in caught.value.message


def test_a_log_with_a_topic_too_few_or_too_short_is_malformed():
    for topics in [(), (as_word(1),), (as_word(1), as_word(1), as_word(1)), (as_word(1), b"\x01")]:
        with pytest.raises(NodeMisconfigured, match="2 indexed fields"):
            decode_event(build_log(SUBSCRIPTION_CANCELLED.topic, *topics))


@given(subscriptions(), addresses)
def test_topics_that_contradict_the_data_are_malformed(subscription, stranger):
    log = log_of_creation(subscription, 1, "a", b"")
    if stranger != subscription.owner:
        with pytest.raises(NodeMisconfigured, match="another owner or container"):
            decode_event(replace(log, topics=(log.topics[0], as_word(stranger), *log.topics[2:])))
