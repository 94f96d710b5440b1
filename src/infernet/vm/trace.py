"""Tracers: the tree of calls, and one line per instruction. What a client formats, any engine fills."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from infernet.protocol.hashing import keccak
from infernet.vm.request import CallLog

ETHER = b"\xee" * 20
TRANSFER_TOPIC = keccak(b"Transfer(address,address,uint256)")
_MOVING = frozenset({"CALL", "CREATE", "CREATE2", "SELFDESTRUCT"})


@dataclass(frozen=True, slots=True)
class StepWants:
    """What each step is to hold beside the instruction."""

    stack: bool = True
    memory: bool = False
    storage: bool = True
    return_data: bool = False


class Tracer(Protocol):
    """What an engine tells while it executes. Everything happens between `enter` and `leave` of the outermost frame."""

    @property
    def wants(self) -> StepWants | None:
        """None for no steps, which are many times slower. With steps, no logs and no SELFDESTRUCT frames are told."""
        ...

    def enter(self, frame: CallFrame) -> None:
        """A frame begins."""
        ...

    def leave(self, frame: CallFrame) -> None:
        """It ended: its `gas_used`, `output` and `error` are set."""
        ...

    def log(self, frame: CallFrame, log: CallLog) -> None:
        """A log was emitted in this frame, which may revert later."""
        ...

    def step(self, step: Step) -> None:
        """An instruction begins; its cost and its error are filled in as they come to be known."""
        ...


@dataclass(slots=True)
class CallFrame:
    """One frame of execution.

    Attributes:
        kind: `CALL`, `STATICCALL`, `DELEGATECALL`, `CALLCODE`, `CREATE`, `CREATE2`, `SELFDESTRUCT`.
        to: the code's address for a call, the new contract for a creation.
        error: None, `execution reverted` or what halted it.
        logs: each with the number of calls made before it.
    """

    kind: str
    sender: bytes
    to: bytes
    value: int
    gas: int
    input: bytes
    gas_used: int = 0
    output: bytes = b""
    error: str | None = None
    calls: list[CallFrame] = field(default_factory=list)
    logs: list[tuple[int, CallLog]] = field(default_factory=list)


@dataclass(slots=True)
class Step:
    """One instruction, as it was before it was executed.

    Attributes:
        depth: 1 in the outermost frame.
        stack: bottom first.
        memory: bytes of the frame, None where the tracer did not ask.
        storage: slots that this contract read or wrote so far, where the instruction is SLOAD or SSTORE.
        error: what halted the frame here.
    """

    pc: int
    op: str
    gas: int
    cost: int
    depth: int
    refund: int
    stack: list[int] | None = None
    memory: bytes | None = None
    storage: dict[bytes, bytes] | None = None
    return_data: bytes | None = None
    error: str | None = None


class CallTracer:
    """The tree of calls, as `debug_traceTransaction` with `callTracer` gives it."""

    wants: StepWants | None = None

    def __init__(self, *, only_top: bool = False) -> None:
        self.root: CallFrame | None = None
        self._only_top = only_top
        self._open: list[CallFrame] = []

    def enter(self, frame: CallFrame) -> None:
        if not self._open:
            self.root = frame
        elif not self._only_top:
            self._open[-1].calls.append(frame)
        self._open.append(frame)

    def leave(self, frame: CallFrame) -> None:
        self._open.pop()

    def log(self, frame: CallFrame, log: CallLog) -> None:
        frame.logs.append((len(frame.calls), log))

    def step(self, step: Step) -> None:
        raise AssertionError("not asked for")


class TransferLogs:
    """What was logged, and each movement of ether as the log of a token at `ETHER` would be; less what was reverted."""

    wants: StepWants | None = None

    def __init__(self) -> None:
        self.logs: list[CallLog] = []
        self._before: list[int] = []

    def enter(self, frame: CallFrame) -> None:
        self._before.append(len(self.logs))
        if frame.value and frame.kind in _MOVING:
            topics = (TRANSFER_TOPIC, frame.sender.rjust(32, b"\0"), frame.to.rjust(32, b"\0"))
            self.logs.append(CallLog(ETHER, topics, frame.value.to_bytes(32, "big")))

    def leave(self, frame: CallFrame) -> None:
        before = self._before.pop()
        if frame.error is not None:
            del self.logs[before:]

    def log(self, frame: CallFrame, log: CallLog) -> None:
        self.logs.append(log)

    def step(self, step: Step) -> None:
        raise AssertionError("not asked for")


class Outermost:
    """Passes everything on, and keeps how the outermost frame ended."""

    def __init__(self, inner: Tracer) -> None:
        self.output, self.error = b"", None  # type: tuple[bytes, str | None]
        self.wants = inner.wants
        self._inner = inner
        self._depth = 0

    def enter(self, frame: CallFrame) -> None:
        self._depth += 1
        self._inner.enter(frame)

    def leave(self, frame: CallFrame) -> None:
        self._depth -= 1
        if not self._depth:
            self.output, self.error = frame.output, frame.error
        self._inner.leave(frame)

    def log(self, frame: CallFrame, log: CallLog) -> None:
        self._inner.log(frame, log)

    def step(self, step: Step) -> None:
        self._inner.step(step)


class StructLogger:
    """One line per instruction, as `debug_traceTransaction` without a tracer's name gives them.

    Args:
        limit: keep so many lines, 0 for all.
    """

    def __init__(
        self,
        *,
        stack: bool = True,
        memory: bool = False,
        storage: bool = True,
        return_data: bool = False,
        limit: int = 0,
    ) -> None:
        self.steps: list[Step] = []
        self.wants: StepWants | None = StepWants(stack, memory, storage, return_data)
        self._limit = limit

    def enter(self, frame: CallFrame) -> None: ...
    def leave(self, frame: CallFrame) -> None: ...
    def log(self, frame: CallFrame, log: CallLog) -> None: ...
    def step(self, step: Step) -> None:
        if not self._limit or len(self.steps) < self._limit:
            self.steps.append(step)
