"""What the chain's rules ask of its producer: the first transaction of a block in which scheduled calls are due."""

from __future__ import annotations

from infernet.protocol.hashing import keccak
from infernet.vm.engine import BlockEnv, Engine, State
from infernet.vm.impersonated import build_impersonated
from infernet.vm.request import CallRequest
from infernet.vm.spc.addresses import SCHEDULER
from infernet.vm.spc.call import Blobs
from infernet.vm.spc.host import SpcHost
from infernet.vm.transaction import Transaction, sign

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
        described = build_impersonated(
            self._producer,
            chain_id=env.chain_id,
            nonce=state.nonce(self._producer),
            gas=gas,
            max_fee=env.base_fee,
            to=SCHEDULER_BYTES,
            data=RUN_DUE,
        )
        return described if self._key is None else sign(described, self._key)
