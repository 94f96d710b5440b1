"""Stateful precompiles as the specification sees them: one adapter for every address, which finds its chain by the
block.

The specification's table of precompiles is one for the whole process, so the same addresses are in it whatever a chain
enables; where it does not enable one, that account's own code runs, as if the table did not name it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from ethereum.forks.osaka import vm
from ethereum.forks.osaka.fork_types import Address as SpecAddress
from ethereum.forks.osaka.vm import Evm
from ethereum.forks.osaka.vm.exceptions import OutOfGasError, Revert
from ethereum.forks.osaka.vm.gas import charge_gas
from ethereum_types.bytes import Bytes32
from ethereum_types.numeric import U256, Uint

from infernet.protocol.hashing import to_address
from infernet.types import Address
from infernet.vm.block import Outcome
from infernet.vm.osaka import deadline
from infernet.vm.osaka.loop import run_code
from infernet.vm.osaka.world import World, get_storage, set_storage
from infernet.vm.spc.addresses import (
    EMBEDDINGS,
    HTTP,
    LLM,
    PROOF_VERIFIER,
    RAG,
    TENSOR_INFERENCE,
    VECTOR_DATABASE,
)
from infernet.vm.spc.call import Blobs, BlockContext, Spc, SpcOutOfGas, SpcRevert
from infernet.vm.spc.host import SpcHost, encode_error
from infernet.vm.spc.outside import Question

ADDRESSES = tuple(
    SpecAddress(bytes.fromhex(address[2:]))
    for address in (TENSOR_INFERENCE, HTTP, LLM, VECTOR_DATABASE, EMBEDDINGS, RAG, PROOF_VERIFIER)
)
"""Those of the design. Every chain of every process has all of them warm from a transaction's beginning on, so that gas
does not depend on what else the process runs. Training and the scheduler are contracts."""


@dataclass
class HostedBlock(vm.BlockEnvironment):
    """The specification's block, with the chain's precompiles."""

    host: SpcHost

    @property
    def world(self) -> World:
        """Its state, which is never another kind here."""
        return cast(World, self.state)


class EvmCall:
    """`SpcCall` on a frame of the specification."""

    def __init__(self, evm: Evm, spc: Spc) -> None:
        self._evm, self._spc = evm, spc
        self._env = cast(HostedBlock, evm.message.block_env)
        self.address: Address = spc.address
        self.caller: Address = to_address(bytes(evm.message.caller))
        self.data = bytes(evm.message.data)
        self.is_static: bool = evm.message.is_static

    @property
    def block(self) -> BlockContext:
        return BlockContext(int(self._env.chain_id), int(self._env.number), int(self._env.time))

    @property
    def gas_left(self) -> int:
        return int(self._evm.gas_left)

    @property
    def blobs(self) -> Blobs:
        return self._env.host.blobs

    def charge(self, gas: int) -> None:
        try:
            charge_gas(self._evm, Uint(gas))
        except OutOfGasError:
            raise SpcOutOfGas from None

    def load(self, slot: bytes) -> bytes:
        return get_storage(self._env.world, self._evm.message.current_target, Bytes32(slot)).to_be_bytes32()

    def load_from(self, address: Address, slot: bytes) -> bytes:
        owner = SpecAddress(bytes.fromhex(address[2:]))
        return get_storage(self._env.world, owner, Bytes32(slot)).to_be_bytes32()

    def store(self, slot: bytes, word: bytes) -> None:
        if self.is_static:
            raise SpcRevert(f"{self._spc.name}: a static call cannot change state")
        if self._spc.recorded:
            raise TypeError(f"{self._spc.name} is recorded: followers do not run it, so it can keep nothing")
        value = U256.from_be_bytes(Bytes32(word))
        set_storage(self._env.world, self._evm.message.current_target, Bytes32(slot), value)

    def ask(self, question: Question) -> bytes:
        if not self._spc.recorded:
            raise TypeError(f"{self._spc.name} is not recorded: every follower would ask, and be told something else")
        with deadline.paused():
            return self._env.host.outside.ask(question)


def adapter(evm: Evm) -> None:
    """Execute a frame at one of `ADDRESSES`."""
    message = evm.message
    host, address = cast(HostedBlock, message.block_env).host, bytes(message.code_address or b"")
    spc = host.find(address)
    if spc is None:
        return run_code(evm)
    if message.current_target != message.code_address:
        _revert(evm, f"{spc.name}: call it, without delegatecall and callcode")
    if message.value != 0:
        _revert(evm, f"{spc.name}: it takes no value")
    record = host.run(spc, address, bytes(message.caller), EvmCall(evm, spc))
    deadline.check()
    if record.outcome is Outcome.OUT_OF_GAS:
        raise OutOfGasError
    evm.output = record.output
    if record.outcome is Outcome.REVERTED:
        raise Revert
    return None


def _revert(evm: Evm, reason: str) -> None:
    evm.output = encode_error(reason)
    raise Revert
