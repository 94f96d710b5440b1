"""Random contracts and transactions: code that mostly makes sense, and now and then does not."""

from __future__ import annotations

import random
from dataclasses import dataclass

from infernet.chain.local import DEV_ACCOUNTS
from infernet.protocol.hashing import keccak
from infernet.vm.transaction import (
    ACCESS_LIST,
    FEE_MARKET,
    LEGACY,
    SET_CODE,
    Access,
    Authorization,
    Transaction,
    sign_authorization,
    sign_transaction,
)

CHAIN_ID = 31337
CONTRACTS = tuple((0xC0DE00 + number).to_bytes(20, "big") for number in range(6))
SENDERS = tuple(bytes.fromhex(account.address[2:]) for account in DEV_ACCOUNTS[:4])
PRECOMPILES = tuple(number.to_bytes(20, "big") for number in (1, 2, 3, 4, 5, 6, 9, 0x100, 0x0810, 0x0830))
_MODEXP, _CLZ = 5, 0x1E
_AFTER_CANCUN = tuple(number.to_bytes(20, "big") for number in (_MODEXP, 0x100))

_EDGES = (0, 1, 2, 3, 31, 32, 33, 255, 256, 2**64, 2**128 - 1, 2**255, 2**255 - 1, 2**256 - 1)
_UNARY, _BINARY, _TERNARY = (
    (0x15, 0x19, _CLZ),
    (*range(0x01, 0x08), 0x0A, 0x0B, *range(0x10, 0x15), 0x16, 0x17, 0x18),
    (
        0x08,
        0x09,
    ),
)
_RANDAO = 0x44
_SHIFTS = (0x1A, 0x1B, 0x1C, 0x1D)
_CONSTANTS = (
    *(0x30, 0x32, 0x33, 0x34, 0x36, 0x38, 0x3A, 0x3D, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x4A),
    *(0x58, 0x59, 0x5A, 0x5F),
)


_POINT = (1).to_bytes(32, "big") + (2).to_bytes(32, "big")
_INPUTS = (
    (1, keccak(b"message") + (27).to_bytes(32, "big") + bytes(31) + b"\x05" + bytes(31) + b"\x09"),
    (2, b"data"),
    (3, b"data"),
    (5, b"".join((size).to_bytes(32, "big") for size in (1, 1, 1)) + b"\x03\x05\x07"),
    (6, _POINT + _POINT),
    (7, _POINT + (5).to_bytes(32, "big")),
    *((9, rounds.to_bytes(4, "big") + bytes(range(208)) + last) for rounds in (0, 1, 12) for last in (b"\0", b"\1")),
)


@dataclass(frozen=True)
class Scenario:
    """A few contracts with storage, and transactions for one block."""

    codes: dict[bytes, bytes]
    slots: dict[bytes, dict[bytes, bytes]]
    transactions: tuple[Transaction, ...]


class Dice(random.Random):
    """Attributes:
    portable: leave out what two chains do not agree on: block hashes, randomness, which accounts are warm.
    cancun: leave out what came after that fork: delegations, CLZ, secp256r1, and modexp, whose gas has changed since.
    """

    portable = False
    cancun = False

    @property
    def precompiles(self) -> tuple[bytes, ...]:
        known = PRECOMPILES[:-2] if self.portable else PRECOMPILES
        return tuple(address for address in known if address not in _AFTER_CANCUN) if self.cancun else known


def make_scenario(seed: int, *, portable: bool = False, cancun: bool = False) -> Scenario:
    rng = Dice(seed)
    rng.portable, rng.cancun = portable, cancun
    codes = {address: make_code(rng) for address in CONTRACTS}
    codes[CONTRACTS[-1]] = rng.randbytes(rng.randrange(200))
    if cancun:
        codes[CONTRACTS[-1]] = codes[CONTRACTS[-1]].replace(bytes((_CLZ,)), b"\x5b")
    slots = {
        address: {
            number.to_bytes(32, "big"): rng.randrange(1, 9).to_bytes(32, "big") for number in range(rng.randrange(4))
        }
        for address in CONTRACTS
    }
    nonces = dict.fromkeys(range(len(SENDERS)), 0)
    transactions = tuple(_make_transaction(rng, nonces) for _ in range(rng.randrange(2, 7)))
    return Scenario(codes, slots, transactions)


def make_code(rng: Dice, size: int = 60) -> bytes:
    out = bytearray(b"".join(_push(_value(rng)) for _ in range(rng.randrange(6))))
    for _ in range(rng.randrange(size)):
        out += _make_piece(rng)
    return bytes(out)


