"""`LocalChain` by a program of its own, as a child process that never outlives this one."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from infernet.chain.local import DEV_ACCOUNTS, LOCAL_CHAIN_ID, DevAccount
from infernet.chain.transport import HttpTransport
from infernet.errors import InvalidInput, NodeMisconfigured, RetryLater
from infernet.types import Address, ChainId, Timestamp, Wei

HOST = "127.0.0.1"
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 3.0
_POLL_S = 0.02
_STDERR = "stderr.log"
_PR_SET_PDEATHSIG = 1


class ChildChain(ABC):
    """A chain on loopback, behind a program that answers JSON-RPC with the development methods of anvil.

    Args:
        port: 0 takes a free one.
        block_time_s: seconds between blocks, fractions allowed; None makes a block for each transaction.
        chain_id: EIP-155 chain id.
        block_gas_limit: gas of one block; None takes the program's own.

    On Linux the child dies with the thread that called `start`, however that ends, so call it in a thread that
    stays. Elsewhere it dies on `stop` alone.

    Attributes:
        program: its name, in errors and in the names of its folders.
    """

    program: ClassVar[str]

    def __init__(
        self,
        *,
        port: int = 0,
        block_time_s: float | None = None,
        chain_id: ChainId = LOCAL_CHAIN_ID,
        block_gas_limit: int | None = None,
    ) -> None:
        self._wanted_port = port
        self._block_time_s = block_time_s
        self._chain_id = chain_id
        self._block_gas_limit = block_gas_limit
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None

    @abstractmethod
    async def _find(self) -> Sequence[str]:
        """The command, without arguments, fetched where it is not there."""

    @abstractmethod
    def _arguments(self, folder: Path) -> list[str]:
        """What follows the command. The folder is the child's, and goes with it."""

    @property
    def rpc_url(self) -> str:
        return f"http://{HOST}:{self._port}"

    @property
    def chain_id(self) -> ChainId:
        return self._chain_id

    @property
    def accounts(self) -> tuple[DevAccount, ...]:
        return DEV_ACCOUNTS

    @property
    def process_id(self) -> int | None:
        """The child's, None where it does not run."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Return when the chain answers.

        Raises:
            NodeMisconfigured: `port.in_use`; `local_chain.failed`, it ended at once; `anvil.missing`.
        """
        if self._process is not None:
            return
        command = await self._find()
        _sweep_folders(self._prefix)
        self._port = _reserve_port(self._wanted_port)
        folder = Path(tempfile.mkdtemp(prefix=f"{self._prefix}{os.getpid()}-"))
        self._folder = folder
        try:
            self._process = self._spawn(command, folder)
            await self._wait_until_ready(self._process, folder)
        except OSError as error:
            await self.stop()
            message = f"{command[0]} does not start: {error.strerror}"
            raise NodeMisconfigured("local_chain.failed", message) from error
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Leave no process, port or file behind. Safe to call twice."""
        process, self._process = self._process, None
        folder, self._folder = self._folder, None
        try:
            if process is not None:
                await _end(process)
        finally:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)

    async def mine(self, blocks: int = 1) -> None:
        await self.request("anvil_mine", hex(blocks))

    async def set_next_timestamp(self, timestamp: Timestamp) -> None:
        await self.request("evm_setNextBlockTimestamp", hex(timestamp))

    async def increase_time(self, seconds: int) -> None:
        await self.request("evm_increaseTime", hex(seconds))

    async def snapshot(self) -> str:
        snapshot_id: str = await self.request("evm_snapshot")
        return snapshot_id

    async def revert(self, snapshot_id: str) -> None:
        if not await self.request("evm_revert", snapshot_id):
            raise InvalidInput("snapshot.unknown", f"there is no snapshot {snapshot_id}: each can be used once")

    async def set_balance(self, address: Address, balance: Wei) -> None:
        await self.request("anvil_setBalance", address, hex(balance))

    async def set_automine(self, on: bool) -> None:
        await self.request("evm_setAutomine", on)

    async def set_interval(self, seconds: int) -> None:
        await self.request("evm_setIntervalMining", seconds)

    async def request(self, method: str, *params: Any) -> Any:
        """Any other method. Works from any event loop.

        Raises:
            RetryLater: `chain.unreachable`, it is not started or it died.
        """
        if self._process is None:
            raise RetryLater("chain.unreachable", "the local chain is not running: start it first")
        async with HttpTransport(self.rpc_url, attempts=1, timeout_s=60) as transport:
            return await transport.request(method, *params)

    @property
    def _prefix(self) -> str:
        return f"infernet-{self.program}-"

    def _spawn(self, command: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
        with (folder / _STDERR).open("wb") as stderr:
            return subprocess.Popen(
                [*command, *self._arguments(folder)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,  # Ctrl-C in the terminal is for us: we stop it in our own time
                preexec_fn=_die_with_parent(),  # noqa: PLW1509  (it calls the kernel and nothing else)
            )

    async def _wait_until_ready(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise self._explain_end(process, folder)
            try:
                await self.request("eth_chainId")
            except RetryLater:
                await asyncio.sleep(_POLL_S)
            else:
                await asyncio.sleep(_POLL_S)
                if process.poll() is None:  # else it was another program that answered, and ours found the port taken
                    return
        message = f"{self.program} did not answer within {_START_TIMEOUT_S:g} s"
        raise NodeMisconfigured("local_chain.failed", message)

    def _explain_end(self, process: subprocess.Popen[bytes], folder: Path) -> NodeMisconfigured:
        said = (folder / _STDERR).read_text("utf-8", "replace").strip()
        if "in use" in said:
            return _port_in_use(self._port)
        last = said.splitlines()[-1] if said else f"exit code {process.returncode}"
        return NodeMisconfigured("local_chain.failed", f"{self.program} ended at once: {last[:200]}")


async def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(process.wait, _STOP_TIMEOUT_S)
    finally:
        process.kill()
        process.wait()


def _reserve_port(port: int) -> int:
    """A port that is free at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise _port_in_use(port) from None
            raise NodeMisconfigured("port.unusable", f"port {port} cannot be used: {error.strerror}") from error
        except OverflowError:
            raise NodeMisconfigured("port.unusable", f"{port} is no port: give 0 to 65535") from None
        free: int = probe.getsockname()[1]
        return free


def _port_in_use(port: int) -> NodeMisconfigured:
    return NodeMisconfigured(
        "port.in_use",
        f"port {port} is in use: stop what listens there or choose another port (0 takes a free one)",
        port=port,
    )


def _sweep_folders(prefix: str) -> None:
    """Remove what parents that were killed could not."""
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        owner = folder.name.removeprefix(prefix).split("-")[0]
        if owner.isdigit() and not _is_alive(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _die_with_parent() -> Callable[[], None] | None:
    """What the child runs before the program takes its place: the kernel kills it when our thread ends. Linux only."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def set_death_signal() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)

    return set_death_signal
