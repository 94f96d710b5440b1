from __future__ import annotations

import pickle

import pytest
import rlp
from eth_account import Account
from eth_keys.backends import CoinCurveECCBackend, get_backend
from hypothesis import given, settings
from hypothesis import strategies as st

from infernet.chain.local import DEV_ACCOUNTS
from infernet.errors import InvalidInput
from infernet.keys.signer import LocalSigner
from infernet.ports import Signer
from infernet.protocol.hashing import keccak, to_address
from infernet.types import ChainId, Gas, Hash32, Transaction, Wei

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

keys = st.integers(1, CURVE_ORDER - 1).map(lambda number: number.to_bytes(32))
transactions = st.builds(
    Transaction,
    chain_id=st.integers(1, 2**53).map(ChainId),
    nonce=st.integers(0, 2**64 - 2),
    to=st.none() | st.binary(min_size=20, max_size=20).map(to_address),
    data=st.binary(max_size=600),
    gas=st.integers(21_000, 2**30).map(Gas),
    max_fee=st.integers(0, 2**64).map(Wei),
    max_priority_fee=st.integers(0, 2**64).map(Wei),
    value=st.integers(0, 2**128).map(Wei),
)


def build_payload(transaction: Transaction) -> list[object]:
    """The fields that EIP-1559 signs, in its order."""
    return [
        transaction.chain_id,
        transaction.nonce,
        transaction.max_priority_fee,
        transaction.max_fee,
        transaction.gas,
        bytes.fromhex(transaction.to[2:]) if transaction.to else b"",
        transaction.value,
        transaction.data,
        [],
    ]


@settings(max_examples=60, deadline=None)
@given(keys, transactions)
def test_a_signed_transaction_holds_every_field_where_eip_1559_has_it(key: bytes, transaction: Transaction) -> None:
    signer: Signer = LocalSigner(key)
    signed = signer.sign_transaction(transaction)
    payload = build_payload(transaction)
    digest = keccak(b"\x02" + rlp.encode(payload))
    signature = signer.sign_digest(digest)
    r, s, v = int.from_bytes(signature[:32]), int.from_bytes(signature[32:64]), signature[64] - 27
    assert signed.raw == b"\x02" + rlp.encode([*payload, v, r, s])
    assert signed.hash == keccak(signed.raw)
    assert signed.transaction == transaction
    assert signed.sender == signer.address == Account.recover_transaction(signed.raw)


@settings(max_examples=40, deadline=None)
@given(keys, st.binary(min_size=32, max_size=32))
def test_a_digests_signature_recovers_the_address(key: bytes, digest: bytes) -> None:
    signer = LocalSigner(key)
    signature = signer.sign_digest(Hash32(digest))
    assert len(signature) == 65
    assert signature[64] in (27, 28)
    assert int.from_bytes(signature[32:64]) <= CURVE_ORDER // 2
    assert Account._recover_hash(digest, signature=signature) == signer.address


def test_a_key_is_read_from_hex_with_or_without_0x() -> None:
    text = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
    assert LocalSigner.from_hex(text).address == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    assert LocalSigner.from_hex(f"0x{text}\n").address == LocalSigner.from_hex(text.upper()).address


@pytest.mark.parametrize("text", ["", "0x", "12", "g" * 64, "0" * 64, f"{CURVE_ORDER:064x}", "00" * 33])
def test_what_is_no_key_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        LocalSigner.from_hex(text)
    assert caught.value.code == "key.invalid"
    assert not text or text not in caught.value.message
    with pytest.raises(InvalidInput):
        LocalSigner(b"\x00" * 31)


def test_a_signer_never_shows_its_key() -> None:
    signer = LocalSigner.generate()
    key = signer.export_key()
    shown = f"{signer!r} {signer} {signer:}"
    assert key.hex() not in shown
    assert repr(key) not in shown
    assert signer.address in shown
    with pytest.raises(TypeError):
        pickle.dumps(signer)


def test_the_dev_accounts_addresses_are_those_of_their_keys() -> None:
    assert all(LocalSigner(account.private_key).address == account.address for account in DEV_ACCOUNTS)


def test_new_keys_differ() -> None:
    assert LocalSigner.generate().address != LocalSigner.generate().address


def test_signatures_are_made_by_libsecp256k1() -> None:
    assert isinstance(get_backend(), CoinCurveECCBackend)
