"""Training jobs (0x0813): reading them from the chain, and the producer's answers.

The jobs themselves stand in a contract in the genesis state (`contracts/src/spc/Training.sol`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from infernet.errors import InvalidInput
from infernet.protocol.abi import BYTES, BYTES32, AbiType, Function
from infernet.protocol.abi_codec import decode_abi
from infernet.protocol.hashing import keccak
from infernet.vm.block import LogEntry
from infernet.vm.spc.addresses import TRAINING
from infernet.web import decode_json

ADDRESS = bytes.fromhex(TRAINING[2:])
SUBMITTED = keccak(b"TrainingSubmitted(bytes32,address,uint32,uint40,uint128,bytes)")
MAX_RESULT_BYTES = 16_384

_BOOL = AbiType("bool", "a bool", lambda value: isinstance(value, bool))
_COMPLETE = Function("complete", {"jobId": BYTES32, "ok": _BOOL, "result": BYTES})
_GET_JOB = Function(
    "getJob", {"jobId": BYTES32}, AbiType("(address,uint32,uint40,uint8,bytes32,uint128)", "a job", lambda _: False)
)
_STATE_FIELD, _OPEN = 3, 1
_MAX_TRANSACTION_GAS = 1 << 24
_BASE_GAS = 500_000
_GAS_PER_RESULT_BYTE = 250
"""16 of calldata, 200 where it is stored, and the copies for the callback and the event."""


class TrainingFailed(Exception):
    """The training has no result, and why, in words for its owner."""


class Trainer(Protocol):
    """A workflow that jobs may ask for. It runs in a process of its own."""

    def train(self, spec: Mapping[str, Any], folder: Path) -> bytes:
        """Train what the specification says. Models lie in the folder or below it, each with its manifest: those are
        published before the job is answered.

        Returns:
            The result, as the workflow defines it, at most `MAX_RESULT_BYTES`.

        Raises:
            TrainingFailed: it cannot be done.
        """
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """A training that somebody asks for.

    Attributes:
        deadline: timestamp (seconds) until which it may be answered.
        fee: wei that the answer earns.
    """

    id: bytes
    owner: bytes
    callback_gas: int
    deadline: int
    fee: int
    spec: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What the producer's transaction says of a job.

    Attributes:
        models: the folders of what was trained, which come onto the chain before it.
    """

    job: Job
    ok: bool
    result: bytes
    models: tuple[Path, ...] = ()

    def encode(self) -> bytes:
        """The calldata of `complete`."""
        return _COMPLETE.encode(self.job.id, self.ok, self.result)

    @property
    def gas(self) -> int:
        """A gas limit that covers the callback and all around it."""
        own = _BASE_GAS + _GAS_PER_RESULT_BYTE * len(self.result)
        return min(_MAX_TRANSACTION_GAS, self.job.callback_gas * 64 // 63 + own)


def decode_job(log: LogEntry) -> Job | None:
    """The job that a log announces; None for any other log."""
    if log.address != ADDRESS or log.topics[:1] != (SUBMITTED,):
        return None
    callback_gas, deadline, fee, spec = decode_abi(["uint32", "uint40", "uint128", "bytes"], log.data)
    return Job(log.topics[1], log.topics[2][12:], callback_gas, deadline, fee, spec)


def encode_get_job(job_id: bytes) -> bytes:
    """The calldata of `getJob`."""
    return _GET_JOB.encode(job_id)


def is_open(returned: bytes) -> bool:
    """Whether the job that `getJob` returned still waits for its answer."""
    return bool(_GET_JOB.decode_returned(returned)[_STATE_FIELD] == _OPEN)


def read_spec(spec: bytes) -> Mapping[str, Any]:
    """The specification's JSON object, `workflow` and what that takes.

    Raises:
        TrainingFailed: it is none.
    """
    try:
        decoded = decode_json(spec)
    except InvalidInput:
        decoded = None
    if not isinstance(decoded, dict) or not isinstance(decoded.get("workflow"), str):
        raise TrainingFailed('the specification is no JSON object with a "workflow"')
    return decoded


def build_failure(job: Job, reason: str) -> Answer:
    """An answer that says why there is no result."""
    return Answer(job, False, reason.encode("utf-8", "replace")[:1_024])
