"""Transactions' bytes: ours, the specification's and eth_account's readings of them agree."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from ethereum.exceptions import EthereumException
from ethereum.forks.osaka import transactions as spec
from ethereum_rlp import rlp as spec_rlp
from ethereum_rlp.exceptions import RLPException
from ethereum_types.numeric import U64
from hypothesis import given
from hypothesis import strategies as st

from infernet.chain.local import DEV_ACCOUNTS
from infernet.vm.rlp import Item, RlpError, decode, encode
from infernet.vm.transaction import (
    ACCESS_LIST,
    FEE_MARKET,
    LEGACY,
    SET_CODE,
    Access,
    Transaction,
    TransactionInvalid,
    compute_floor_gas,
    compute_intrinsic_gas,
    decode_transaction,
    seal,
    sign_authorization,
    sign_transaction,
)

CHAIN_ID, KEY = 31337, DEV_ACCOUNTS[0].private_key
ALICE = bytes.fromhex(DEV_ACCOUNTS[0].address[2:])
addresses, words = st.binary(min_size=20, max_size=20), st.binary(min_size=32, max_size=32)
accesses = st.lists(st.builds(Access, addresses, st.lists(words, max_size=2).map(tuple)), max_size=2).map(tuple)
authorizations = st.builds(
    lambda chain_id, address, nonce: sign_authorization(KEY, chain_id=chain_id, address=address, nonce=nonce),
    st.integers(0, 2**64),
    addresses,
    st.integers(0, 2**64 - 1),
)


@st.composite
def signed(draw: st.DrawFn) -> Transaction:
    kind = draw(st.sampled_from([LEGACY, ACCESS_LIST, FEE_MARKET, SET_CODE]))
    return sign_transaction(
        kind,
        KEY,
        chain_id=CHAIN_ID,
        nonce=draw(st.integers(0, 2**64 - 2)),
        gas=draw(st.integers(0, 2**24)),
        max_fee=draw(st.integers(0, 2**128)),
        max_priority_fee=draw(st.integers(0, 2**64)),
        to=draw(addresses if kind == SET_CODE else st.none() | addresses),
        value=draw(st.integers(0, 2**256 - 1)),
        data=draw(st.binary(max_size=100)),
        access_list=() if kind == LEGACY else draw(accesses),
        authorizations=tuple(draw(st.lists(authorizations, max_size=2))) if kind == SET_CODE else (),
    )


def read_spec(raw: bytes) -> Any:
    return spec.decode_transaction(raw) if raw[0] < 0x80 else spec_rlp.decode_to(spec.LegacyTransaction, raw)


@given(signed())
def test_what_is_signed_is_read_again_by_everyone(transaction: Transaction) -> None:
    again = decode_transaction(transaction.raw, CHAIN_ID)
    assert again == transaction
    assert again.sender == ALICE
    theirs = read_spec(transaction.raw)
    assert bytes(spec.recover_sender(U64(CHAIN_ID), theirs)) == ALICE
    assert bytes(spec.get_transaction_hash(spec.encode_transaction(theirs))) == transaction.hash
    if transaction.type != SET_CODE or transaction.authorizations:  # eth_account does not read one without any
        assert Account.recover_transaction(transaction.raw) == DEV_ACCOUNTS[0].address


@given(signed())
def test_gas_before_the_first_instruction_is_the_specifications(transaction: Transaction) -> None:
    intrinsic, floor = spec.calculate_intrinsic_cost(read_spec(transaction.raw))
    assert (compute_intrinsic_gas(transaction), compute_floor_gas(transaction)) == (int(intrinsic), int(floor))


@given(signed(), st.data())
def test_whatever_is_done_to_the_bytes_nothing_is_taken_that_the_specification_refuses(
    transaction: Transaction, data: st.DataObject
) -> None:
    raw = bytearray(transaction.raw)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw) - 1))
        match data.draw(st.sampled_from(["change", "cut", "add"])):
            case "change":
                raw[at] = data.draw(st.integers(0, 255))
            case "cut" if len(raw) > 1:
                del raw[at]
            case _:
                raw.insert(at, data.draw(st.integers(0, 255)))
    try:
        ours: Transaction | None = decode_transaction(bytes(raw), CHAIN_ID)
    except TransactionInvalid:
        ours = None
    try:
        theirs = read_spec(bytes(raw))
        sender = bytes(spec.recover_sender(U64(CHAIN_ID), theirs))
        spec.validate_transaction(theirs)
    except (EthereumException, RLPException, AssertionError, OverflowError, AttributeError):
        assert (
            ours is None
            or int(ours.gas) < compute_intrinsic_gas(ours)
            or ours.gas < compute_floor_gas(ours)
            or (ours.nonce == 2**64 - 1 or ours.gas > 2**24)
        )
        return
    if ours is None:
        assert getattr(theirs, "chain_id", CHAIN_ID) != CHAIN_ID
        return
    assert (ours.sender, ours.raw) == (sender, bytes(raw))


@pytest.mark.parametrize(
    ("changes", "words_"),
    [
        ({"s": 2**256 - 2**128 - 2}, "v, r, s"),
        ({"r": 0}, "v, r, s"),
        ({"v": 2}, "v, r, s"),
        ({"r": 5}, "invalid sender"),
    ],
)
def test_a_signature_has_one_form(changes: dict[str, int], words_: str) -> None:
    transaction = sign_transaction(FEE_MARKET, KEY, chain_id=CHAIN_ID, nonce=0, gas=21_000, max_fee=1, to=ALICE)
    with pytest.raises(TransactionInvalid, match=words_):
        decode_transaction(seal(replace(transaction, **changes), b"").raw, CHAIN_ID)


items: st.SearchStrategy[Item] = st.recursive(st.binary(max_size=70), lambda below: st.lists(below, max_size=5))


@given(items)
def test_rlp_is_the_specifications(item: Item) -> None:
    encoded = encode(item)
    assert encoded == bytes(spec_rlp.encode(item))  # type: ignore[arg-type]
    assert decode(encoded) == item


@given(st.binary(max_size=80))
def test_rlp_refuses_what_the_specification_refuses(data: bytes) -> None:
    try:
        ours: Item | None = decode(data)
    except RlpError:
        ours = None
    try:
        theirs = spec_rlp.decode(data)
    except (RLPException, IndexError):
        theirs = None
    assert ours == theirs


def test_rlp_is_not_nested_for_ever() -> None:
    with pytest.raises(RlpError, match="too deep"):
        decode(encode_nested(17))
    assert decode(encode_nested(16))


def encode_nested(depth: int) -> bytes:
    item: Item = b"x"
    for _ in range(depth):
        item = [item]
    return encode(item)
