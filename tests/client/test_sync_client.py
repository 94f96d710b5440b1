from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from client_network import Network

from infernet.chain.child import ChildChain
from infernet.chain.local import DEV_ACCOUNTS
from infernet.client import AsyncClient, Client
from infernet.errors import RetryLater
from infernet.protocol.hashing import ZERO_ADDRESS

pytestmark = [pytest.mark.chain, pytest.mark.both_chains]


def _public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def test_it_has_every_method_of_the_asynchronous_one() -> None:
    assert _public(AsyncClient) == _public(Client)
    assert Client.request.__doc__ == AsyncClient.request.__doc__


def test_it_deploys_asks_and_reads_without_an_event_loop(chain_session: ChildChain) -> None:
    threads = threading.active_count()
    with (
        Client.connect(chain_session.rpc_url, DEV_ACCOUNTS[5].private_key) as node,
        Client.connect(chain_session.rpc_url, DEV_ACCOUNTS[6].private_key) as asker,
    ):
        models, nodes = asker.deploy("ModelRegistry"), asker.deploy("NodeRegistry", 3600)
        coordinator = asker.deploy("EIP712Coordinator", models, nodes, 0, ZERO_ADDRESS)
        assert asker.attach(coordinator) == node.attach(coordinator) == asker.coordinator
        consumer = asker.deploy("StoreConsumer", coordinator, asker.address)
        receipt = asker.transact(consumer, "StoreConsumer", "request", "a:1", b"x", 10**12, 300_000, 1)
        (key,) = asker.read_created(receipt)
        request = asker.sign_delegate(consumer, "a:1", b"x")
        node.transact(coordinator, "EIP712Coordinator", "deliverModelOutputDelegate", request, 1, b"\x07" * 32, b"")
        assert asker.wait_output(key._replace(id=request.id)).output == b"\x07" * 32
        assert asker.read(consumer, "StoreConsumer", "lastOutput") == b"\x07" * 32
        with pytest.raises(RetryLater):
            asker.wait_output(key, timeout_s=0.1)
    asker.close()
    with pytest.raises(RuntimeError, match="closed"):
        asker.deploy("ModelRegistry")
    assert threading.active_count() == threads


async def test_it_works_from_a_thread_of_a_program_with_an_event_loop(network: Network) -> None:
    with Client.connect(network.chain.rpc_url, coordinator=network.coordinator) as client:
        assert client.chain_id == network.chain.chain_id


def test_a_chain_that_is_not_there_leaves_no_thread() -> None:
    threads = threading.active_count()
    with pytest.raises(RetryLater):
        Client.connect("http://127.0.0.1:9")
    assert threading.active_count() == threads


def test_importing_the_client_brings_nothing_heavy() -> None:
    code = (
        "import sys, infernet.client\n"
        "heavy = {'onnxruntime', 'mlflow', 'sklearn', 'web3', 'eth_account', 'numpy', 'starlette'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
