"""Writes subscription.json and interval.json, the golden vectors that the Solidity and the Python tests both read.

Nothing of `infernet` is used: the hashes and signatures come from eth_account's EIP-712, the bytes from eth_abi, the
intervals from plain integers. Run it with `python vectors/generate.py`; the files change only when the rules do.
All numbers are decimal strings. In interval.json the interval "0" means that the call reverts.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import eth_abi
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils import keccak, to_checksum_address

FOLDER = Path(__file__).parent
MNEMONIC = "test test test test test test test test test test test junk"  # the published test keys of local chains

DOMAIN = {
    "name": "InfernetCoordinator",
    "version": "1",
    "chainId": "31337",
    "verifyingContract": "0x5FbDB2315678afecb367f032d93F642f64180aa3",
}
STRUCT = (
    "address owner,bytes32 containerId,bytes32 featuresHash,uint256 frequency,uint32 period,uint40 activeAt,"
    "uint16 redundancy,uint48 maxGasPrice,uint32 maxGasLimit,uint8 mode,address node,uint96 minBond,address verifier,"
    "bytes32 verifierParams,uint96 verifierFee,address payer,address token,uint128 fee,address royaltyTo,"
    "uint16 royaltyBps,uint40 deadline"
)
MEMBERS = [dict(zip(("type", "name"), member.split(), strict=True)) for member in STRUCT.split(",")]
DELEGATE_MEMBERS = [
    {"name": "nonce", "type": "uint32"},
    {"name": "expiry", "type": "uint40"},
    {"name": "subscription", "type": "Subscription"},
]

ZERO = "0x" + "00" * 20
PULL = 1
MAX_BITS = {member["name"]: int(member["type"][4:]) for member in MEMBERS if member["type"].startswith("uint")}


def address(seed: str) -> str:
    return to_checksum_address(keccak(text=seed)[12:])


def hexadecimal(data: bytes) -> str:
    return "0x" + data.hex()


def subscription(container: str, features: bytes, **terms: Any) -> dict[str, Any]:
    """A struct whose hashes belong to its container and features; `terms` override the least terms."""
    pull = bool(terms.get("mode", 0) & PULL) and not features
    least: dict[str, Any] = {
        "owner": address("consumer"),
        "containerId": keccak(text=container),
        "featuresHash": bytes(32) if pull else keccak(features),
        "frequency": 1,
        "period": 0,
        "activeAt": 1_767_225_600,
        "redundancy": 1,
        "maxGasPrice": 100_000_000_000,
        "maxGasLimit": 500_000,
    }
    zero = {"address": ZERO, "bytes32": bytes(32)}
    whole = {member["name"]: zero.get(member["type"], 0) for member in MEMBERS}
    return whole | least | terms


def all_at_their_maximum() -> dict[str, Any]:
    words = {name: 2**bits - 1 for name, bits in MAX_BITS.items()}
    top = "0x" + "ff" * 20
    addresses = {member["name"]: to_checksum_address(top) for member in MEMBERS if member["type"] == "address"}
    return subscription("maximum", b"\xff" * 33, **words, **addresses, verifierParams=b"\xff" * 32)


def paid() -> dict[str, Any]:
    return subscription(
        "creator/paid:2",
        b"paid",
        mode=2 | 16,
        node=address("node"),
        minBond=10**18,
        verifier=address("verifier"),
        verifierParams=keccak(text="parameters"),
        verifierFee=10**15,
        payer=address("payer"),
        token=address("token"),
        fee=5 * 10**15,
        royaltyTo=address("creator"),
        royaltyBps=250,
        deadline=1_767_229_200,
    )


def requests() -> list[tuple[str, bytes, dict[str, Any], int, int]]:
    """Container, features, struct, nonce, expiry."""
    later = 1_798_761_600
    unicode = "modèle/чётность-数字:1🙂"
    return [
        ("digits", b"\x01\x02\x03", subscription("digits", b"\x01\x02\x03"), 0, later),
        ("digits", b"", subscription("digits", b"", mode=PULL), 1, later),
        ("digits", b"", subscription("digits", b""), 2, later),
        ("a,b", b"\x00", subscription("a,b", b"\x00", redundancy=3, frequency=12, period=60), 255, later),
        ("feed", b"", subscription("feed", b"", mode=PULL, frequency=2**256 - 1, period=3600), 256, later),
        (unicode, b"\xff" * 32, subscription(unicode, b"\xff" * 32, activeAt=0), 257, 2**40 - 1),
        ("maximum", b"\xff" * 33, all_at_their_maximum(), 2**31 - 1, 2**40 - 1),
        ("named", bytes(1000), subscription("named", bytes(1000), node=address("node")), 7, 0),
        ("creator/paid:2", b"paid", paid(), 8, later),
        ("x" * 300, b"z", subscription("x" * 300, b"z", maxGasPrice=1, maxGasLimit=2**32 - 1), 9, later),
    ]


def hash_struct(types: dict[str, Any], message: dict[str, Any]) -> tuple[bytes, bytes]:
    """Domain separator and struct hash, by eth_account."""
    signable = encode_typed_data(DOMAIN | {"chainId": int(DOMAIN["chainId"])}, types, message)
    return signable.header, signable.body


def build_case(container: str, features: bytes, struct: dict[str, Any], nonce: int, expiry: int) -> dict[str, str]:
    types = [member["type"] for member in MEMBERS]
    values = tuple(struct[member["name"]] for member in MEMBERS)
    _, struct_hash = hash_struct({"Subscription": MEMBERS}, struct)
    domain, message = hash_struct(
        {"DelegateSubscription": DELEGATE_MEMBERS, "Subscription": MEMBERS},
        {"nonce": nonce, "expiry": expiry, "subscription": struct},
    )
    digest = keccak(b"\x19\x01" + domain + message)
    account = Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{nonce % 3}")
    return {
        "abi": hexadecimal(eth_abi.encode([f"({','.join(types)})"], [values])),
        "container": container,
        "features": hexadecimal(features),
        "typeHash": hexadecimal(keccak(text=f"Subscription({STRUCT})")),
        "structHash": hexadecimal(struct_hash),
        "commitment": hexadecimal(struct_hash[:31] + b"\0"),
        "nonce": str(nonce),
        "expiry": str(expiry),
        "digest": hexadecimal(digest),
        "signer": account.address,
        "signature": hexadecimal(bytes(account.unsafe_sign_hash(digest).signature)),
    }


def compute_expected_interval(active_at: int, period: int, now: int) -> int:
    if now < active_at:
        return 0
    interval = 1 if period == 0 else (now - active_at) // period + 1
    return interval if interval < 2**32 else 0


def interval_cases() -> list[dict[str, str]]:
    start, top32, top40 = 1_767_225_600, 2**32 - 1, 2**40 - 1
    times = [
        *((start, period, start + since) for period in (0, 1, 60, 3600, top32) for since in (0, 1, 59, 60, 61, 86_400)),
        *((start, period, start - 1) for period in (0, 1, 60)),
        (start, 60, 0),
        (0, 0, 0),
        (0, 1, 0),
        (0, 0, top40),
        (0, 1, top32 - 1),
        (0, 1, top32),
        (0, 1, top32 + 1),
        (0, 2, 2 * top32 - 1),
        (0, 2, 2 * top32),
        (0, 256, 256 * top32 - 1),
        (0, 256, 256 * top32),
        (0, 255, top40),
        (top40, 0, top40),
        (top40, 1, top40),
        (top40, 1, top40 - 1),
        (top40, 60, top40 + 60),
        (0, top32, top40),
        (start, top32, start + top32),
        (start, top32, start + top32 - 1),
    ]
    return [
        {
            "activeAt": str(active_at),
            "period": str(period),
            "now": str(now),
            "interval": str(compute_expected_interval(active_at, period, now)),
        }
        for active_at, period, now in times
    ]


def build_files() -> dict[str, str]:
    """The text of each file by its name."""
    Account.enable_unaudited_hdwallet_features()
    contents = {
        "subscription.json": {"domain": DOMAIN, "cases": [build_case(*request) for request in requests()]},
        "interval.json": {"cases": interval_cases()},
    }
    return {name: json.dumps(content, indent=1, ensure_ascii=False) + "\n" for name, content in contents.items()}


if __name__ == "__main__":
    for name, text in build_files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(f"wrote {FOLDER / name}")
