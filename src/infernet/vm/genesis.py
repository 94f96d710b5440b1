"""The first block: everything in which one layer differs from another."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from infernet.chain.create2 import PROXY
from infernet.chain.local import DEV_ACCOUNTS, LOCAL_CHAIN_ID
from infernet.protocol.abi_codec import decode_abi
from infernet.protocol.hashing import keccak
from infernet.vm.block import EMPTY_OMMERS_HASH, EMPTY_ROOT, NO_REQUESTS_HASH, Block, Header, Outcome
from infernet.vm.engine import AccountChange, BlockEnv, Engine, State
from infernet.vm.impersonated import build_impersonated
from infernet.vm.osaka.engine import HISTORY_ADDRESS, HISTORY_CODE
from infernet.vm.request import AccountOverride
from infernet.vm.seals import NO_WITNESSES, Witnesses
from infernet.vm.spc.call import Blobs, Spc
from infernet.vm.spc.host import SpcHost
from infernet.vm.transaction import Transaction, compute_address

SPC_CODE = b"\xfe"
"""What stands at the address of a precompile, for Solidity asks whether there is code before it calls."""
CREATE2_PROXY = bytes.fromhex(PROXY[2:])
CREATE2_PROXY_CODE = bytes.fromhex(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd"
    "5b8082525050506014600cf3"
)
DEV_PRODUCER_KEY = keccak(b"infernet.dev.producer")
"""Of the producer of chains for development; everybody knows it."""
DEV_PRODUCER = compute_address(DEV_PRODUCER_KEY)
DEV_BALANCE = 10_000 * 10**18
_DEPLOYER = keccak(b"infernet.genesis.deployer")[12:]
_DEPLOYMENT_GAS = 2**24
_TIMESTAMP = 1_767_225_600


@dataclass(frozen=True, slots=True)
class Deployment:
    """A contract that the first block holds at the address which CREATE2 gives it on every chain."""

    salt: bytes
    init_code: bytes


@dataclass(frozen=True, slots=True)
class SpcCallOfGenesis:
    """A call of a precompile in the first block, such as one that publishes a model."""

    address: bytes
    data: bytes


@dataclass(frozen=True)
class Genesis:
    """A layer. Two that differ in anything here have different first blocks.

    Attributes:
        base_fee: wei per gas, of the first block.
        block_time_s: 0: a block for each transaction.
        producer: who makes the blocks and is paid the tips.
        deployments: executed in this order.
        spcs: the addresses of the precompiles that are enabled.
        spc_calls: executed in this order, after the deployments.
        witnesses: who seals blocks beside the producer, which is none of them.
        parameters: whatever else its blocks depend on, such as prices; anything that JSON can hold.
    """

    producer: bytes = DEV_PRODUCER
    chain_id: int = LOCAL_CHAIN_ID
    timestamp: int = _TIMESTAMP
    gas_limit: int = 60_000_000
    base_fee: int = 10**9
    block_time_s: float = 0
    accounts: Mapping[bytes, AccountOverride] = field(default_factory=dict)
    deployments: tuple[Deployment, ...] = ()
    spcs: tuple[bytes, ...] = ()
    spc_calls: tuple[SpcCallOfGenesis, ...] = ()
    witnesses: Witnesses = NO_WITNESSES
    parameters: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        addresses, threshold = self.witnesses.addresses, self.witnesses.threshold
        if len({*addresses, self.producer}) <= len(addresses) or not bool(addresses) <= threshold <= len(addresses):
            raise ValueError(
                "witnesses differ from each other and the producer, and the threshold is from 1 to their number"
            )

    def fingerprint(self) -> bytes:
        """Of everything in it."""
        accounts = {
            address.hex(): [value.balance, value.nonce, (value.code or b"").hex(), _show_slots(value)]
            for address, value in self.accounts.items()
        }
        shown = {
            **{
                name: getattr(self, name) for name in ("chain_id", "timestamp", "gas_limit", "base_fee", "block_time_s")
            },
            "producer": self.producer.hex(),
            "accounts": accounts,
            "deployments": [[part.salt.hex(), part.init_code.hex()] for part in self.deployments],
            "spc_calls": [[call.address.hex(), keccak(call.data).hex()] for call in self.spc_calls],
            "commitment": self.commitment().hex(),
        }
        return _hash_json(shown)

    def commitment(self) -> bytes:
        """What the first block's `extra_data` holds, so that its hash names what its state does not show."""
        shown: dict[str, object] = {"spcs": [address.hex() for address in self.spcs], "parameters": self.parameters}
        if self.witnesses.addresses:
            witnesses = sorted(address.hex() for address in self.witnesses.addresses)
            shown["witnesses"] = {"addresses": witnesses, "threshold": self.witnesses.threshold}
        return _hash_json(shown)


