from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from infernet.chain.anvil import AnvilChain
from infernet.chain.anvil_binary import find_anvil, package_name
from infernet.chain.local import DEV_ACCOUNTS, LocalChain
from infernet.chain.rpc import RpcChain
from infernet.errors import InvalidInput, NodeMisconfigured, RetryLater
from infernet.testing.world import wait_until
from infernet.types import Timestamp, Wei

pytestmark = pytest.mark.chain


def _is_running(process_id: int) -> bool:
    stat = Path(f"/proc/{process_id}/stat")
    return stat.exists() and stat.read_text().split(") ")[1][0] != "Z"


def _folders() -> set[str]:
    return {path.name for path in Path(tempfile.gettempdir()).glob("infernet-anvil-*")}


async def test_stopping_leaves_no_process_no_port_and_no_file() -> None:
    before = _folders()
    chain = AnvilChain()
    await chain.start()
    process_id, port = chain.process_id, int(chain.rpc_url.rsplit(":", 1)[1])
    assert process_id is not None
    await chain.mine(3)
    assert _folders() != before
    await chain.stop()
    await chain.stop()
    assert not _is_running(process_id)
    assert _folders() <= before
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", port))


async def test_a_port_in_use_is_one_line_that_names_it(anvil: AnvilChain) -> None:
    port = int(anvil.rpc_url.rsplit(":", 1)[1])
    with pytest.raises(NodeMisconfigured, match=f"port {port} is in use") as caught:
        await AnvilChain(port=port).start()
    assert caught.value.code == "port.in_use"


async def test_a_program_that_ends_at_once_is_one_line() -> None:
    with pytest.raises(NodeMisconfigured) as caught:
        await AnvilChain(binary=Path("/bin/false")).start()
    assert caught.value.code == "local_chain.failed"
    with pytest.raises(NodeMisconfigured):
        await AnvilChain(binary=Path("/nowhere/anvil")).start()


async def test_a_chain_that_is_not_started_says_so() -> None:
    with pytest.raises(RetryLater, match="not running"):
        await AnvilChain().mine()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
def test_the_chain_dies_with_a_parent_that_is_killed() -> None:
    code = (
        "import asyncio\nfrom infernet.chain.anvil import AnvilChain\n"
        "async def main():\n c = AnvilChain()\n await c.start()\n print(c.process_id, flush=True)\n"
        " await asyncio.sleep(60)\n"
        "asyncio.run(main())"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    process_id = int(parent.stdout.readline())
    assert _is_running(process_id)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 30
    while _is_running(process_id) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _is_running(process_id)


async def test_the_next_start_removes_what_a_killed_parent_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "infernet-anvil-999999999-abc").mkdir()
    (tmp_path / f"infernet-anvil-{os.getpid()}-abc").mkdir()
    async with AnvilChain():
        left = set(os.listdir(tmp_path))
    assert "infernet-anvil-999999999-abc" not in left
    assert f"infernet-anvil-{os.getpid()}-abc" in left


async def test_blocks_come_by_themselves_on_an_interval_of_a_fraction() -> None:
    async with AnvilChain(block_time_s=0.2) as chain, RpcChain(chain.rpc_url) as rpc:
        first = (await rpc.fetch_head()).number

        async def have_come() -> bool:
            return (await rpc.fetch_head()).number >= first + 2

        await wait_until(have_come)


async def test_time_is_set_and_increased(anvil: AnvilChain, rpc: RpcChain) -> None:
    start = (await rpc.fetch_head()).timestamp
    await anvil.set_next_timestamp(Timestamp(start + 1000))
    await anvil.mine()
    assert (await rpc.fetch_head()).timestamp == start + 1000
    await anvil.increase_time(500)
    await anvil.mine()
    assert (await rpc.fetch_head()).timestamp >= start + 1500


async def test_a_revert_brings_back_the_snapshot_once(anvil: AnvilChain, rpc: RpcChain) -> None:
    account = DEV_ACCOUNTS[9].address
    before = await rpc.fetch_balance(account)
    snapshot = await anvil.snapshot()
    await anvil.set_balance(account, Wei(7))
    assert await rpc.fetch_balance(account) == 7
    await anvil.revert(snapshot)
    assert await rpc.fetch_balance(account) == before
    with pytest.raises(InvalidInput):
        await anvil.revert("0x1234")


async def test_mining_waits_where_automine_is_off(anvil: AnvilChain, rpc: RpcChain) -> None:
    await anvil.set_automine(False)
    head = (await rpc.fetch_head()).number
    await anvil.mine(5)
    assert (await rpc.fetch_head()).number == head + 5


async def test_it_is_a_local_chain_with_the_accounts_everybody_knows(anvil: AnvilChain, rpc: RpcChain) -> None:
    chain: LocalChain = anvil
    assert await rpc.fetch_chain_id() == chain.chain_id
    assert all([await rpc.fetch_balance(account.address) > 0 for account in chain.accounts])


def test_a_variable_that_names_no_program_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERNET_ANVIL", "/nowhere/anvil")
    with pytest.raises(NodeMisconfigured, match="/nowhere/anvil"):
        find_anvil()


def test_the_package_is_that_of_this_machine() -> None:
    assert package_name().startswith("anvil-")


def test_a_dev_accounts_key_is_not_shown() -> None:
    assert DEV_ACCOUNTS[0].private_key.hex() not in repr(DEV_ACCOUNTS[0])
    assert str(DEV_ACCOUNTS[0].private_key) not in repr(DEV_ACCOUNTS[0])
