"""Seals: whose count, for which block, how many make a quorum, and what is on disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import coincurve
import pytest
from eth_keys.datatypes import Signature
from evm import BOB, encode_sealed, send

from infernet.chain.local import DEV_ACCOUNTS
from infernet.errors import NodeMisconfigured
from infernet.protocol.hashing import keccak
from infernet.vm.block import Block
from infernet.vm.block_encoding import encode_block
from infernet.vm.chain import BlockRejected, Chain
from infernet.vm.chain_store import ChainStore
from infernet.vm.genesis import DEV_PRODUCER, DEV_PRODUCER_KEY, Genesis, build_dev_accounts
from infernet.vm.seals import SealInvalid, Witnesses, compute_seal_digest, recover_signer, sign_digest
from infernet.vm.transaction import SECP256K1_ORDER, compute_address

KEYS = [account.private_key for account in DEV_ACCOUNTS[5:8]]
WITNESSES = tuple(map(compute_address, KEYS))
STRANGER = DEV_ACCOUNTS[8].private_key
PLAIN = Genesis(accounts=build_dev_accounts())
GENESIS = replace(PLAIN, witnesses=Witnesses(WITNESSES, 2))


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


def mine(chain: Chain, blocks: int = 1) -> Block:
    for _ in range(blocks):
        send(chain, BOB, value=1)
    return chain.head


def add(chain: Chain, block: Block, seal: bytes) -> bytes:
    """As `infernet_addSeal` does it."""
    signer = chain.seals.recover(block, seal)
    chain.seals.add(block, {signer: seal})
    return signer


def witness(chain: Chain, block: Block, *keys: bytes) -> None:
    for key in keys:
        assert add(chain, block, chain.seals.sign(key, block)) == compute_address(key)


def sign_with_nonce(key: bytes, digest: bytes, nonce: int) -> bytes:
    """Another valid seal of the same key: who signs chooses the nonce."""
    x, y = coincurve.PrivateKey.from_int(nonce).public_key.point()
    s = pow(nonce, -1, SECP256K1_ORDER) * (int.from_bytes(digest, "big") + x * int.from_bytes(key, "big"))
    s, parity = s % SECP256K1_ORDER, y & 1
    if s > SECP256K1_ORDER // 2:
        s, parity = SECP256K1_ORDER - s, parity ^ 1
    return x.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes((27 + parity,))


def malleate(seal: bytes) -> bytes:
    """The other signature that ECDSA takes for the same key and message."""
    s = SECP256K1_ORDER - int.from_bytes(seal[32:64], "big")
    return seal[:32] + s.to_bytes(32, "big") + bytes((27 + 28 - seal[64],))


# --- What a seal is


def test_a_seal_is_what_other_libraries_take_for_a_signature_of_the_four_words() -> None:
    genesis_hash, block_hash = keccak(b"first"), keccak(b"block")
    seal = sign_digest(KEYS[0], compute_seal_digest(71, genesis_hash, block_hash))
    words = keccak(b"infernet.block.seal") + (71).to_bytes(32, "big") + genesis_hash + block_hash
    signature = Signature(seal[:64] + bytes((seal[64] - 27,)))
    assert signature.recover_public_key_from_msg_hash(keccak(words)).to_canonical_address() == WITNESSES[0]


def test_a_key_and_a_digest_make_one_seal() -> None:
    digest = keccak(b"digest")
    assert sign_digest(KEYS[0], digest) == sign_digest(KEYS[0], digest)
    assert recover_signer(sign_digest(KEYS[0], digest), digest) == WITNESSES[0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda seal: seal[:64], "a seal has 65 bytes, this has 64"),
        (lambda seal: seal + b"\x00", "this has 66"),
        (malleate, "lower half"),
        (lambda seal: seal[:64] + bytes((seal[64] - 27,)), "v of 27 or 28"),
        (lambda seal: seal[:64] + b"\x1d", "v of 27 or 28"),
        (lambda seal: bytes(32) + seal[32:], "a seal is r, s"),
        (lambda seal: seal[:32] + bytes(32) + seal[64:], "a seal is r, s"),
        (lambda seal: SECP256K1_ORDER.to_bytes(32, "big") + seal[32:], "a seal is r, s"),
        (lambda seal: (5).to_bytes(32, "big") + seal[32:], "no key belongs"),  # no point of the curve has x = 5
    ],
)
def test_a_signature_has_one_form(change: object, reason: str) -> None:
    digest = keccak(b"digest")
    seal = change(sign_digest(KEYS[0], digest))  # type: ignore[operator]
    with pytest.raises(SealInvalid, match=reason):
        recover_signer(seal, digest)


# --- The producer's


def test_every_block_but_the_first_has_its_producers_seal(producer: Chain) -> None:
    mine(producer, 3)
    assert producer.seals.read(0) == {}
    for number in (1, 2, 3):
        block = producer.block_by_number(number)
        assert block is not None
        assert producer.seals.read(number) == {DEV_PRODUCER: producer.seals.sign(DEV_PRODUCER_KEY, block)}


def test_a_seal_is_no_part_of_a_blocks_hash(producer: Chain, follower: Chain) -> None:
    block = mine(producer)
    witness(producer, block, KEYS[0])
    (encoded,) = producer.export(1, 1)
    assert follower.import_block(encoded).hash == block.hash == keccak(block.header.rlp)


def test_a_follower_refuses_a_block_without_its_producers_seal(producer: Chain, follower: Chain) -> None:
    block = mine(producer)
    with pytest.raises(BlockRejected, match="has not sealed it: it has no seal") as refused:
        follower.import_block(encode_block(block, []))
    assert refused.value.code == "block.not_sealed"
    assert f"block 1 (0x{block.hash.hex()}): its producer 0x{DEV_PRODUCER.hex()}" in refused.value.message
    assert follower.head.number == 0


@pytest.mark.parametrize("key", [STRANGER, *KEYS])
def test_a_chain_of_somebody_who_has_the_file_and_not_the_key_is_refused(follower: Chain, key: bytes) -> None:
    forger = Chain(GENESIS)
    try:
        block = mine(forger)
        with pytest.raises(BlockRejected, match="the seals with it are of others"):
            follower.import_block(encode_sealed(forger, block, key))
        assert follower.head.number == 0
    finally:
        forger.close()


def test_a_malleated_seal_of_the_producer_is_refused(producer: Chain, follower: Chain) -> None:
    block = mine(producer)
    with pytest.raises(BlockRejected, match="has not sealed it"):
        follower.import_block(encode_block(block, [malleate(producer.seals.read(1)[DEV_PRODUCER])]))


@pytest.mark.parametrize("where", ["chain", "layer", "block"])
def test_a_seal_for_elsewhere_does_not_count_here(producer: Chain, follower: Chain, where: str) -> None:
    """The producer runs several layers with one key; or somebody takes the seal of its last block for this one."""
    block, first = mine(producer), producer.block_by_number(0)
    assert first is not None
    signed = {
        "chain": compute_seal_digest(GENESIS.chain_id + 1, first.hash, block.hash),
        "layer": compute_seal_digest(GENESIS.chain_id, keccak(b"another"), block.hash),
        "block": compute_seal_digest(GENESIS.chain_id, first.hash, first.hash),
    }[where]
    with pytest.raises(BlockRejected, match="or of another block or layer"):
        follower.import_block(encode_block(block, [sign_digest(DEV_PRODUCER_KEY, signed)]))
    for key in KEYS:
        with pytest.raises(SealInvalid, match="its signer would be") as refused:
            add(producer, block, sign_digest(key, signed))
        assert refused.value.code == "seal.stranger"
    assert len(producer.seals.read(1)) == 1


def test_a_chain_takes_no_key_but_its_producers() -> None:
    with pytest.raises(ValueError, match="the key is not that of the genesis's producer"):
        Chain(GENESIS, producer_key=STRANGER)


# --- A quorum


def test_as_many_witnesses_as_asked_for_make_a_quorum(producer: Chain) -> None:
    block = mine(producer)
    assert producer.seals.sealed == 0
    witness(producer, block, KEYS[0])
    assert producer.seals.sealed == 0
    witness(producer, block, KEYS[2])
    assert producer.seals.sealed == 1
    witness(producer, block, KEYS[1])
    assert set(producer.seals.read(1)) == {DEV_PRODUCER, *WITNESSES}


def test_a_witness_counts_once_however_often_it_seals(producer: Chain, follower: Chain) -> None:
    block = mine(producer)
    seal = producer.seals.sign(KEYS[0], block)
    first = producer.block_by_number(0)
    assert first is not None
    other = sign_with_nonce(KEYS[0], compute_seal_digest(GENESIS.chain_id, first.hash, block.hash), 12_345)
    assert other != seal
    for again in (seal, seal, other):
        assert add(producer, block, again) == WITNESSES[0]
    assert producer.seals.sealed == 0
    assert producer.seals.read(1)[WITNESSES[0]] == seal
    made = producer.seals.read(1)[DEV_PRODUCER]
    decoded = follower.seals.decode(encode_block(block, [made, seal, other]))
    assert set(decoded.seals) == {DEV_PRODUCER, WITNESSES[0]}
    assert not follower.seals.has_quorum(decoded.seals)


def test_a_malleated_seal_is_refused_and_does_not_count(producer: Chain, follower: Chain) -> None:
    block = mine(producer)
    seal = producer.seals.sign(KEYS[0], block)
    with pytest.raises(SealInvalid, match="lower half"):
        add(producer, block, malleate(seal))
    made = producer.seals.read(1)[DEV_PRODUCER]
    decoded = follower.seals.decode(encode_block(block, [made, malleate(seal), seal]))
    assert decoded.seals == {DEV_PRODUCER: made, WITNESSES[0]: seal}


def test_who_is_not_on_the_list_is_no_witness(producer: Chain, follower: Chain) -> None:
    block = mine(producer)
    seal = producer.seals.sign(STRANGER, block)
    with pytest.raises(SealInvalid, match="this is no seal of block 1") as refused:
        add(producer, block, seal)
    assert f"0x{compute_address(STRANGER).hex()}" in refused.value.message
    made = producer.seals.read(1)[DEV_PRODUCER]
    assert set(follower.seals.decode(encode_block(block, [made, seal])).seals) == {DEV_PRODUCER}


def test_the_producer_does_not_witness_its_own_blocks(producer: Chain) -> None:
    block = mine(producer)
    witness(producer, block, KEYS[0])
    add(producer, block, producer.seals.sign(DEV_PRODUCER_KEY, block))
    assert producer.seals.sealed == 0


def test_more_seals_than_can_count_are_not_even_looked_at(producer: Chain, follower: Chain) -> None:
    block = mine(producer)
    with pytest.raises(BlockRejected, match="5 seals are more than can count"):
        follower.import_block(encode_block(block, [bytes(65)] * 5))


def test_what_is_sealed_has_no_gap_below_it(producer: Chain) -> None:
    blocks = [mine(producer) for _ in range(4)]
    for block in (blocks[1], blocks[3], blocks[2]):
        witness(producer, block, *KEYS[:2])
        assert producer.seals.sealed == 0
    witness(producer, blocks[0], KEYS[1], KEYS[2])
    assert producer.seals.sealed == 4


def test_without_witnesses_every_block_is_final() -> None:
    chain = Chain(PLAIN)
    try:
        mine(chain, 2)
        assert chain.seals.sealed == 2
        with pytest.raises(SealInvalid):
            add(chain, chain.head, chain.seals.sign(KEYS[0], chain.head))
    finally:
        chain.close()


# --- Kept


def test_export_and_import_keep_the_seals(producer: Chain, follower: Chain) -> None:
    block = mine(producer)
    witness(producer, block, KEYS[0])
    mine(producer)
    for encoded in producer.export(1, 2):
        follower.import_block(encoded)
    assert follower.seals.read(1) == producer.seals.read(1)
    assert list(follower.export(1, 2)) == list(producer.export(1, 2))
    witness(producer, block, KEYS[1])
    for encoded in producer.export(1, 2):
        follower.import_block(encoded)  # which has the blocks, and takes the seal that came late
    assert follower.seals.read(1) == producer.seals.read(1)
    assert (follower.seals.sealed, follower.head.number) == (1, 2)


def test_a_follower_of_a_follower_arrives_at_the_same(producer: Chain, follower: Chain) -> None:
    block = mine(producer)
    witness(producer, block, *KEYS[:2])
    second = Chain(GENESIS, producer_key=None)
    try:
        for here, there in ((producer, follower), (follower, second)):
            for encoded in here.export(1, 1):
                there.import_block(encoded)
        assert second.seals.read(1) == producer.seals.read(1)
        assert (second.head.hash, second.seals.sealed) == (block.hash, 1)
    finally:
        second.close()


def test_seals_survive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "chain.sqlite"
    chain = Chain(GENESIS, path=path)
    mine(chain, 2)
    witness(chain, chain.head, KEYS[0])
    block = chain.block_by_number(1)
    assert block is not None
    witness(chain, block, *KEYS)
    before = [chain.seals.read(number) for number in range(3)]
    chain.close()
    chain = Chain(GENESIS, path=path)
    try:
        assert [chain.seals.read(number) for number in range(3)] == before
        assert chain.seals.sealed == 1
        witness(chain, chain.head, KEYS[1])
        assert chain.seals.sealed == 2
    finally:
        chain.close()


def test_a_block_is_not_on_disk_without_its_seal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the process ends here")

    path = tmp_path / "chain.sqlite"
    chain = Chain(GENESIS, path=path)
    mine(chain)
    with monkeypatch.context() as patch:
        patch.setattr(ChainStore, "_write_seals", fail)
        with pytest.raises(RuntimeError, match="ends here"):
            mine(chain)
    chain.close()
    chain = Chain(GENESIS, path=path)
    try:
        assert chain.head.number == 1
        mine(chain)
        assert [len(chain.seals.read(number)) for number in (1, 2)] == [1, 1]
    finally:
        chain.close()


def test_a_block_that_is_taken_back_takes_its_seals_along(producer: Chain) -> None:
    snapshot = producer.dev.snapshot()
    old = mine(producer)
    witness(producer, old, *KEYS)
    assert producer.seals.sealed == 1
    producer.dev.revert(snapshot)
    assert producer.seals.sealed == 0
    new = mine(producer, 2)
    assert producer.seals.sealed == 0
    assert [len(producer.seals.read(number)) for number in (1, 2)] == [1, 1]
    with pytest.raises(SealInvalid):
        add(producer, new, producer.seals.sign(KEYS[0], old))


def test_a_file_of_a_version_without_seals_is_refused(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "chain.sqlite"
    Chain(GENESIS, path=path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    with pytest.raises(NodeMisconfigured, match="has version 1, not 2: use the Infernet that wrote it"):
        Chain(GENESIS, path=path)


# --- The list


def test_witnesses_are_part_of_the_first_block(producer: Chain) -> None:
    def hash_of(witnesses: Witnesses) -> bytes:
        return replace(PLAIN, witnesses=witnesses).commitment()

    assert hash_of(Witnesses()) == PLAIN.commitment()
    hashes = [hash_of(Witnesses(WITNESSES[:count], k)) for count, k in ((3, 2), (3, 3), (2, 2), (1, 1))]
    assert len({*hashes, PLAIN.commitment()}) == 5
    assert hash_of(Witnesses(WITNESSES[::-1], 2)) == hashes[0]
    first = producer.block_by_number(0)
    assert first is not None
    assert first.header.extra_data == hashes[0]


@pytest.mark.parametrize(
    "witnesses",
    [
        Witnesses(WITNESSES, 0),
        Witnesses(WITNESSES, 4),
        Witnesses((), 1),
        Witnesses((WITNESSES[0], WITNESSES[0]), 1),
        Witnesses((WITNESSES[0], DEV_PRODUCER), 1),
    ],
)
def test_a_list_that_cannot_be_is_refused(witnesses: Witnesses) -> None:
    with pytest.raises(ValueError, match="witnesses differ"):
        replace(PLAIN, witnesses=witnesses)