@dataclass(frozen=True)
class Beginning:
    """The first block, its state, how that differs from nothing, and what precompiles keep."""

    block: Block
    state: State
    changes: tuple[AccountChange, ...]
    blobs: Mapping[bytes, bytes]


def build_dev_accounts() -> dict[bytes, AccountOverride]:
    """The ten accounts whose keys everybody knows, and the producer of chains for development."""
    addresses = [bytes.fromhex(account.address[2:]) for account in DEV_ACCOUNTS]
    return {address: AccountOverride(balance=DEV_BALANCE) for address in (*addresses, DEV_PRODUCER)}


def build_beginning(genesis: Genesis, engine: Engine, spcs: Mapping[bytes, Spc], blobs: Blobs) -> Beginning:
    """Execute a layer's first block.

    Raises:
        ValueError: a deployment or a call of a precompile fails.
    """
    host = SpcHost(spcs, blobs)
    state, _ = engine.empty().edit(_build_accounts(genesis))
    state = _deploy(genesis, engine, state, host)
    header = Header(
        parent_hash=bytes(32),
        ommers_hash=EMPTY_OMMERS_HASH,
        coinbase=genesis.producer,
        state_root=state.root,
        transactions_root=EMPTY_ROOT,
        receipts_root=EMPTY_ROOT,
        bloom=bytes(256),
        difficulty=0,
        number=0,
        gas_limit=genesis.gas_limit,
        gas_used=0,
        timestamp=genesis.timestamp,
        extra_data=genesis.commitment(),
        prev_randao=bytes(32),
        nonce=bytes(8),
        base_fee=genesis.base_fee,
        withdrawals_root=EMPTY_ROOT,
        blob_gas_used=0,
        excess_blob_gas=0,
        parent_beacon_root=bytes(32),
        requests_hash=NO_REQUESTS_HASH,
    )
    return Beginning(Block(header, ()), state, engine.empty().compare(state), host.blobs.added)


def _build_accounts(genesis: Genesis) -> dict[bytes, AccountOverride]:
    accounts = {
        HISTORY_ADDRESS: AccountOverride(nonce=1, code=HISTORY_CODE),
        CREATE2_PROXY: AccountOverride(nonce=1, code=CREATE2_PROXY_CODE),
    }
    accounts |= {address: AccountOverride(nonce=1, code=SPC_CODE) for address in genesis.spcs}
    return accounts | dict(genesis.accounts)


def _deploy(genesis: Genesis, engine: Engine, state: State, host: SpcHost) -> State:
    """By real transactions, of an account that exists for this alone and at no price."""
    env = BlockEnv(
        chain_id=genesis.chain_id,
        number=0,
        timestamp=genesis.timestamp,
        gas_limit=2**62,
        base_fee=0,
        coinbase=genesis.producer,
        prev_randao=bytes(32),
        hashes=(),
    )
    block = engine.begin(state, env, host)
    messages = [(CREATE2_PROXY, deployment.salt + deployment.init_code) for deployment in genesis.deployments]
    messages += [(call.address, call.data) for call in genesis.spc_calls]
    for nonce, (to, data) in enumerate(messages):
        if not block.execute(_build_transaction(genesis, nonce, to, data)).succeeded:
            raise ValueError(f"message {nonce} of the first block fails{_read_reason(host)}")
    state, _ = block.finish()
    return state.edit({_DEPLOYER: AccountOverride(nonce=0, balance=0)})[0]


def _build_transaction(genesis: Genesis, nonce: int, to: bytes, data: bytes) -> Transaction:
    return build_impersonated(
        _DEPLOYER, chain_id=genesis.chain_id, nonce=nonce, gas=_DEPLOYMENT_GAS, max_fee=0, to=to, data=data
    )


def _read_reason(host: SpcHost) -> str:
    """What the last precompile said that was called, if any was."""
    if not host.records or host.records[-1].outcome is not Outcome.REVERTED:
        return ""
    (reason,) = decode_abi(["string"], host.records[-1].output[4:])
    return f": {reason}"


def _show_slots(account: AccountOverride) -> dict[str, str]:
    return {slot.hex(): word.hex() for slot, word in (account.storage or {}).items()}


def _hash_json(shown: object) -> bytes:
    return keccak(json.dumps(shown, sort_keys=True, separators=(",", ":")).encode())
