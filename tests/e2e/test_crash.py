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
from command import PASSWORD, Place

from infernet.app.node import start_node
from infernet.chain.child import ChildChain
from infernet.chain.local import DEV_ACCOUNTS
from infernet.keys.signer import LocalSigner
from infernet.settings import ApiSettings, ChainSettings, ContainerSettings, JournalSettings, Settings
from infernet.store.journal import Journal
from infernet.testing.world import FIRST_NODE, World, build_world, wait_until
from infernet.types import Address, SubscriptionKey, Wei

pytestmark = [pytest.mark.chain, pytest.mark.e2e]
NODE = DEV_ACCOUNTS[FIRST_NODE]
GWEI = 10**9
BURST = 30
SLOW = """
import time

from infernet.serve import container


@container("slow")
def slow(features):
    time.sleep(0.05)
    return features
"""
POINTS = [
    (state, when) for state in ("accepted", "computed", "signed", "sent", "delivered") for when in ("before", "after")
]


@pytest.fixture
async def world(local_chain: ChildChain, tmp_path: Path) -> AsyncIterator[World]:
    async with build_world(local_chain, tmp_path) as built:
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


def start_mortal(settings: Settings, folder: Path, write: str, when: str, count: int) -> subprocess.Popen[bytes]:
    path = folder / "settings.json"
    path.write_text(settings.model_dump_json())
    arguments = [str(path), str(FIRST_NODE), write, when, str(count)]
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


async def assert_answered_exactly_once(world: World, keys: list[SubscriptionKey], cancelled: int = 0) -> None:
    for key in keys:
        await world.wait_answers(key)
    await world.chain.mine(5)
    await asyncio.sleep(0.1)
    for key in keys:
        assert len(await world.fetch_answers(key)) == 1
    statuses = await world.fetch_statuses(NODE.address)
    assert all(statuses)
    assert 1 <= len(statuses) <= len(keys) + cancelled
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


async def mine_dear_blocks(world: World, process: subprocess.Popen[bytes]) -> None:
    """Blocks that pass over what was sent when gas was cheap, until the node that sent it is dead."""

    async def is_dead() -> bool:
        await world.chain.request("anvil_setNextBlockBaseFeePerGas", hex(20 * GWEI))
        await world.chain.mine()
        return process.poll() is not None

    await wait_until(is_dead)
    await wait_dead(process)


@pytest.mark.parametrize(
    ("write", "when", "count"),
    [  # the first transaction added is the delivery, the second its replacement; each closed where it is over
        ("add_transaction", "before", 2),
        ("add_transaction", "after", 2),
        ("close_transactions", "before", 2),
        ("close_transactions", "after", 2),
    ],
)
async def test_a_node_killed_while_it_replaces_a_stuck_transaction_answers_exactly_once(
    world: World, tmp_path: Path, write: str, when: str, count: int
) -> None:
    settings = build_settings(world, tmp_path)
    keys = [await world.ask(b"stuck")]
    await world.chain.set_automine(False)
    process = start_mortal(settings, tmp_path, write, when, count)
    await world.wait_pool(1)
    await mine_dear_blocks(world, process)
    async with world.mining(0.1), run_node(settings):
        keys.append(await world.ask(b"after"))
        await assert_answered_exactly_once(world, keys)
    with Journal(settings.journal.path) as journal:
        assert journal.count_jobs(world.chain.chain_id) == {"delivered": len(keys)}
        assert journal.read_pending_transactions(world.chain.chain_id, NODE.address) == []


