"""A follower executes what a producer made, and names the first thing that does not follow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from evm import ALICE, BOB, COUNTER, deploy, encode_sealed, send, sign

from infernet.errors import InvalidInput
from infernet.vm.block import Block
from infernet.vm.chain import BlockRejected, Chain
from infernet.vm.genesis import DEV_PRODUCER, Genesis, build_dev_accounts
from infernet.vm.request import TxRejected

GENESIS = Genesis(accounts=build_dev_accounts())
HASH = b"\x11" * 32


@pytest.fixture
def producer() -> Iterator[Chain]:
    chain = Chain(GENESIS)
    yield chain
    chain.close()


@pytest.fixture
def follower() -> Iterator[Chain]:
    chain = Chain(GENESIS, producer_key=None)
    yield chain
    chain.close()


def test_it_arrives_at_the_same_state(producer: Chain, follower: Chain) -> None:
    counter = deploy(producer, COUNTER)
    for _ in range(5):
        send(producer, counter)
        send(producer, BOB, value=7)
    producer.dev.mine()
    for encoded in producer.export(1, producer.head.number):
        follower.import_block(encoded)
    assert follower.head == producer.head
    assert follower.receipts(follower.head) == producer.receipts(producer.head)
    last = producer.head.number
    assert follower.logs(0, last, [], [], 99) == producer.logs(0, last, [], [], 99)


def test_a_block_that_is_there_already_is_passed_over(producer: Chain, follower: Chain) -> None:
    send(producer, BOB)
    (encoded,) = producer.export(1, 1)
    follower.import_block(encoded)
    follower.import_block(encoded)
    assert follower.head.number == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("parent_hash", HASH),
        ("number", 2),
        ("gas_limit", 1),
        ("base_fee", 7),
        ("coinbase", ALICE),
        ("ommers_hash", HASH),
        ("state_root", HASH),
        ("transactions_root", HASH),
        ("receipts_root", HASH),
        ("bloom", b"\x01" * 256),
        ("difficulty", 1),
        ("gas_used", 5),
        ("extra_data", b"\x01"),
        ("prev_randao", HASH),
        ("nonce", b"\x01" * 8),
        ("withdrawals_root", HASH),
        ("blob_gas_used", 1),
        ("excess_blob_gas", 1),
        ("parent_beacon_root", HASH),
        ("requests_hash", HASH),
    ],
)
def test_each_field_of_a_header_is_compared(producer: Chain, follower: Chain, field: str, value: Any) -> None:
    send(producer, BOB)
    forged = replace(producer.head, header=replace(producer.head.header, **{field: value}))
    with pytest.raises(BlockRejected, match=f"{field} is ") as refused:
        follower.import_block(encode_sealed(producer, forged))
    assert "here it is" in refused.value.message
    assert follower.head.number == 0


def test_it_takes_no_transactions_and_makes_no_blocks(producer: Chain) -> None:
    follower = Chain(replace(GENESIS, block_time_s=1), producer_key=None)
    try:
        with pytest.raises(TxRejected, match="this node makes no blocks: send transactions to the chain's producer"):
            follower.submit(sign(producer, BOB).raw)
        with pytest.raises(InvalidInput, match="this node makes no blocks: it has no key of the chain's producer"):
            follower.dev.mine()
        assert (follower.head.number, len(follower.pool), follower.dev.interval_s) == (0, 0, 0)
        assert follower.coinbase == DEV_PRODUCER
    finally:
        follower.close()


def test_time_goes_forward(producer: Chain, follower: Chain) -> None:
    send(producer, BOB)
    header = replace(producer.head.header, timestamp=GENESIS.timestamp)
    with pytest.raises(BlockRejected, match=r"timestamp .* is not after its parent's"):
        follower.import_block(encode_sealed(producer, replace(producer.head, header=header)))


def test_a_transaction_that_is_not_possible_is_named(producer: Chain, follower: Chain) -> None:
    send(producer, BOB)
    twice = replace(producer.head, transactions=producer.head.transactions * 2)
    with pytest.raises(BlockRejected, match="transaction 1 is not possible: nonce too low"):
        follower.import_block(encode_sealed(producer, twice))


def test_a_transaction_that_was_left_out_is_noticed(producer: Chain, follower: Chain) -> None:
    send(producer, BOB)
    with pytest.raises(BlockRejected, match="state_root is"):
        follower.import_block(encode_sealed(producer, replace(producer.head, transactions=())))


def test_a_forged_sender_is_refused(producer: Chain, follower: Chain) -> None:
    producer.dev.impersonate(ALICE)
    from infernet.vm.request import CallRequest

    producer.submit_request(CallRequest(sender=ALICE, to=BOB, value=1))
    with pytest.raises(BlockRejected, match="invalid transaction v, r, s values"):
        follower.import_block(encode_sealed(producer, producer.head))


@pytest.mark.parametrize("data", [b"", b"\xc0", b"\xff" * 40, b"\xc3\x80\xc0\x80", b"\xc2\xc0\xc0"])
def test_bytes_that_are_no_block_are_refused(follower: Chain, data: bytes) -> None:
    with pytest.raises(BlockRejected, match="this is no block"):
        follower.import_block(data)


def test_a_fork_is_refused(producer: Chain, follower: Chain) -> None:
    other = Chain(GENESIS)
    try:
        send(producer, BOB, value=1)
        send(other, BOB, value=2)
        follower.import_block(encode_sealed(producer, producer.head))
        with pytest.raises(BlockRejected, match="parent_hash is"):
            follower.import_block(encode_sealed(other, other.head))
    finally:
        other.close()


def test_a_block_survives_its_encoding(producer: Chain) -> None:
    send(producer, BOB)
    (encoded,) = producer.export(1, 9)
    assert isinstance(producer.head, Block)
    assert encode_sealed(producer, producer.head) == encoded
