"""SIGKILL at any point loses nothing and delivers nothing twice."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from infernet.app.node import start_node
from infernet.chain.anvil import AnvilChain
from infernet.chain.local import DEV_ACCOUNTS
from infernet.keys.signer import LocalSigner
from infernet.settings import ApiSettings, ChainSettings, ContainerSettings, JournalSettings, Settings
from infernet.store.journal import Journal
from infernet.testing.world import FIRST_NODE, World, build_world, wait_until
from infernet.types import SubscriptionKey

pytestmark = [pytest.mark.chain, pytest.mark.e2e]
NODE = DEV_ACCOUNTS[FIRST_NODE]
POINTS = [
    (state, when) for state in ("accepted", "computed", "signed", "sent", "delivered") for when in ("before", "after")
]


@pytest.fixture
async def world(anvil: AnvilChain, tmp_path: Path) -> AsyncIterator[World]:
    async with build_world(anvil, tmp_path) as built:
        yield built


def build_settings(world: World, folder: Path) -> Settings:
    return Settings(
        journal=JournalSettings(path=folder / "crash.sqlite"),
        api=ApiSettings(enabled=False),
        chains=(
            ChainSettings(
                rpc_url=world.chain.rpc_url,
                chain_id=world.chain.chain_id,
                coordinator=world.coordinator,
                poll_interval_s=0.02,
            ),
        ),
        containers=(ContainerSettings(id="reverse", kind="python", target="infernet.serve.examples:reverse"),),
    )


def start_mortal(settings: Settings, folder: Path, state: str, when: str, count: int) -> subprocess.Popen[bytes]:
    path = folder / "settings.json"
    path.write_text(settings.model_dump_json())
    arguments = [str(path), str(FIRST_NODE), state, when, str(count)]
    with (folder / "node.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "infernet.testing.crash", *arguments], stdout=log, stderr=subprocess.STDOUT
        )


@asynccontextmanager
async def run_node(settings: Settings) -> AsyncIterator[None]:
    async with start_node(settings, LocalSigner(NODE.private_key)):
        yield


async def wait_dead(process: subprocess.Popen[bytes]) -> None:
    await wait_until(lambda: process.poll() is not None)
    assert process.returncode == -signal.SIGKILL


async def assert_answered_exactly_once(world: World, keys: list[SubscriptionKey]) -> None:
    for key in keys:
        await world.wait_answers(key)
    await world.chain.mine(5)
    await asyncio.sleep(0.1)
    for key in keys:
        assert len(await world.fetch_answers(key)) == 1
    statuses = await world.fetch_statuses(NODE.address)
    assert 1 <= len(statuses) <= len(keys)
    assert all(statuses)
    assert await world.fetch_failures() == []
    assert await world.client.read(world.consumer, "StoreConsumer", "deliveries") == len(keys)


@pytest.mark.parametrize(("state", "when"), POINTS)
async def test_a_node_killed_at_any_write_answers_each_request_exactly_once(
    world: World, tmp_path: Path, state: str, when: str
) -> None:
    settings = build_settings(world, tmp_path)
    keys = [await world.ask(f"before {number}".encode()) for number in range(3)]
    async with world.mining(0.1):
        await wait_dead(start_mortal(settings, tmp_path, state, when, 2))
        keys.append(await world.ask(b"while it is dead"))
        async with run_node(settings):
            keys.append(await world.ask(b"after"))
            await assert_answered_exactly_once(world, keys)
    with Journal(settings.journal.path) as journal:
        assert journal.count_jobs(world.chain.chain_id) == {"delivered": len(keys)}


async def test_a_node_killed_several_times_in_a_burst_answers_each_request_exactly_once(
    world: World, tmp_path: Path
) -> None:
    settings = build_settings(world, tmp_path)
    keys = [await world.ask(str(number).encode()) for number in range(40)]
    async with world.mining(0.1):
        for state, when, count in (("computed", "after", 7), ("sent", "before", 12), ("delivered", "before", 9)):
            await wait_dead(start_mortal(settings, tmp_path, state, when, count))
        async with run_node(settings):
            await assert_answered_exactly_once(world, keys)


async def test_a_node_killed_from_outside_takes_up_a_signed_request(world: World, tmp_path: Path) -> None:
    settings = build_settings(world, tmp_path)
    request = await world.client.sign_delegate(world.consumer, "reverse", b"abc")
    await world.chain.set_automine(False)
    async with start_node(settings, LocalSigner(NODE.private_key)) as node:
        (pipeline,) = node.chains
        await wait_until(lambda: pipeline.status().head is not None)
        key = await pipeline.accept_request(request)
        await wait_until(lambda: pipeline.status().jobs.get("sent") == 1)
    await world.chain.request("anvil_dropAllTransactions")  # the pool forgets it too
    process = start_mortal(settings, tmp_path, "delivered", "before", 1)
    async with world.mining(0.1):
        await wait_dead(process)
        async with run_node(settings):
            await assert_answered_exactly_once(world, [key])


async def test_a_second_process_with_the_same_journal_is_refused(world: World, tmp_path: Path) -> None:
    settings = build_settings(world, tmp_path)
    async with run_node(settings):
        process = start_mortal(settings, tmp_path, "never", "after", 1)
        await wait_until(lambda: process.poll() is not None)
    assert process.returncode == 1
    assert "another node uses the journal" in (tmp_path / "node.log").read_text()
