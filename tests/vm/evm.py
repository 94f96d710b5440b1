"""Small contracts as bytecode, and a chain to try them on."""

from __future__ import annotations

from infernet.chain.local import DEV_ACCOUNTS
from infernet.vm.block import Block, Receipt
from infernet.vm.block_encoding import encode_block
from infernet.vm.chain import Chain
from infernet.vm.genesis import DEV_PRODUCER_KEY
from infernet.vm.request import CallRequest, CallResult
from infernet.vm.transaction import FEE_MARKET, Transaction, sign_transaction

ALICE, BOB, CAROL = (bytes.fromhex(account.address[2:]) for account in DEV_ACCOUNTS[:3])
KEYS = {bytes.fromhex(account.address[2:]): account.private_key for account in DEV_ACCOUNTS}
GWEI = 10**9
CALL, DELEGATECALL, STATICCALL, CALLCODE = 0xF1, 0xF4, 0xFA, 0xF2
STOP, REVERT_EMPTY = b"\x00", b"\x5f\x5f\xfd"
COUNTER = bytes.fromhex("5f5460010180 5f55 5f52 60205ff3".replace(" ", ""))
"""Adds one to slot 0 and returns it."""


def push(value: int | bytes) -> bytes:
    data = value if isinstance(value, bytes) else value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes((0x5F + len(data),)) + data


def call(target: bytes, op: int = CALL, value: int = 0, gas: int | None = None) -> bytes:
    """Calls with the whole calldata; leaves success on the stack."""
    copy = b"\x36\x5f\x5f\x37"  # calldatacopy(0, 0, calldatasize)
    money = push(value) if op in (CALL, CALLCODE) else b""
    left = b"\x5a" if gas is None else push(gas)
    return copy + b"\x5f\x5f\x36\x5f" + money + push(target) + left + bytes((op,))


def answer() -> bytes:
    """Returns what the last call returned."""
    return b"\x3d\x5f\x5f\x3e\x3d\x5f\xf3"


def forward(target: bytes, op: int = CALL, value: int = 0, gas: int | None = None, before: bytes = b"") -> bytes:
    """A contract that passes its calldata on, and what comes back, be it an answer or a revert."""
    head = before + call(target, op, value, gas) + b"\x3d\x5f\x5f\x3e"  # returndatacopy(0, 0, returndatasize)
    fail = b"\x3d\x5f\xfd"
    at = len(head) + 3 + len(fail)
    return head + push(bytes((at,))) + b"\x57" + fail + b"\x5b\x3d\x5f\xf3"


def deployment(code: bytes) -> bytes:
    """Init code that leaves this code."""
    return (
        push(len(code).to_bytes(2, "big"))
        + b"\x60\x0c\x5f\x39"
        + push(len(code).to_bytes(2, "big"))
        + b"\x5f\xf3"
        + code
    )


def sign(
    chain: Chain,
    to: bytes | None = None,
    data: bytes = b"",
    *,
    sender: bytes = ALICE,
    nonce: int | None = None,
    gas: int = 1_000_000,
    value: int = 0,
    max_fee: int = 10 * GWEI,
    tip: int = GWEI,
) -> Transaction:
    return sign_transaction(
        FEE_MARKET,
        KEYS[sender],
        chain_id=chain.chain_id,
        nonce=chain.next_nonce(sender) if nonce is None else nonce,
        gas=gas,
        max_fee=max_fee,
        max_priority_fee=tip,
        to=to,
        data=data,
        value=value,
    )


def send(chain: Chain, to: bytes | None = None, data: bytes = b"", **fields: object) -> Receipt:
    """Submit and mine."""
    tx_hash = chain.submit(sign(chain, to, data, **fields).raw)  # type: ignore[arg-type]
    receipt = chain.receipt(tx_hash)
    assert receipt is not None
    return receipt


def deploy(chain: Chain, code: bytes) -> bytes:
    receipt = send(chain, None, deployment(code))
    assert receipt.succeeded
    assert receipt.contract_address is not None
    assert chain.state(chain.head.number).code(receipt.contract_address) == code
    return receipt.contract_address


def ask(chain: Chain, to: bytes, data: bytes = b"", **fields: object) -> CallResult:
    return chain.call(CallRequest(to=to, data=data, **fields), chain.head.number)  # type: ignore[arg-type]


def encode_sealed(chain: Chain, block: Block, key: bytes = DEV_PRODUCER_KEY) -> bytes:
    """A block as whoever has this key would send it, whatever it says."""
    return encode_block(block, [chain.seals.sign(key, block)])
