"""The node's end of a worker: a process that answers one request at a time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from typing import Any, Self, cast

from infernet.compute.frames import FrameBuffer, Kind, decode_error, encode_frame
from infernet.compute.worker import WORK_PREFIX
from infernet.errors import InfernetError, NodeMisconfigured, RetryLater

_LAST_WORDS_BYTES = 4096
_LAST_WORDS_WAIT_S = 0.05
SINGLE_THREADED = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""For small models: threads that wait for one another cost more than they bring."""


class WorkerProcess(asyncio.SubprocessProtocol):
    """One worker. Made by `launch`; killed, never asked to stop: it holds nothing that needs saving, and its temporary
    files go with it.
    """

    def __init__(self, container_id: str) -> None:
        self._id = container_id
        self._frames = FrameBuffer()
        self._last_words = bytearray()
        self._answer: asyncio.Future[bytes] | None = None
        self._ended = False
        self._exited = asyncio.Event()
        self._work = tempfile.TemporaryDirectory(prefix=WORK_PREFIX, ignore_cleanup_errors=True)
        self._transport: asyncio.SubprocessTransport

    @classmethod
    async def launch(cls, container_id: str, spec: Mapping[str, Any], timeout_s: float) -> Self:
        """A worker that has loaded what `spec` says.

        Raises:
            NodeMisconfigured: why it could not, in the worker's words; `container.start_timeout`.
            RetryLater: `container.crashed` while loading; `container.no_worker`: the machine gives no process now.
        """
        loop = asyncio.get_running_loop()
        command = (sys.executable, "-P", "-m", "infernet.compute.worker")
        try:
            worker = cls(container_id)
            environment = _build_environment() | {"TMPDIR": worker._work.name}
            await loop.subprocess_exec(lambda: worker, *command, env=environment, start_new_session=True)
        except OSError as error:  # too many processes or open files, too little memory
            message = f"no worker of {container_id} could be started ({error.strerror or error}): give the node more"
            raise RetryLater("container.no_worker", f"{message} processes, memory or open files") from error
        try:
            async with asyncio.timeout(timeout_s):
                await worker.request(Kind.LOAD, json.dumps(spec).encode())
        except TimeoutError:
            await worker.end()
            message = f"container {container_id} did not start within {timeout_s:g} s"
            raise NodeMisconfigured("container.start_timeout", message) from None
        except (InfernetError, asyncio.CancelledError):
            await worker.end()
            raise
        return worker

    @property
    def is_alive(self) -> bool:
        return not self._ended

    @property
    def is_gone(self) -> bool:
        return self._exited.is_set()

    @property
    def pid(self) -> int:
        return self._transport.get_pid()

    async def request(self, kind: Kind, payload: bytes) -> bytes:
        """The worker's answer. Whoever gives up waiting must `kill`: the answer would meet the next request.

        Raises:
            InfernetError: the one that the worker answered.
            RetryLater: `container.crashed`.
        """
        if self._ended:
            raise self._describe_crash()
        self._answer = asyncio.get_running_loop().create_future()
        stdin = cast(asyncio.WriteTransport, self._transport.get_pipe_transport(0))
        stdin.write(encode_frame(kind, payload))
        return await self._answer

    def kill(self) -> None:
        """End the process and all that it started."""
        if self._transport.get_returncode() is None:
            self._kill_group()
        self._end()

    async def end(self) -> None:
        """Kill, and wait until the process is gone."""
        self.kill()
        await self._exited.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self._last_words = (self._last_words + data)[-_LAST_WORDS_BYTES:]
            return
        for kind, payload in self._frames.feed(data):
            if self._answer is None or self._answer.done():
                continue
            if kind is Kind.ERROR:
                self._answer.set_exception(decode_error(payload))
            else:
                self._answer.set_result(payload)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 1:  # no answer comes any more: a moment for the exit code and the last words to arrive as well
            asyncio.get_running_loop().call_later(_LAST_WORDS_WAIT_S, self._end)

    def process_exited(self) -> None:
        self._kill_group()
        if self._ended:
            self._close()
        else:
            asyncio.get_running_loop().call_later(_LAST_WORDS_WAIT_S, self._close)

    def _close(self) -> None:
        self._end()
        self._transport.close()  # only now: closing earlier would reap the process behind the event loop's back
        self._work.cleanup()
        self._exited.set()

    def _end(self) -> None:
        self._ended = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(self._describe_crash())

    def _kill_group(self) -> None:
        """The worker leads a process group of its own; what user code started is in it."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._transport.get_pid(), signal.SIGKILL)

    def _describe_crash(self) -> RetryLater:
        code = self._transport.get_returncode()
        how = "ended" if code is None else f"was killed by signal {-code}" if code < 0 else f"exited with code {code}"
        lines = self._last_words.decode(errors="replace").strip().splitlines()
        words = f" ({lines[-1][:300]})" if lines else ""
        return RetryLater("container.crashed", f"the worker of {self._id} {how}{words}: a new one will be started")


def _build_environment() -> dict[str, str]:
    """What a worker may see: not the node's own settings, which can hold secrets."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("INFERNET_")}
    return SINGLE_THREADED | inherited