def _push(value: int) -> bytes:
    size = (value.bit_length() + 7) // 8
    return bytes((0x5F + size,)) + value.to_bytes(size, "big")


def _value(rng: Dice) -> int:
    return rng.choice((rng.choice(_EDGES), rng.randrange(8), rng.randrange(600), rng.getrandbits(256)))


def _offset(rng: Dice) -> int:
    return rng.choice((0, 4, 32, 64, rng.randrange(300), 2000, *((2**40, 2**256 - 1) if rng.random() < 0.02 else ())))


def _size(rng: Dice) -> int:
    return rng.choice((0, 1, 4, 32, 64, rng.randrange(200)))


def _make_piece(rng: Dice) -> bytes:
    kinds = (_arithmetic, _memory, _storage, _call, _precompile, _create, _flow, _shuffle, _environment, _log, _end)
    weights = (10, 8, 8, 4, 1, 1, 4, 4, 4, 2, 0.3)
    return rng.choices(kinds, weights)[0](rng)


def _arithmetic(rng: Dice) -> bytes:
    unary = tuple(op for op in _UNARY if op != _CLZ) if rng.cancun else _UNARY
    op = rng.choice(unary + _BINARY + _TERNARY + _SHIFTS)
    count = 1 if op in _UNARY else 3 if op in _TERNARY else 2
    values = [_value(rng) for _ in range(count)]
    if op in _SHIFTS:
        values[-1] = rng.choice((rng.randrange(300), _value(rng)))
    if op == 0x0A:
        values[0] %= 2**20
    return b"".join(map(_push, values)) + bytes((op,))


def _memory(rng: Dice) -> bytes:
    at = _push(_offset(rng))
    pieces = (
        at + b"\x51",
        _push(_value(rng)) + at + b"\x52",
        _push(_value(rng)) + at + b"\x53",
        _push(_size(rng)) + at + b"\x20",
        *(_push(_size(rng)) + _push(_offset(rng)) + at + bytes((op,)) for op in (0x37, 0x39, 0x5E)),
        at + b"\x35",
        (b"\x3d\x5f" if rng.random() < 0.9 else _push(_size(rng)) + _push(_size(rng))) + at + b"\x3e",
    )
    return rng.choice(pieces)


def _storage(rng: Dice) -> bytes:
    slot = _push(rng.randrange(5))
    value = _push(rng.choice((0, 0, 1, 2, _value(rng))))
    return rng.choice((slot + b"\x54", value + slot + b"\x55", slot + b"\x5c", value + slot + b"\x5d"))


def _target(rng: Dice) -> bytes:
    address = rng.choice((*CONTRACTS, *CONTRACTS, *rng.precompiles, *SENDERS, rng.randbytes(20)))
    return b"\x73" + address


def _call(rng: Dice) -> bytes:
    op = rng.choice((0xF1, 0xF1, 0xF2, 0xF4, 0xFA))
    gas = _push(rng.choice((0, 100, 5000, 100_000, 2**64)))
    value = _push(rng.choice((0, 0, 0, 1, 10**30))) if op in (0xF1, 0xF2) else b""
    areas = b"".join(_push(number) for number in (_size(rng), _offset(rng), _size(rng), _offset(rng)))
    inspect = _target(rng) + rng.choice((b"\x31", b"\x3b", b"\x3f"))
    copy = _push(_size(rng)) + _push(0) + _push(_offset(rng)) + _target(rng) + b"\x3c"
    return rng.choice((areas + value + _target(rng) + gas + bytes((op,)),) * 4 + (inspect, copy))


def _precompile(rng: Dice) -> bytes:
    """A call with an input that the precompile takes."""
    number, data = rng.choice([entry for entry in _INPUTS if not (rng.cancun and entry[0] == _MODEXP)])
    stores = b"".join(
        b"\x7f" + data[at : at + 32].ljust(32, b"\0") + _push(at) + b"\x52" for at in range(0, len(data), 32)
    )
    where = _push(64) + _push(0) + _push(len(data)) + _push(0)
    return stores + where + _push(0) + _push(number) + _push(200_000) + b"\xf1"


def _create(rng: Dice) -> bytes:
    inner = make_code(rng, 6)[:30]
    deployed = rng.choice((b"\x60\x01\x60\x00\x55\x00", b"\x33\xff", b"\xef", make_code(rng, 4)[:20]))
    init = inner + b"".join(_push(n) for n in ()) + _return_bytes(deployed)
    if len(init) > 96:
        init = _return_bytes(deployed)
    stores = b"".join(
        b"\x7f" + init[at : at + 32].ljust(32, b"\0") + _push(at) + b"\x52" for at in range(0, len(init), 32)
    )
    size, value = _push(len(init)), _push(rng.choice((0, 0, 1)))
    salt = _push(rng.randrange(2))
    return stores + rng.choice((size + _push(0) + value + b"\xf0", salt + size + _push(0) + value + b"\xf5"))


