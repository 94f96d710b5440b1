"""Both kinds of local chain do what `LocalChain` says, and leave nothing behind."""

from __future__ import annotations

import asyncio
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
from infernet.chain.child import ChildChain
from infernet.chain.embedded import EmbeddedChain
from infernet.chain.local import DEV_ACCOUNTS, LocalChain
from infernet.chain.rpc import RpcChain
from infernet.errors import InvalidInput, NodeMisconfigured, RetryLater
from infernet.testing.world import wait_until
from infernet.types import ChainId, Timestamp, Wei

pytestmark = [pytest.mark.chain, pytest.mark.both_chains]


def _is_running(process_id: int) -> bool:
    stat = Path(f"/proc/{process_id}/stat")
    return stat.exists() and stat.read_text().split(") ")[1][0] != "Z"


def _folders(kind: type[ChildChain]) -> set[str]:
    return {path.name for path in Path(tempfile.gettempdir()).glob(f"infernet-{kind.program}-{os.getpid()}-*")}


async def test_stopping_leaves_no_process_no_port_and_no_file(chain_kind: type[ChildChain]) -> None:
    before = _folders(chain_kind)
    chain = chain_kind()
    await chain.start()
    process_id, port = chain.process_id, int(chain.rpc_url.rsplit(":", 1)[1])
    assert process_id is not None
    await chain.mine(3)
    assert _folders(chain_kind) != before
    await chain.stop()
    await chain.stop()
    assert not _is_running(process_id)
    assert _folders(chain_kind) <= before
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", port))


async def test_a_port_in_use_is_one_line_that_names_it(chain_kind: type[ChildChain], chain_session: ChildChain) -> None:
    port = int(chain_session.rpc_url.rsplit(":", 1)[1])
    with pytest.raises(NodeMisconfigured, match=f"port {port} is in use") as caught:
        await chain_kind(port=port).start()
    assert caught.value.code == "port.in_use"


async def test_a_program_that_ends_at_once_is_one_line(tmp_path: Path) -> None:
    for chain in (AnvilChain(binary=Path("/bin/false")), EmbeddedChain(layer=tmp_path / "nowhere.toml")):
        with pytest.raises(NodeMisconfigured) as caught:
            await chain.start()
        assert caught.value.code == "local_chain.failed"
        assert "\n" not in caught.value.message
    with pytest.raises(NodeMisconfigured):
        await AnvilChain(binary=Path("/nowhere/anvil")).start()


async def test_a_chain_that_is_not_started_says_so(chain_kind: type[ChildChain]) -> None:
    with pytest.raises(RetryLater, match="not running"):
        await chain_kind().mine()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
def test_the_chain_dies_with_a_parent_that_is_killed(chain_kind: type[ChildChain]) -> None:
    code = (
        f"import asyncio\nfrom {chain_kind.__module__} import {chain_kind.__name__} as Kind\n"
        "async def main():\n c = Kind()\n await c.start()\n print(c.process_id, flush=True)\n"
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
    chain_kind: type[ChildChain], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead, ours = f"infernet-{chain_kind.program}-999999999-abc", f"infernet-{chain_kind.program}-{os.getpid()}-abc"
    for name in (dead, ours):
        (tmp_path / name).mkdir()
    async with chain_kind():
        left = set(os.listdir(tmp_path))
    assert dead not in left
    assert ours in left


async def test_blocks_come_by_themselves_on_an_interval_of_a_fraction(chain_kind: type[ChildChain]) -> None:
    async with chain_kind(block_time_s=0.2) as chain, RpcChain(chain.rpc_url) as rpc:
        first = (await rpc.fetch_head()).number

        async def have_come() -> bool:
            return (await rpc.fetch_head()).number >= first + 2

        await wait_until(have_come)


async def test_an_interval_is_set_and_ended(local_chain: ChildChain, rpc: RpcChain) -> None:
    first = (await rpc.fetch_head()).number

    async def have_come() -> bool:
        return (await rpc.fetch_head()).number >= first + 2

    await local_chain.set_interval(1)
    await wait_until(have_come)
    await local_chain.set_interval(0)
    last = (await rpc.fetch_head()).number
    await asyncio.sleep(1.2)
    assert (await rpc.fetch_head()).number == last


async def test_it_is_the_chain_that_was_asked_for(chain_kind: type[ChildChain]) -> None:
    async with (
        chain_kind(chain_id=ChainId(4711), block_gas_limit=12_345_678) as chain,
        RpcChain(chain.rpc_url) as rpc,
    ):
        await chain.mine()
        assert (await rpc.fetch_chain_id(), (await rpc.fetch_head()).gas_limit) == (4711, 12_345_678)


async def test_time_is_set_and_increased(local_chain: ChildChain, rpc: RpcChain) -> None:
    start = (await rpc.fetch_head()).timestamp
    await local_chain.set_next_timestamp(Timestamp(start + 1000))
    await local_chain.mine()
    assert (await rpc.fetch_head()).timestamp == start + 1000
    await local_chain.increase_time(500)
    await local_chain.mine()
    assert (await rpc.fetch_head()).timestamp >= start + 1500


async def test_a_revert_brings_back_the_snapshot_once(local_chain: ChildChain, rpc: RpcChain) -> None:
    account = DEV_ACCOUNTS[9].address
    before = await rpc.fetch_balance(account)
    snapshot = await local_chain.snapshot()
    await local_chain.set_balance(account, Wei(7))
    assert await rpc.fetch_balance(account) == 7
    await local_chain.revert(snapshot)
    assert await rpc.fetch_balance(account) == before
    with pytest.raises(InvalidInput):
        await local_chain.revert("0x1234")


async def test_mining_waits_where_automine_is_off(local_chain: ChildChain, rpc: RpcChain) -> None:
    await local_chain.set_automine(False)
    head = (await rpc.fetch_head()).number
    await local_chain.mine(5)
    assert (await rpc.fetch_head()).number == head + 5


async def test_it_is_a_local_chain_with_the_accounts_everybody_knows(local_chain: ChildChain, rpc: RpcChain) -> None:
    chain: LocalChain = local_chain
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
