"""Training on request, in the container that a node builds from its settings."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from mlflow_stores import copy_store

from infernet.app.trained import TrainingContainer
from infernet.errors import JobRejected, NodeMisconfigured
from infernet.models import ModelStore
from infernet.ports import Container
from infernet.protocol.abi_codec import decode_abi, encode_abi
from infernet.protocol.int256 import decode_int256s
from infernet.protocol.model_codec import encode_features
from infernet.settings import ContainerSettings
from infernet.workflows.registry import Registry
from infernet.workflows.tracker import open_tracker
from infernet.workflows.training_requests import TrainingRequest, load_training, parse_training_request
from infernet.workflows.workflow import load_workflow

WORKFLOW = Path(__file__).parent / "asked_workflow.py"
OUTPUT_ABI = ("string", "bytes32", "int256")
Start = Callable[..., Awaitable[TrainingContainer]]


@pytest.fixture
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.getbasetemp().parent


@pytest.fixture
def store_uri(shared: Path, tmp_path: Path) -> str:
    return copy_store(shared, tmp_path)


@pytest.fixture
async def start(store_uri: str, shared: Path, tmp_path: Path) -> AsyncIterator[Start]:
    started = []

    async def build(folder: Path = tmp_path, **settings: object) -> TrainingContainer:
        """Of another node where it is told another folder."""
        kept = {"id": "train-iris", "kind": "training", "workflow": WORKFLOW, **settings}
        uri = store_uri if folder == tmp_path else copy_store(shared, folder)
        container = TrainingContainer(ContainerSettings(**kept), folder / "models", uri)
        started.append(container)
        await container.start()
        return container

    yield build
    for container in started:
        await container.stop()


def ask(**request: object) -> bytes:
    return json.dumps(request).encode()


@pytest.mark.slow
async def test_the_output_names_a_version_that_is_registered_and_served(
    start: Start, store_uri: str, tmp_path: Path
) -> None:
    container = await start()
    served: dict[str, Container] = {}
    container.on_version(lambda version: served.setdefault(version.id, version))
    name, manifest_hash, metric = decode_abi(OUTPUT_ABI, await container.run(ask(seed=3, params={"depth": 3})))
    model = ModelStore(tmp_path / "models").get(name)
    assert name.startswith("acme/iris:")
    assert model.hash == manifest_hash.hex()
    assert model.manifest.provenance is not None
    figure = (model.manifest.provenance.metrics or {})["held_out_accuracy"]
    assert metric == int(figure.replace(".", "")) * 10**12 > 9 * 10**17

    registry = Registry(open_tracker(store_uri))
    champion = registry.find_champion("iris")
    assert champion is not None
    assert champion.tags["infernet.manifest_hash"] == manifest_hash.hex()

    features = encode_features(model.manifest, {model.manifest.inputs[0].name: [[5.1, 3.5, 1.4, 0.2]]})
    assert decode_int256s(await served[name].run(features)) == (0,)

    again = decode_abi(OUTPUT_ABI, await container.run(ask(seed=3, params={"depth": 3})))
    assert again == (name, manifest_hash, metric)
    assert len(registry.list_versions("iris")) == 1, "the same training registers once"

    (tmp_path / "elsewhere").mkdir()
    second = await start(tmp_path / "elsewhere")
    assert await second.run(ask(seed=3, params={"depth": 3})) == encode_abi(OUTPUT_ABI, again), "a second node agrees"

    other = TrainingContainer(
        ContainerSettings(id="train-iris", kind="training", workflow=WORKFLOW), tmp_path / "models", store_uri
    )
    restored: list[str] = []
    other.on_version(lambda version: restored.append(version.id))
    assert restored == [name], "a node serves what it trained before it was started"


def test_what_is_no_request_is_refused_in_one_line() -> None:
    workflow = load_workflow(WORKFLOW)
    for features, words in (
        (b"", "it is no JSON"),
        (b"\xff", "it is no JSON"),
        (b"[]", "it is no JSON object"),
        (b"[" * 4000, "it is no JSON"),
        (b"{" + b" " * 5000 + b"}", "it has 5002 bytes, 4096 are read"),
        (b'{"seed": 1, "seed": 2}', "a key stands in it twice"),
        (b'{"seed": NaN}', "training request: NaN"),
        (ask(speed=1), "it has no key 'speed', only seed and params"),
        (ask(seed=-1), "seed must be an integer from 0 to 4294967295"),
        (ask(seed=True), "seed must be an integer from 0 to 4294967295"),
        (ask(params=[1]), "params must be an object"),
        (ask(params={"epochs": 1}), "iris has no parameter 'epochs', it has depth, share,"),
        (ask(params={"depth": 2.5}), "depth must be a int"),
        (ask(params={"depth": "3"}), "depth must be a int"),
        (ask(params={"depth": True}), "depth must be a int"),
        (ask(params={"criterion": 1}), "criterion must be a str"),
        (b'{"params": {"share": 1e400}}', "share must be finite"),
    ):  # fmt: skip
        with pytest.raises(JobRejected) as caught:
            parse_training_request(features, workflow)
        assert caught.value.code == "training.request"
        assert words in caught.value.message
        assert "\n" not in caught.value.message


def test_one_value_has_one_spelling() -> None:
    workflow = load_workflow(WORKFLOW)
    requests = [
        parse_training_request(b'{"params": {"share": %b}}' % text, workflow) for text in (b"1", b"1.0", b"1e0")
    ]
    assert {str(request.params) for request in requests} == {"{'share': 1.0}"}
    assert parse_training_request(b"{}", workflow) == TrainingRequest(7, {})


@pytest.mark.slow
async def test_too_long_a_training_is_ended_and_not_begun_again(start: Start, store_uri: str) -> None:
    container = await start(timeout_s=3.0)
    with pytest.raises(JobRejected, match="took longer than 3 s") as caught:
        await container.run(ask(params={"slow_s": 60.0}))
    assert caught.value.code == "training.timeout"
    assert Registry(open_tracker(store_uri)).list_versions("iris") == []


@pytest.mark.slow
async def test_a_cancelled_training_is_gone_and_leaves_no_version(start: Start, store_uri: str) -> None:
    container = await start()
    (worker,) = container._workers
    run = asyncio.create_task(container.run(ask(params={"slow_s": 60.0})))
    await asyncio.sleep(1.5)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    async with asyncio.timeout(5):
        while not worker.is_gone:  # noqa: ASYNC110  (another process)
            await asyncio.sleep(0.01)
    with pytest.raises(ProcessLookupError):
        os.kill(worker.pid, 0)
    assert Registry(open_tracker(store_uri)).list_versions("iris") == []


@pytest.mark.slow
async def test_memory_has_a_limit(start: Start) -> None:
    container = await start(memory_bytes=8 << 30)
    with pytest.raises(JobRejected, match="MemoryError"):
        await container.run(ask(params={"gigabytes": 64}))


@pytest.mark.parametrize(("max_rows", "max_bytes"), [(149, 10**6), (150, 1000)])
def test_data_have_limits(store_uri: str, tmp_path: Path, max_rows: int, max_bytes: int) -> None:
    run = load_training(str(WORKFLOW), None, store_uri, str(tmp_path), max_rows, max_bytes, None)
    with pytest.raises(JobRejected, match="returned 150 rows") as caught:
        run(b"{}")
    assert caught.value.code == "training.too_large"


@pytest.mark.slow
async def test_a_file_without_a_workflow_stops_the_node_at_the_start(start: Start, tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(NodeMisconfigured, match="has no TrainingWorkflow"):
        await start(workflow=tmp_path / "empty.py")
