"""What a consumer's signer signs to delegate a subscription (EIP-712)."""

from __future__ import annotations

from typing import Any

from infernet.protocol.abi import ADDRESS, UINT32, UINT40, UINT256, check_fields
from infernet.protocol.abi_codec import encode_abi
from infernet.protocol.hashing import keccak
from infernet.protocol.subscription import FIELDS, SUBSCRIPTION_TYPE, Subscription, compute_struct_hash
from infernet.types import Address, ChainId, Hash32, Timestamp

DOMAIN_NAME = "InfernetCoordinator"
DOMAIN_VERSION = "1"
DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
DOMAIN_TYPE_HASH = keccak(DOMAIN_TYPE.encode())

DELEGATE_TYPE = "DelegateSubscription(uint32 nonce,uint40 expiry,Subscription subscription)" + SUBSCRIPTION_TYPE
DELEGATE_TYPE_HASH = keccak(DELEGATE_TYPE.encode())

_DOMAIN_PREFIX = DOMAIN_TYPE_HASH + keccak(DOMAIN_NAME.encode()) + keccak(DOMAIN_VERSION.encode())


def compute_domain_separator(chain_id: ChainId, coordinator: Address) -> Hash32:
    """Binds a signature to one Coordinator on one chain."""
    check_fields({"chain_id": UINT256, "coordinator": ADDRESS}, (chain_id, coordinator))
    return keccak(_DOMAIN_PREFIX + encode_abi(["uint256", "address"], [chain_id, coordinator]))


def compute_delegate_digest(
    chain_id: ChainId, coordinator: Address, nonce: int, expiry: Timestamp, subscription: Subscription
) -> Hash32:
    """The digest that the signer of `subscription.owner` signs.

    Raises:
        InvalidInput: `abi.out_of_range`, `address.invalid`: a value does not fit its type.
    """
    check_fields({"nonce": UINT32, "expiry": UINT40}, (nonce, expiry))
    head = encode_abi(["bytes32", "uint32", "uint40"], [DELEGATE_TYPE_HASH, nonce, expiry])
    message = keccak(head + compute_struct_hash(subscription))
    return keccak(b"\x19\x01" + compute_domain_separator(chain_id, coordinator) + message)


def build_typed_data(
    chain_id: ChainId, coordinator: Address, nonce: int, expiry: Timestamp, subscription: Subscription
) -> dict[str, Any]:
    """The same message as the JSON that wallets take (`eth_signTypedData_v4`).

    Integers of the message are decimal strings, since JavaScript rounds those above 2**53.
    """
    return {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            "DelegateSubscription": [
                {"name": "nonce", "type": "uint32"},
                {"name": "expiry", "type": "uint40"},
                {"name": "subscription", "type": "Subscription"},
            ],
            "Subscription": [{"name": name, "type": kind.abi} for _, name, kind in FIELDS],
        },
        "primaryType": "DelegateSubscription",
        "domain": {
            "name": DOMAIN_NAME,
            "version": DOMAIN_VERSION,
            "chainId": chain_id,
            "verifyingContract": coordinator,
        },
        "message": {
            "nonce": str(nonce),
            "expiry": str(expiry),
            "subscription": {
                name: _to_json(value) for (_, name, _), value in zip(FIELDS, subscription.as_tuple(), strict=True)
            },
        },
    }


def _to_json(value: Any) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return value if isinstance(value, str) else str(int(value))