def _return_bytes(data: bytes) -> bytes:
    word = b"\x7f" + data.ljust(32, b"\0") + b"\x5f\x52"
    return word + _push(len(data)) + b"\x5f\xf3"


def _flow(rng: Dice) -> bytes:
    skip = rng.choice((b"\x5b", b"\x60\x01\x50\x5b", b"\x5b\x5b"))
    forward = b"\x58\x60\x05\x01" + b"\x56\x5b"  # pc + 5 is the JUMPDEST behind the jump
    maybe = _push(rng.choice((0, 1))) + b"\x58\x60\x05\x01\x57\x5b"
    constant = _push(rng.randrange(200)) + b"\x56"
    loop = b"\x60\x05\x5b\x60\x01\x90\x03\x80\x58\x60\x06\x90\x03\x57\x50"  # counts 5 down
    return rng.choice((skip, forward, maybe, maybe, loop, loop) * 6 + (constant,))


def _shuffle(rng: Dice) -> bytes:
    return bytes((rng.choice((rng.randrange(0x80, 0x83), rng.randrange(0x90, 0x92), 0x50, 0x80, 0x90)),))


def _environment(rng: Dice) -> bytes:
    if rng.random() < 0.2:
        return _push(rng.choice((0, 1, 5, 999, _value(rng)))) + (
            b"\x49" if rng.portable else rng.choice((b"\x40", b"\x49"))
        )
    op = rng.choice(_CONSTANTS)
    return b"\x41" if rng.portable and op == _RANDAO else bytes((op,))


def _log(rng: Dice) -> bytes:
    count = rng.randrange(5)
    topics = b"".join(_push(_value(rng)) for _ in range(count))
    return topics + _push(_size(rng)) + _push(_offset(rng)) + bytes((0xA0 + count,))


def _end(rng: Dice) -> bytes:
    area = _push(_size(rng)) + _push(_offset(rng))
    return rng.choice((b"\x00", area + b"\xf3", area + b"\xfd", b"\xfe", _target(rng) + b"\xff", b"\x0c"))


def _make_transaction(rng: Dice, nonces: dict[int, int]) -> Transaction:
    who = rng.randrange(len(SENDERS))
    kind = rng.choice((LEGACY, ACCESS_LIST, FEE_MARKET, FEE_MARKET, *(() if rng.cancun else (SET_CODE,))))
    to = (
        None
        if kind != SET_CODE and rng.random() < 0.15
        else rng.choice((*CONTRACTS, *CONTRACTS, *rng.precompiles, *SENDERS))
    )
    data = make_code(rng, 30) + _return_bytes(b"\x5b\x00") if to is None else rng.randbytes(rng.randrange(100))
    nonce = nonces[who] + (1 if rng.random() < 0.03 else 0)
    key = DEV_ACCOUNTS[who].private_key
    authorizations: tuple[Authorization, ...] = ()
    if kind == SET_CODE:
        signer = rng.randrange(len(SENDERS))
        authorizations = (
            sign_authorization(
                DEV_ACCOUNTS[signer].private_key,
                chain_id=rng.choice((0, CHAIN_ID, 1)),
                address=rng.choice((*CONTRACTS, bytes(20), PRECOMPILES[0])),
                nonce=nonces[signer] + (1 if signer == who else 0),
            ),
        )
    access = ()
    if kind != LEGACY and rng.random() < 0.5:
        access = (Access(rng.choice(CONTRACTS), ((1).to_bytes(32, "big"), (2).to_bytes(32, "big"))),)
    transaction = sign_transaction(
        kind,
        key,
        chain_id=CHAIN_ID,
        nonce=nonce,
        gas=rng.choice((20_000 if rng.random() < 0.1 else 60_000, 200_000, 1_000_000, 3_000_000)),
        max_fee=rng.choice((10**9, 2 * 10**9, 3 * 10**9)),
        max_priority_fee=rng.choice((0, 1, 10**9)),
        to=to,
        value=rng.choice((0, 0, 1, 10**18, 10**30 if rng.random() < 0.05 else 0)),
        data=data,
        access_list=access,
        authorizations=authorizations,
    )
    nonces[who] += 1
    return transaction
