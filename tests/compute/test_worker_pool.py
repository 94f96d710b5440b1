from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from infernet.compute.python import PythonContainer
from infernet.errors import JobRejected, NodeMisconfigured, RetryLater

Start = Callable[..., Awaitable[PythonContainer]]


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def wait_until(condition: Callable[[], bool], timeout_s: float = 30) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  (what is waited for happens in other processes)
            await asyncio.sleep(0.01)


async def test_features_go_in_and_the_output_comes_out(start: Start) -> None:
    container = await start()
    assert container.id == "t"
    assert await container.run(b"echo one") == b"one"
    large = os.urandom(3_000_000)
    assert await container.run(b"echo " + large) == large


async def test_what_the_code_raises_rejects_the_job_in_one_line(start: Start) -> None:
    container = await start()
    pid = await container.run(b"pid")
    with pytest.raises(JobRejected) as caught:
        await container.run(b"raise")
    assert (caught.value.code, str(caught.value)) == ("container.failed", "ValueError: first line")
    assert await container.run(b"pid") == pid


async def test_errors_of_the_house_keep_their_meaning(start: Start) -> None:
    container = await start()
    with pytest.raises(RetryLater, match="the peer is down"):
        await container.run(b"later")


async def test_an_output_that_is_not_bytes_rejects_the_job(start: Start) -> None:
    container = await start()
    with pytest.raises(JobRejected, match="returned str, not bytes"):
        await container.run(b"text")


async def test_what_the_code_prints_does_not_disturb_the_answers(start: Start) -> None:
    container = await start()
    assert await container.run(b"print x") == b"x"
    assert await container.run(b"echo y") == b"y"


