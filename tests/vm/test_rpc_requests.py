from __future__ import annotations

from typing import Any

import pytest

from infernet.vm.request import AccountOverride, BlockOverride
from infernet.vm.rpc.errors import Malformed
from infernet.vm.rpc.requests import (
    decode_block_override,
    decode_call,
    decode_log_query,
    decode_overrides,
    decode_tx_request,
)
from infernet.vm.transaction import Access, Authorization

ADDRESS = "0x" + "11" * 20
WORD = "0x" + "22" * 32
RAW_ADDRESS, RAW_WORD = bytes.fromhex("11" * 20), bytes.fromhex("22" * 32)


def test_a_call_may_leave_everything_out() -> None:
    call = decode_call({})
    assert (call.sender, call.to, call.data, call.value, call.gas, call.max_fee) == (
        bytes(20),
        None,
        b"",
        0,
        None,
        None,
    )


def test_a_call_has_all_its_members() -> None:
    call = decode_call(
        {
            "from": ADDRESS,
            "to": ADDRESS,
            "input": "0x1234",
            "data": "0x1234",
            "value": "0x5",
            "gas": "0x6",
            "nonce": "0x7",
            "maxFeePerGas": "0x9",
            "maxPriorityFeePerGas": "0x8",
            "accessList": [{"address": ADDRESS, "storageKeys": [WORD]}],
            "authorizationList": [
                {"chainId": "0x1", "address": ADDRESS, "nonce": "0x2", "yParity": "0x1", "r": "0x3", "s": "0x4"}
            ],
            "somethingNew": 1,
        }
    )
    assert (call.sender, call.to, call.data, call.value) == (RAW_ADDRESS, RAW_ADDRESS, b"\x12\x34", 5)
    assert (call.gas, call.nonce, call.max_fee, call.max_priority_fee) == (6, 7, 9, 8)
    assert call.access_list == (Access(RAW_ADDRESS, (RAW_WORD,)),)
    assert call.authorizations == (Authorization(1, RAW_ADDRESS, 2, 1, 3, 4),)


def test_a_gas_price_is_both_fees() -> None:
    call = decode_call({"gasPrice": "0x5"})
    assert (call.max_fee, call.max_priority_fee) == (5, 5)


@pytest.mark.parametrize("to", [None, "", "0x"])
def test_a_deployment_goes_to_nobody(to: Any) -> None:
    assert decode_call({"to": to, "data": "0x00"}).to is None


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ([], "want an object"),
        ({"to": "0x12"}, "to: an address has 20 bytes"),
        ({"data": "0x12", "input": "0x13"}, "not equal"),
        ({"gasPrice": "0x1", "maxFeePerGas": "0x1"}, "both gasPrice and"),
        ({"maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x2"}, "< maxPriorityFeePerGas"),
        ({"gas": "0x1" + "0" * 16}, "gas: .* larger than 64 bits"),
        ({"value": 5}, "value: want a number"),
        ({"accessList": [{}]}, "accessList: address: it is missing"),
        ({"authorizationList": [{}]}, "authorizationList: want chainId"),
        ({"blobVersionedHashes": [WORD]}, "no blobs"),
    ],
)
def test_a_malformed_call_says_which_member(call: Any, said: str) -> None:
    with pytest.raises(Malformed, match=said):
        decode_call(call)


@pytest.mark.parametrize(
    ("extra", "kind"),
    [
        ({}, None),
        ({"gasPrice": "0x1"}, 0),
        ({"gasPrice": "0x1", "accessList": [{"address": ADDRESS}]}, 1),
        ({"type": "0x2"}, 2),
        (
            {
                "authorizationList": [
                    dict.fromkeys(("chainId", "nonce", "yParity", "r", "s"), "0x1") | {"address": ADDRESS}
                ]
            },
            4,
        ),
    ],
)
def test_the_type_of_a_transaction_follows_from_its_members(extra: dict[str, Any], kind: int | None) -> None:
    assert decode_tx_request({"from": ADDRESS} | extra).kind == kind


@pytest.mark.parametrize("request_", [{}, {"from": ADDRESS, "type": "0x3"}])
def test_a_transaction_that_cannot_be_is_refused(request_: Any) -> None:
    with pytest.raises(Malformed):
        decode_tx_request(request_)


def test_overrides_say_how_a_call_sees_accounts() -> None:
    overrides = decode_overrides(
        {ADDRESS: {"balance": "0x1", "nonce": "0x2", "code": "0x60", "stateDiff": {WORD: "0x5"}}, "0x" + "00" * 20: {}}
    )
    diff = {RAW_WORD: bytes(31) + b"\x05"}
    assert overrides == {
        RAW_ADDRESS: AccountOverride(balance=1, nonce=2, code=b"\x60", storage_diff=diff),
        bytes(20): AccountOverride(),
    }
    assert decode_overrides({ADDRESS: {"state": {}}})[RAW_ADDRESS].storage == {}


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"0x12": {}}, "0x12: an address"),
        ({ADDRESS: {"state": {}, "stateDiff": {}}}, "both 'state' and 'stateDiff'"),
        ({ADDRESS: {"movePrecompileToAddress": ADDRESS}}, "stay where they are"),
        ({ADDRESS: {"balance": "x"}}, f"{ADDRESS}: balance"),
    ],
)
def test_malformed_overrides_say_where(overrides: Any, said: str) -> None:
    with pytest.raises(Malformed, match=said):
        decode_overrides(overrides)


def test_the_block_of_a_call_is_overridden_by_older_names_too() -> None:
    newer = {
        "number": "0x1",
        "time": "0x2",
        "gasLimit": "0x3",
        "feeRecipient": ADDRESS,
        "prevRandao": WORD,
        "baseFeePerGas": "0x4",
    }
    older = {"number": "0x1", "time": "0x2", "gasLimit": "0x3", "coinbase": ADDRESS, "random": WORD, "baseFee": "0x4"}
    expected = BlockOverride(1, 2, 3, RAW_ADDRESS, RAW_WORD, 4)
    assert decode_block_override(newer) == decode_block_override(older) == expected


def test_a_query_for_logs_names_addresses_and_topics_in_every_way() -> None:
    query = decode_log_query({"address": ADDRESS, "topics": [WORD, None, [WORD]], "fromBlock": "0x1"})
    assert (query.from_block, query.to_block, query.addresses) == (1, "latest", (RAW_ADDRESS,))
    assert query.topics == ((RAW_WORD,), (), (RAW_WORD,))
    assert decode_log_query({"address": [ADDRESS], "topics": [[None, WORD]]}).topics == ((),)
    assert decode_log_query({}).addresses == ()


@pytest.mark.parametrize(
    "query",
    [
        {"topics": [WORD] * 5},
        {"topics": "x"},
        {"topics": ["0x12"]},
        {"address": "0x12"},
        {"blockHash": WORD, "fromBlock": "0x1"},
    ],
)
def test_a_malformed_query_is_refused(query: Any) -> None:
    with pytest.raises(Malformed):
        decode_log_query(query)
