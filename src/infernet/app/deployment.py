"""Put the contracts on a chain: at the same addresses everywhere, and only those that are not there yet."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infernet.chain.artifacts import load_artifact
from infernet.chain.create2 import PROXY, compute_create2_address, encode_create2
from infernet.chain.sending import Message, submit, wait_for_receipt
from infernet.errors import JobRejected, NodeMisconfigured
from infernet.ports import Signer
from infernet.protocol.hashing import ZERO_ADDRESS, keccak
from infernet.types import Address, ChainId, Gas, Hash32

if TYPE_CHECKING:  # a layer's first block is planned here too, and needs no client
    from infernet.chain.rpc import RpcChain

SALT: Hash32 = keccak(b"infernet.suite.1")
UNBONDING_DELAY_S = 7 * 24 * 3600
COORDINATOR = "EIP712Coordinator"
CORE = ("ModelRegistry", "NodeRegistry", COORDINATOR)
VERIFIERS = (
    "AttestationVerifier",
    "EzklVerifier",
    "OnchainVerifier",
    "QuorumSignatureVerifier",
    "SealedQuorumVerifier",
    "OptimisticVerifier",
)
SUITE = CORE + VERIFIERS

_GAS_BASE, _GAS_PER_BYTE = 500_000, 240
"""Above what the proxy, the calldata and the code's storage can cost: nothing is estimated, since what is deployed
later stands on what is deployed in the same block."""


@dataclass(frozen=True, slots=True)
class Part:
    """One contract of the suite: everything that makes its address."""

    name: str
    address: Address
    init_code: bytes
    arguments: bytes

    @property
    def gas(self) -> Gas:
        """Gas limit of the deploying transaction."""
        return Gas(_GAS_BASE + _GAS_PER_BYTE * len(self.init_code))


@dataclass(frozen=True, slots=True)
class Deployment:
    """The suite on one chain.

    Attributes:
        parts: in the order in which they stand on one another.
        created: names of those that were not there before.
    """

    chain_id: ChainId
    parts: tuple[Part, ...]
    created: tuple[str, ...]

    @property
    def coordinator(self) -> Address:
        return self[COORDINATOR]

    def __getitem__(self, name: str) -> Address:
        return next(part.address for part in self.parts if part.name == name)

    def to_json(self) -> dict[str, Any]:
        """What `deployments/<chain id>.json` holds; the arguments are what explorers ask for."""
        contracts = {
            part.name: {"address": part.address, "constructorArguments": "0x" + part.arguments.hex()}
            for part in self.parts
        }
        return {"chainId": self.chain_id, "deployer": PROXY, "salt": "0x" + SALT.hex(), "contracts": contracts}


def plan_suite(
    *, protocol_share_bps: int = 0, protocol_to: Address = ZERO_ADDRESS, unbonding_delay_s: int = UNBONDING_DELAY_S
) -> tuple[Part, ...]:
    """Every contract with its address, the same for every chain and every sender.

    Args:
        protocol_share_bps: the protocol's part of each fee, in 1/10,000; at most 500.
        protocol_to: who receives it; zero where the share is 0.
        unbonding_delay_s: seconds between the start of unbonding and withdrawal.
    """
    parts: dict[str, Part] = {}

    def add(name: str, *arguments: Any) -> None:
        parts[name] = _build_part(name, arguments)

    add("ModelRegistry")
    add("NodeRegistry", unbonding_delay_s)
    models, nodes = parts["ModelRegistry"].address, parts["NodeRegistry"].address
    add(COORDINATOR, models, nodes, protocol_share_bps, protocol_to)
    add("AttestationVerifier")
    add("EzklVerifier")
    add("OnchainVerifier")
    add("QuorumSignatureVerifier", nodes)
    coordinator = parts[COORDINATOR].address
    add("SealedQuorumVerifier", coordinator, nodes)
    add("OptimisticVerifier", coordinator, nodes, parts["OnchainVerifier"].address)
    return tuple(parts.values())


async def deploy_suite(
    chain: RpcChain,
    signer: Signer,
    parts: Sequence[Part] | None = None,
    only: Collection[str] = SUITE,
    *,
    timeout_s: float = 120.0,
) -> Deployment:
    """Deploy what is missing. Safe to call again: what stands there is what would be deployed.

    Raises:
        NodeMisconfigured: `deploy.no_proxy`.
        JobRejected: `deploy.failed`: a contract is not there afterwards.
        RetryLater: the chain cannot be reached, or the account cannot pay.
    """
    chain_id = await chain.fetch_chain_id()
    wanted = tuple(part for part in (plan_suite() if parts is None else parts) if part.name in only)
    missing = await _find_missing(chain, wanted)
    if missing and not await chain.fetch_code(PROXY):
        raise NodeMisconfigured(
            "deploy.no_proxy",
            f"chain {chain_id} has no contract at {PROXY}: put the deterministic deployment proxy there first",
        )
    hashes = [
        await submit(chain, signer, Message(PROXY, encode_create2(SALT, part.init_code), gas=part.gas), chain_id)
        for part in missing
    ]
    await asyncio.gather(*(wait_for_receipt(chain, tx_hash, timeout_s) for tx_hash in hashes))
    absent = await _find_missing(chain, missing)
    if absent:
        names = ", ".join(part.name for part in absent)
        raise JobRejected("deploy.failed", f"{names} could not be deployed on chain {chain_id}: check the arguments")
    return Deployment(chain_id, wanted, tuple(part.name for part in missing))


def write_deployment(deployment: Deployment, folder: Path) -> Path:
    """Write the addresses to `<folder>/<chain id>.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{deployment.chain_id}.json"
    path.write_text(json.dumps(deployment.to_json(), indent=2) + "\n", encoding="utf-8")
    return path


def _build_part(name: str, arguments: Sequence[Any]) -> Part:
    artifact = load_artifact(name)
    init_code = artifact.encode_deployment(arguments)
    address = compute_create2_address(SALT, init_code)
    return Part(name, address, init_code, artifact.encode_constructor(arguments))


async def _find_missing(chain: RpcChain, parts: Sequence[Part]) -> list[Part]:
    codes = await asyncio.gather(*(chain.fetch_code(part.address) for part in parts))
    return [part for part, code in zip(parts, codes, strict=True) if not code]