async def test_the_code_does_not_see_the_nodes_own_settings(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERNET_PASSWORD", "secret")
    monkeypatch.setenv("OTHER", "visible")
    container = await start()
    assert await container.run(b"env INFERNET_PASSWORD") == b"unset"
    assert await container.run(b"env OTHER") == b"visible"


async def test_a_crash_is_retried_later_by_a_new_worker(start: Start) -> None:
    container = await start()
    before = await container.run(b"pid")
    with pytest.raises(RetryLater, match=r"killed by signal 11 \(last words\)") as caught:
        await container.run(b"crash")
    assert caught.value.code == "container.crashed"
    assert await container.run(b"pid") != before
    with pytest.raises(RetryLater, match="exited with code 3"):
        await container.run(b"exit")
    assert await container.run(b"echo back") == b"back"


async def test_a_worker_that_dies_while_idle_is_replaced_unseen(start: Start) -> None:
    container = await start()
    pid = int(await container.run(b"pid"))
    os.kill(pid, signal.SIGKILL)
    await wait_until(lambda: not is_running(pid))
    await asyncio.sleep(0.1)
    assert await container.run(b"echo still here") == b"still here"


async def test_cancelling_a_run_stops_the_work(start: Start, tmp_path: Path) -> None:
    container = await start()
    pid_file = tmp_path / "pid"
    task = asyncio.create_task(container.run(f"sleep {pid_file}".encode()))
    await wait_until(lambda: pid_file.exists() and bool(pid_file.read_text()))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await wait_until(lambda: not is_running(int(pid_file.read_text())))
    assert await container.run(b"echo next") == b"next"


async def test_a_run_beyond_its_time_is_stopped(start: Start, tmp_path: Path) -> None:
    container = await start(run_timeout_s=0.3)
    pid_file = tmp_path / "pid"
    with pytest.raises(RetryLater, match=r"longer than 0\.3 s") as caught:
        await container.run(f"sleep {pid_file}".encode())
    assert caught.value.code == "container.timeout"
    await wait_until(lambda: not is_running(int(pid_file.read_text())))


async def test_temporary_files_go_with_the_worker(start: Start, tmp_path: Path) -> None:
    container = await start(run_timeout_s=0.3)
    of_a_killed_one = Path((await container.run(b"temporary")).decode())
    with pytest.raises(RetryLater):
        await container.run(f"sleep {tmp_path / 'pid'}".encode())
    await wait_until(lambda: not of_a_killed_one.exists())
    of_another = Path((await container.run(b"temporary")).decode())
    assert of_another.parent != of_a_killed_one.parent
    await container.stop()
    assert not of_another.parent.exists()


async def test_runs_beyond_the_concurrency_wait_for_their_turn(start: Start) -> None:
    container = await start(max_concurrency=2)
    outputs = await asyncio.gather(*(container.run(f"echo {i}".encode()) for i in range(40)))
    assert outputs == [str(i).encode() for i in range(40)]
    pids = set(await asyncio.gather(*(container.run(b"pid") for _ in range(40))))
    assert len(pids) <= 2


async def test_stopping_ends_idle_and_busy_workers_and_what_they_started(start: Start, tmp_path: Path) -> None:
    container = await start(max_concurrency=2)
    child = int(await container.run(b"spawn"))
    busy = asyncio.create_task(container.run(f"sleep {tmp_path / 'pid'}".encode()))
    await wait_until((tmp_path / "pid").exists)
    await container.stop()
    with pytest.raises(RetryLater):
        await busy
    await wait_until(lambda: not is_running(child))
    with pytest.raises(RetryLater, match="not running"):
        await container.run(b"echo")


@pytest.mark.parametrize("at_work", [False, True])
def test_workers_end_with_a_parent_that_is_killed(code: str, tmp_path: Path, at_work: bool) -> None:
    pid_file = tmp_path / "pid"
    first = f"await container.run(b'sleep {pid_file}')" if at_work else "pass"
    program = f"""
        import asyncio
        from infernet.compute.python import PythonContainer
        async def main():
            container = PythonContainer("t", {code!r})
            await container.start()
            print((await container.run(b"pid")).decode(), (await container.run(b"spawn")).decode(), flush=True)
            {first}
            await asyncio.sleep(60)
        asyncio.run(main())
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker, child = (int(pid) for pid in parent.stdout.readline().split())
    if at_work:
        asyncio.run(wait_until(pid_file.exists))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    asyncio.run(wait_until(lambda: not is_running(worker) and not is_running(child)))


@pytest.mark.parametrize(
    ("target", "container_id", "error_code", "message"),
    [
        ("no/such/file.py:t", "t", "container.not_found", "there is no file"),
        ("no.such.module:t", "t", "container.not_found", "there is no module"),
        ("nonsense", "t", "container.not_found", "write module:name"),
        ("code.py:missing", "t", "container.not_found", "there is no 'missing'"),
        ("code.py:t", "other", "container.id_mismatch", "calls itself 't'"),
        ("json:dumps", "t", "container.not_decorated", "@infernet.serve.container"),
        ("broken.py:t", "t", "container.start_failed", "ZeroDivisionError"),
        ("needs.py:t", "t", "container.start_failed", "No module named 'missing_package'"),
    ],
)
async def test_a_container_that_cannot_start_says_why_in_one_line(
    code: str, tmp_path: Path, target: str, container_id: str, error_code: str, message: str
) -> None:
    (tmp_path / "broken.py").write_text("1 / 0")
    (tmp_path / "needs.py").write_text("import missing_package")
    place = str(tmp_path / target) if (tmp_path / target.partition(":")[0]).exists() else target
    with pytest.raises(NodeMisconfigured) as caught:
        await PythonContainer(container_id, place).start()
    assert caught.value.code == error_code
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_start_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time; time.sleep(60)")
    container = PythonContainer("slow", f"{tmp_path / 'slow.py'}:slow", start_timeout_s=0.5)
    async with asyncio.timeout(30):  # half of what the container sleeps
        with pytest.raises(NodeMisconfigured, match=r"did not start within 0\.5 s"):
            await container.start()


async def test_a_crash_at_the_start_is_a_misconfiguration(tmp_path: Path) -> None:
    (tmp_path / "dies.py").write_text("import os; os._exit(9)")
    with pytest.raises(NodeMisconfigured, match="exited with code 9"):
        await PythonContainer("dies", f"{tmp_path / 'dies.py'}:dies", max_concurrency=2).start()


async def test_a_machine_that_gives_no_process_is_a_reason_to_try_later(start: Start) -> None:
    container = await start()
    with pytest.raises(RetryLater):
        await container.run(b"crash")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")), hard))
    try:
        with pytest.raises(RetryLater, match="no worker of t could be started") as caught:
            await container.run(b"echo one")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert caught.value.code == "container.no_worker"
    assert await container.run(b"echo one") == b"one"


async def test_a_node_that_gets_no_process_at_its_start_says_so(code: str) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")), hard))
    try:
        with pytest.raises(NodeMisconfigured, match="no worker of t could be started") as caught:
            await PythonContainer("t", code).start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert caught.value.code == "container.no_worker"
