"""What all tests share: local chains, one of a kind for the whole session."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings
from local_chains import KINDS, borrow, need_program

from infernet.chain.anvil import AnvilChain
from infernet.chain.child import ChildChain
from infernet.chain.rpc import RpcChain

settings.register_profile("usual", deadline=None, suppress_health_check=[HealthCheck.too_slow])  # machines are busy
settings.register_profile("soak", settings.get_profile("usual"), max_examples=2000)
settings.load_profile("usual")
ONLY_KIND = os.environ.get("INFERNET_TEST_CHAIN")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test runs on the embedded chain, and where it is marked `both_chains` on anvil as well."""
    if "chain_kind" in metafunc.fixturenames:
        usual = list(KINDS) if metafunc.definition.get_closest_marker("both_chains") else ["embedded"]
        metafunc.parametrize("chain_kind", [ONLY_KIND] if ONLY_KIND else usual, indirect=True)


@pytest.fixture(autouse=True)
def _no_mlflow_variables() -> None:
    """MLflow writes into the environment where it is, its server too: each test and its programs begin without."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        os.environ.pop(name, None)


@pytest.fixture
def chain_kind(request: pytest.FixtureRequest) -> type[ChildChain]:
    """`INFERNET_TEST_CHAIN=anvil` (or `embedded`) has every test run on that one alone."""
    kind = KINDS[request.param]
    need_program(kind)
    return kind


@pytest.fixture(scope="session")
def start_chain() -> Iterator[Callable[[type[ChildChain]], ChildChain]]:
    """One chain of each kind for the whole session."""
    started: dict[type[ChildChain], ChildChain] = {}

    def start(kind: type[ChildChain]) -> ChildChain:
        if kind not in started:
            chain = kind()
            asyncio.run(chain.start())
            started[kind] = chain
        return started[kind]

    yield start
    for chain in started.values():
        asyncio.run(chain.stop())


@pytest.fixture
def chain_session(chain_kind: type[ChildChain], start_chain: Callable[[type[ChildChain]], ChildChain]) -> ChildChain:
    """The session's chain as the tests before have left it. Most take `local_chain`."""
    return start_chain(chain_kind)


@pytest.fixture
async def local_chain(chain_session: ChildChain) -> AsyncIterator[ChildChain]:
    """A local chain on which the test is alone: whatever it does is undone after it."""
    async with borrow(chain_session):
        yield chain_session


@pytest.fixture
def anvil_session(start_chain: Callable[[type[ChildChain]], ChildChain]) -> ChildChain:
    need_program(AnvilChain)
    return start_chain(AnvilChain)


@pytest.fixture
async def anvil(anvil_session: ChildChain) -> AsyncIterator[ChildChain]:
    """The same for what only anvil can be asked."""
    async with borrow(anvil_session):
        yield anvil_session


@pytest.fixture
async def rpc(local_chain: ChildChain) -> AsyncIterator[RpcChain]:
    """The local chain as a node sees it."""
    async with RpcChain(local_chain.rpc_url) as chain:
        yield chain
