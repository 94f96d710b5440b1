"""Tracers that give up on a trace which no answer can carry, before it fills the memory."""

from __future__ import annotations

from infernet.vm.request import CallLog
from infernet.vm.rpc.errors import exceeds
from infernet.vm.trace import CallFrame, CallTracer, Step, StructLogger

MAX_STEPS = 300_000
"""Executed, whether they are kept or not."""
MAX_TRACE_BYTES = 64 * 2**20
_ENTRY_BYTES, _WORD_BYTES = 300, 32
_COPIED_PER_KEPT = 256
"""Bytes of memory that are copied for a step and forgotten cost time alone."""


class Budget:
    """What the traces of one answer may take together."""

    def __init__(self) -> None:
        self._steps = self._size_bytes = 0

    def spend(self, size_bytes: int, steps: int = 0) -> None:
        """
        Raises:
            RpcError: -32005, it is used up.
        """
        self._steps += steps
        self._size_bytes += size_bytes
        if self._steps > MAX_STEPS:
            raise exceeds(f"the trace has more than {MAX_STEPS} steps: take callTracer")
        if self._size_bytes > MAX_TRACE_BYTES:
            raise exceeds(
                f"the trace has more than {MAX_TRACE_BYTES} bytes: set a limit, or leave memory, stack and storage out"
            )


class BoundedCallTracer(CallTracer):
    """The tree of calls, as long as it is not too large."""

    def __init__(self, budget: Budget, *, only_top: bool = False) -> None:
        super().__init__(only_top=only_top)
        self._budget = budget

    def enter(self, frame: CallFrame) -> None:
        self._budget.spend(_ENTRY_BYTES + len(frame.input))
        super().enter(frame)

    def leave(self, frame: CallFrame) -> None:
        self._budget.spend(len(frame.output))
        super().leave(frame)

    def log(self, frame: CallFrame, log: CallLog) -> None:
        self._budget.spend(_ENTRY_BYTES + len(log.data))
        super().log(frame, log)


class BoundedStructLogger(StructLogger):
    """One line per instruction, as long as there are not too many."""

    def __init__(
        self, budget: Budget, *, stack: bool, memory: bool, storage: bool, return_data: bool, limit: int
    ) -> None:
        super().__init__(stack=stack, memory=memory, storage=storage, return_data=return_data, limit=limit)
        self._budget = budget

    def step(self, step: Step) -> None:
        copied = len(step.memory or b"") + len(step.return_data or b"")
        words = len(step.stack or ()) + 2 * len(step.storage or ())
        is_kept = not self._limit or len(self.steps) < self._limit
        self._budget.spend(
            _ENTRY_BYTES + words * _WORD_BYTES + copied if is_kept else copied // _COPIED_PER_KEPT, steps=1
        )
        super().step(step)
