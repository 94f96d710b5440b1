"""Writes assurance.json: what nodes sign, commit to and prove for each verifier, as both sides must encode it.

Nothing of `infernet` is used: EIP-712 comes from eth_account, bytes from eth_abi. Run it with
`python vectors/generate_assurance.py`; the file changes only when the rules do.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from eth_abi import encode
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils import keccak, to_checksum_address

TARGET = Path(__file__).with_name("assurance.json")
CHAIN_ID = 31_337
CLAIM = "(address,uint32,uint32,uint16,address,bytes32,bytes32,bytes32,bytes32,uint96)"
BOUND = [
    {"name": "containerId", "type": "bytes32"},
    {"name": "featuresHash", "type": "bytes32"},
    {"name": "outputHash", "type": "bytes32"},
]
PLACE = [
    {"name": "coordinator", "type": "address"},
    {"name": "owner", "type": "address"},
    {"name": "id", "type": "uint32"},
    {"name": "interval", "type": "uint32"},
]
LAYER = "(uint16,uint16,uint32,bytes,bytes)"
CIRCUIT = "(address,bytes32,uint16,uint16)"
SEALED = "(uint8,uint16,uint16,uint32,uint32,uint256)"
OPTIMISTIC = "(uint32,uint32,uint32,bytes32,address[],uint16,uint96)"


def address(seed: str) -> str:
    return to_checksum_address(keccak(text=seed)[12:])


COORDINATOR, OWNER, NODE, VERIFIER = (address(seed) for seed in ("coordinator", "consumer", "node", "verifier"))
ID, INTERVAL, MIN_BOND = 2**31 | 5, 3, 10**18
FEATURES, OUTPUT = b"\x01\x02\x03", b"\x2a"
CONTAINER_ID, FEATURES_HASH, OUTPUT_HASH = keccak(text="demo/digits:1"), keccak(FEATURES), keccak(OUTPUT)
SALT = keccak(text="salt")
SIGNERS = [Account.from_key(keccak(text=f"signer {index}")) for index in range(3)]
ARBITERS = sorted(address(f"arbiter {index}") for index in range(3))


def digest(name: str, members: list[dict[str, str]], message: dict[str, Any]) -> bytes:
    domain = {"name": "InfernetAnswer", "version": "1", "chainId": CHAIN_ID, "verifyingContract": VERIFIER}
    signable = encode_typed_data(domain, {name: members}, message)
    return bytes(keccak(b"\x19\x01" + signable.header + signable.body))


def message() -> dict[str, Any]:
    place = {"coordinator": COORDINATOR, "owner": OWNER, "id": ID, "interval": INTERVAL}
    return place | {"containerId": CONTAINER_ID, "featuresHash": FEATURES_HASH, "outputHash": OUTPUT_HASH}


def quorum() -> dict[str, Any]:
    answer = digest("Answer", PLACE + BOUND, message())
    signed = [(signer.address, bytes(signer.unsafe_sign_hash(answer).signature)) for signer in SIGNERS]
    signed.sort(key=lambda pair: int(pair[0], 16))
    return {
        "digest": answer,
        "signers": [signer for signer, _ in signed],
        "params": encode(["uint256"], [len(signed)]),
        "proof": encode(["bytes32", "(address,bytes)[]"], [bytes(32), signed]),
    }


def attested() -> dict[str, Any]:
    members = [*PLACE, {"name": "node", "type": "address"}, *BOUND]
    answer = digest("AttestedAnswer", members, message() | {"node": NODE})
    signature = bytes(SIGNERS[0].unsafe_sign_hash(answer).signature)
    authority = address("authority")
    return {
        "digest": answer,
        "authority": authority,
        "signer": SIGNERS[0].address,
        "params": encode(["address"], [authority]),
        "proof": encode(["address", "address", "bytes"], [authority, SIGNERS[0].address, signature]),
    }


def sealed() -> dict[str, Any]:
    commitment = encode(
        ["uint256", "address", "address", "uint32", "uint32", "address", "bytes32", "bytes32", "bytes32"],
        [CHAIN_ID, COORDINATOR, OWNER, ID, INTERVAL, NODE, FEATURES_HASH, OUTPUT_HASH, SALT],
    )
    return {
        "salt": SALT,
        "commitment": keccak(commitment),
        "params": encode([SEALED], [(1, 3, 5, 60, 40, 7)]),
        "proof": encode(["bytes32", "uint256[]"], [bytes(32), [2, 0, 1]]),
    }


def onchain() -> dict[str, Any]:
    layers = [(2, 2, 7, b"\x01\x02\xff\xfe", encode_bias(1, -1)), (2, 1, 0, b"\x03\x80", encode_bias(-(2**30)))]
    model = encode([f"(uint8,{LAYER}[])"], [(1, layers)])
    return {
        "model": model,
        "modelId": keccak(model),
        "params": encode(["bytes32"], [keccak(model)]),
        "proof": encode(["bytes32", "bytes"], [keccak(model), FEATURES]),
    }


def encode_bias(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "big", signed=True) for value in values)


def optimistic() -> dict[str, Any]:
    vote = encode(
        ["uint256", "address", "address", "uint32", "uint32", "address", "bytes32", "bytes32"],
        [CHAIN_ID, VERIFIER, OWNER, ID, INTERVAL, ARBITERS[0], OUTPUT_HASH, SALT],
    )
    claim = encode(["address", "bytes32", "bytes32", "bytes32"], [NODE, CONTAINER_ID, FEATURES_HASH, OUTPUT_HASH])
    params = encode([OPTIMISTIC], [(600, 120, 90, bytes(32), ARBITERS, 2, 10**17)])
    return {
        "arbiters": ARBITERS,
        "salt": SALT,
        "claimHash": keccak(claim),
        "vote": keccak(vote),
        "params": params,
        "proof": encode(["bytes32", "bytes"], [FEATURES_HASH, params]),
        "paramsOfModel": encode([OPTIMISTIC], [(600, 0, 0, keccak(text="model"), [], 0, 0)]),
    }


def ezkl() -> dict[str, Any]:
    circuit = (address("halo2"), keccak(text="code"), 4, 3)
    return {
        "params": encode([CIRCUIT], [circuit]),
        "proof": encode([CIRCUIT, "bytes", "bytes"], [circuit, FEATURES, b"proof"]),
    }


def main() -> None:
    claim = (OWNER, ID, INTERVAL, 1, NODE, CONTAINER_ID, FEATURES_HASH, OUTPUT_HASH, bytes(32), MIN_BOND)
    content = {
        "chainId": str(CHAIN_ID),
        "coordinator": COORDINATOR,
        "verifier": VERIFIER,
        "claim": encode([CLAIM], [claim]),
        "features": FEATURES,
        "output": OUTPUT,
        "quorum": quorum(),
        "attested": attested(),
        "sealed": sealed(),
        "onchain": onchain(),
        "optimistic": optimistic(),
        "ezkl": ezkl(),
    }
    TARGET.write_text(json.dumps(content, indent=1, default=lambda data: "0x" + bytes(data).hex()) + "\n")


if __name__ == "__main__":
    main()