@pytest.mark.parametrize(
    ("write", "when", "count"),
    [  # two deliveries are added first, apart from each other; the cancellation closes one of them and is the third
        ("add_transaction", "before", 3),
        ("add_transaction", "after", 3),
        ("close_transactions", "before", 2),
        ("close_transactions", "after", 2),
    ],
)
async def test_a_node_killed_while_it_cancels_a_transaction_answers_exactly_once(
    world: World, tmp_path: Path, write: str, when: str, count: int
) -> None:
    settings = build_settings(world, tmp_path)
    keys = [await world.ask(b"cheap", max_gas_price=2 * GWEI), await world.ask(b"dear")]
    await world.chain.request("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    await world.chain.mine()
    await world.chain.set_automine(False)
    process = start_mortal(settings, tmp_path, write, when, count)
    await world.wait_pool(2)
    await mine_dear_blocks(world, process)
    if (write, when) == ("add_transaction", "after"):
        with Journal(settings.journal.path) as journal:
            pending = journal.read_pending_transactions(world.chain.chain_id, NODE.address)
        assert [p.signed.transaction.to == NODE.address for p in pending] == [True, False]  # cheap is cancelled
    async with world.mining(0.1), run_node(settings):
        await assert_answered_exactly_once(world, keys, cancelled=1)
    with Journal(settings.journal.path) as journal:
        assert journal.count_jobs(world.chain.chain_id) == {"delivered": len(keys)}
        assert journal.read_pending_transactions(world.chain.chain_id, NODE.address) == []


@pytest.mark.parametrize(
    ("write", "when"),
    [("add_transaction", "before"), ("add_transaction", "after"), ("close_transactions", "before")],
)
async def test_a_node_killed_while_it_takes_a_batch_back_answers_exactly_once(
    world: World, tmp_path: Path, write: str, when: str
) -> None:
    settings = build_settings(world, tmp_path)
    keys = [await world.ask(b"cheap", max_gas_price=4 * GWEI), await world.ask(b"dear")]
    await world.chain.request("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    await world.chain.mine()
    await world.chain.set_automine(False)
    process = start_mortal(settings, tmp_path, write, when, 2)  # the cancellation is the second that is added
    await world.wait_pool(1)
    await mine_dear_blocks(world, process)
    async with world.mining(0.1), run_node(settings):
        await assert_answered_exactly_once(world, keys, cancelled=1)
    with Journal(settings.journal.path) as journal:
        assert journal.count_jobs(world.chain.chain_id) == {"delivered": len(keys)}
        assert journal.read_pending_transactions(world.chain.chain_id, NODE.address) == []


async def test_the_command_killed_in_a_burst_and_started_again_answers_exactly_once(world: World, place: Place) -> None:
    address = await init_node(world, place)
    keys = [await world.ask(str(number).encode(), container="slow") for number in range(BURST)]

    async def count_deliveries() -> int:
        return int(await world.client.read(world.consumer, "StoreConsumer", "deliveries"))

    async with world.mining(0.1):
        node = place.start("node", "-c", "own/infernet.toml", INFERNET_KEY_PASSWORD=PASSWORD)
        await wait_until(count_deliveries)
        node.kill()
        assert await count_deliveries() < BURST, "it was killed in the middle"
        node = place.start("node", "-c", "own/infernet.toml", INFERNET_KEY_PASSWORD=PASSWORD)
        for key in keys:
            assert len(await world.wait_answers(key)) == 1
    assert node.stop(signal.SIGTERM).code == 0
    assert await count_deliveries() == BURST
    statuses = await world.fetch_statuses(address)
    assert all(statuses)
    assert len(statuses) <= BURST


async def init_node(world: World, place: Place) -> Address:
    """A folder as `infernet init` makes it, with a container that takes its time, and coin for its account."""
    variables = {"INFERNET_COORDINATOR": world.coordinator, "INFERNET_KEY_PASSWORD": PASSWORD}
    made = await asyncio.to_thread(place.run, "init", "own", "--json", "--rpc-url", world.chain.rpc_url, **variables)
    assert made.code == 0, made
    (place.folder / "own" / "slow.py").write_text(SLOW)
    config = place.folder / "own" / "infernet.toml"
    text = config.read_text().replace('"infernet.serve.examples:reverse"', '"slow.py:slow"')
    text = text.replace('id = "reverse"', 'id = "slow"').replace("# poll_interval_s = 1.0", "poll_interval_s = 0.05")
    config.write_text(text + "\n[api]\nenabled = false\n")
    address = Address(made.json["address"])
    await world.chain.set_balance(address, Wei(10**18))
    return address


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
