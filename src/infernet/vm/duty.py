"""What the chain's rules ask of its producer: the first transaction of a block in which scheduled calls are due."""

from __future__ import annotations

from infernet.protocol.hashing import keccak
from infernet.vm.engine import BlockEnv, Engine, State
from infernet.vm.request import CallRequest
from infernet.vm.spc.addresses import SCHEDULER
from infernet.vm.spc.call import Blobs
from infernet.vm.spc.host import SpcHost
from infernet.vm.transaction import FEE_MARKET, Transaction, seal, sign_transaction

SCHEDULER_BYTES = bytes.fromhex(SCHEDULER[2:])
IS_DUE, RUN_DUE = keccak(b"isDue()")[:4], keccak(b"runDue()")[:4]
MAX_GAS = 2**24
_TRUE = (1).to_bytes(32, "big")


class Duties:
    """Finds the transaction that a block must begin with.

    It pays the base fee and no tip. A producer who cannot pay for it is let off: its calls wait for a later block.

    Args:
        key: the producer's, to sign it; None for a follower, who compares what it says.
    """

    def __init__(self, engine: Engine, producer: bytes, key: bytes | None, blobs: Blobs) -> None:
        self._engine, self._producer, self._key, self._blobs = engine, producer, key, blobs

    def find(self, state: State, env: BlockEnv) -> Transaction | None:
        gas = min(MAX_GAS, env.gas_limit)
        if not state.code(SCHEDULER_BYTES) or state.balance(self._producer) < gas * env.base_fee:
            return None
        asked = CallRequest(sender=self._producer, to=SCHEDULER_BYTES, data=IS_DUE, gas=gas)
        if self._engine.call(state, env, SpcHost({}, self._blobs), asked).return_data != _TRUE:
            return None
        nonce = state.nonce(self._producer)
        if self._key is None:
            return _describe(env, nonce, gas, self._producer)
        return sign_transaction(
            FEE_MARKET,
            self._key,
            chain_id=env.chain_id,
            nonce=nonce,
            gas=gas,
            max_fee=env.base_fee,
            to=SCHEDULER_BYTES,
            data=RUN_DUE,
        )


def _describe(env: BlockEnv, nonce: int, gas: int, producer: bytes) -> Transaction:
    unsigned = Transaction(
        type=FEE_MARKET,
        chain_id=env.chain_id,
        nonce=nonce,
        max_priority_fee=0,
        max_fee=env.base_fee,
        gas=gas,
        to=SCHEDULER_BYTES,
        value=0,
        data=RUN_DUE,
        access_list=(),
        authorizations=(),
        v=0,
        r=0,
        s=0,
        hash=b"",
        sender=b"",
        raw=b"",
    )
    return seal(unsigned, producer)
