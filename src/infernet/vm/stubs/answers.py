"""The precompiles behind the stubs: their states by version, and what they have answered."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from immutables import Map

from infernet.errors import InvalidInput
from infernet.types import Address, ChainId
from infernet.vm.block import Outcome
from infernet.vm.spc.call import WORD_BYTES, BlockContext, Spc, SpcOutOfGas
from infernet.vm.spc.host import SpcHost
from infernet.vm.spc.outside import Question
from infernet.vm.stubs.places import VERSION_SLOT, StubAnswer, StubRequest

_GAS = 60_000_000
"""What a precompile may charge: the gas of a stub's frame says nothing about it."""

_Words = Map[bytes, bytes]


class StubBlobs:
    """Blobs in memory."""

    def __init__(self) -> None:
        self._by_hash: dict[bytes, bytes] = {}

    def get(self, sha256: bytes) -> bytes:
        """Raises `KeyError` where they are not there."""
        return self._by_hash[sha256]

    def put(self, data: bytes) -> bytes:
        """Keep them; the answer is their sha256."""
        digest = hashlib.sha256(data).digest()
        self._by_hash[digest] = data
        return digest


@dataclass
class StubCall:
    """What the precompile sees of a stub's request. Writes stay in `words`.

    A static call is not told from others here: where the answer changes the state, the stub writes its new version, and
    that fails in a static call.
    """

    address: Address
    caller: Address
    data: bytes
    block: BlockContext
    blobs: StubBlobs
    words: _Words
    others: Mapping[Address, _Words]
    gas_left: int = _GAS
    is_static: bool = field(default=False, init=False)

    def charge(self, gas: int) -> None:
        """Raises `SpcOutOfGas` where less is left."""
        if gas > self.gas_left:
            raise SpcOutOfGas
        self.gas_left -= gas

    def load(self, slot: bytes) -> bytes:
        return self.words.get(slot, bytes(WORD_BYTES))

    def load_from(self, address: Address, slot: bytes) -> bytes:
        return self.others.get(address, _Words()).get(slot, bytes(WORD_BYTES))

    def store(self, slot: bytes, word: bytes) -> None:
        self.words = self.words.set(slot, word)

    def ask(self, question: Question) -> bytes:
        return question.ask()


class Answers:
    """Runs precompiles on the state that a request names.

    States are kept by version and share what they have in common; a version names all that was changed before it, so a
    snapshot, a reorg or an older block finds its own.
    """

    def __init__(self, spcs: Sequence[Spc], chain_id: ChainId) -> None:
        self._spcs = {spc.address: spc for spc in spcs}
        self._chain_id = chain_id
        self._blobs = StubBlobs()
        self._states = {(spc.address, VERSION_SLOT): _Words() for spc in spcs}
        self._given: dict[tuple[Address, bytes], StubAnswer] = {}

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Of the precompiles there are."""
        return tuple(self._spcs)

    def find(self, spc: Address, place: bytes) -> StubAnswer | None:
        """What was answered there, None where nothing was."""
        return self._given.get((spc, place))

    def answer(self, request: StubRequest, versions: Mapping[Address, bytes], timestamp: int) -> StubAnswer:
        """The precompile's answer; to the same request always the same.

        Args:
            versions: of every precompile's state at that moment, since one may read another's.

        Raises:
            InvalidInput: `stubs.state_unknown`: the chain is older than this host.
            NodeMisconfigured: the precompile cannot go on.
        """
        known = self.find(request.spc, request.place)
        if known is not None:
            return known
        block = BlockContext(self._chain_id, request.block_number, timestamp)
        words = self._find_state(request.spc, request.version)
        others = {address: self._find_state(address, version) for address, version in versions.items()}
        call = StubCall(request.spc, request.caller, request.data, block, self._blobs, words, others)
        answer = self._run(call)
        if answer.changes_state:
            self._states[request.spc, request.place] = call.words
        self._given[request.spc, request.place] = answer
        return answer

    def _run(self, call: StubCall) -> StubAnswer:
        spc, before = self._spcs[call.address], call.words
        address, caller = (bytes.fromhex(account[2:]) for account in (call.address, call.caller))
        record = SpcHost({address: spc}, call.blobs).run(spc, address, caller, call)
        if record.outcome is not Outcome.OK:
            return StubAnswer(record.output, reverts=True)
        return StubAnswer(record.output, changes_state=call.words is not before)

    def _find_state(self, spc: Address, version: bytes) -> _Words:
        state = self._states.get((spc, version))
        if state is None:
            message = f"the state of {spc} was made before this host: start the chain and its stubs anew"
            raise InvalidInput("stubs.state_unknown", message)
        return state
