from __future__ import annotations

import json

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils import keccak
from hypothesis import given
from subscription_strategies import addresses, subscriptions, uints

from infernet.errors import InvalidInput
from infernet.protocol.hashing import to_address
from infernet.protocol.signing import build_typed_data, compute_delegate_digest, compute_domain_separator
from infernet.protocol.subscription import decode_subscription
from vectors import read_vectors, unhex

VECTORS = read_vectors("subscription.json")
CHAIN_ID, COORDINATOR = int(VECTORS["domain"]["chainId"]), to_address(VECTORS["domain"]["verifyingContract"])


@pytest.mark.parametrize("case", VECTORS["cases"])
def test_golden_vectors_are_signed_over_our_digest(case):
    subscription = decode_subscription(unhex(case["abi"]))
    digest = compute_delegate_digest(CHAIN_ID, COORDINATOR, int(case["nonce"]), int(case["expiry"]), subscription)
    assert digest == unhex(case["digest"])
    assert Account._recover_hash(digest, signature=unhex(case["signature"])) == case["signer"]


@given(uints(64), addresses, uints(32), uints(40), subscriptions())
def test_digests_equal_those_of_eth_account_for_the_wallets_json(chain_id, coordinator, nonce, expiry, subscription):
    typed_data = build_typed_data(chain_id, coordinator, nonce, expiry, subscription)
    signable = encode_typed_data(full_message=json.loads(json.dumps(typed_data)))
    assert signable.header == compute_domain_separator(chain_id, coordinator)
    expected = keccak(b"\x19" + signable.version + signable.header + signable.body)
    assert compute_delegate_digest(chain_id, coordinator, nonce, expiry, subscription) == expected


@given(addresses, subscriptions(), subscriptions())
def test_a_digest_binds_chain_coordinator_nonce_expiry_and_terms(other_coordinator, subscription, other_terms):
    terms = (CHAIN_ID, COORDINATOR, 1, 2, subscription)
    others = [
        (CHAIN_ID + 1, COORDINATOR, 1, 2, subscription),
        (CHAIN_ID, other_coordinator, 1, 2, subscription),
        (CHAIN_ID, COORDINATOR, 3, 2, subscription),
        (CHAIN_ID, COORDINATOR, 1, 3, subscription),
        (CHAIN_ID, COORDINATOR, 1, 2, other_terms),
    ]
    for other in others:
        assert (compute_delegate_digest(*other) == compute_delegate_digest(*terms)) == (other == terms)


@pytest.mark.parametrize(("nonce", "expiry"), [(2**32, 0), (-1, 0), (0, 2**40)])
def test_numbers_that_the_message_cannot_hold_are_refused(nonce, expiry):
    subscription = decode_subscription(unhex(VECTORS["cases"][0]["abi"]))
    with pytest.raises(InvalidInput, match="it must be an integer from 0"):
        compute_delegate_digest(CHAIN_ID, COORDINATOR, nonce, expiry, subscription)
