"""A container follows an alias in a real registry, in real workers, and never loses what it has begun."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow_stores import copy_store, register
from small_models import write_model
from structlog.testing import capture_logs

from infernet.app.following_model import FollowingModel
from infernet.app.model_sources import ModelSources
from infernet.app.node import INFERENCE_ENTRY
from infernet.errors import NodeMisconfigured, RetryLater
from infernet.models.cache import ModelCache
from infernet.protocol.int256 import decode_int256s, encode_int256s
from infernet.protocol.manifest import compute_manifest_hash
from infernet.workflows.tracker import Tracker, open_tracker

REFERENCE = "models:/largest@champion"
TIE = encode_int256s([5, 5, 5])
"""Every version answers it with its own favourite."""


class Ticks:
    """A clock whose pauses are as short as they can be."""

    def now_s(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0.01)


@pytest.fixture
def tracker(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Tracker:
    return open_tracker(copy_store(tmp_path_factory.getbasetemp().parent, tmp_path))


@pytest.fixture
def publish(tracker: Tracker, tmp_path: Path) -> Callable[[int], str]:
    """A version with that favourite becomes the champion; answers its manifest hash."""

    def add(favourite: int) -> str:
        folder = tmp_path / f"model-{favourite}"
        digest = compute_manifest_hash(write_model(folder, favourite=favourite)).hex()
        register(tracker, "largest", folder, tags={"infernet.manifest_hash": digest})
        return digest

    return add


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


async def start(stack: AsyncExitStack, tracker: Tracker, store: Path, **options: object) -> FollowingModel:
    sources = ModelSources(ModelCache(store), tracker.uri)
    model = FollowingModel("largest", REFERENCE, sources, Ticks(), **options)  # type: ignore[arg-type]
    stack.push_async_callback(model.stop)
    await model.start()
    return model


async def wait_for(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not what():  # noqa: ASYNC110  (what others set)
            await asyncio.sleep(0.01)


async def wait_for_version(model: FollowingModel, version: str) -> None:
    async with asyncio.timeout(30):
        while (await model.run_traced(TIE))[1].version != version:  # noqa: ASYNC110  (the same)
            await asyncio.sleep(0.01)


async def test_a_new_version_takes_over_without_a_restart(
    stack: AsyncExitStack, tracker: Tracker, publish: Callable[[int], str], tmp_path: Path
) -> None:
    first = publish(1)
    model = await start(stack, tracker, tmp_path / "store")
    output, use = await model.run_traced(TIE)
    assert (use.container, use.version, use.manifest_hash) == ("largest", "largest version 1", first)
    assert use.run_id == tracker.client.get_model_version("largest", "1").run_id
    second = publish(2)
    await wait_for_version(model, "largest version 2")
    again, use = await model.run_traced(TIE)
    assert (use.manifest_hash, again == output) == (second, False)


async def test_what_has_begun_ends_with_the_version_that_it_began_with(
    stack: AsyncExitStack, tracker: Tracker, publish: Callable[[int], str], tmp_path: Path
) -> None:
    publish(1)
    model = await start(stack, tracker, tmp_path / "store")
    before = model._serving
    assert before is not None
    is_free, run = asyncio.Event(), before.container.run_traced

    async def run_slowly(features: bytes):  # type: ignore[no-untyped-def]
        await is_free.wait()
        return await run(features)

    before.container.run_traced = run_slowly  # type: ignore[method-assign]
    slow = asyncio.create_task(model.run_traced(TIE))
    await asyncio.sleep(0)
    publish(2)
    await wait_for(lambda: model._serving is not before)
    assert (await model.run_traced(TIE))[1].version == "largest version 2"
    is_free.set()
    assert (await slow)[1].version == "largest version 1"
    await wait_for(lambda: not model._closing and not model._retired)
    with pytest.raises(RetryLater) as caught:  # its workers are gone
        await before.container.run(TIE)
    assert caught.value.code == "container.stopped"


@pytest.mark.parametrize("is_deleted", [True, False])
async def test_a_version_that_is_deleted_serves_on_and_one_line_says_so(
    stack: AsyncExitStack, tracker: Tracker, publish: Callable[[int], str], tmp_path: Path, is_deleted: bool
) -> None:
    publish(1)
    model = await start(stack, tracker, tmp_path / "store")
    with capture_logs() as logs:
        if is_deleted:
            tracker.client.delete_model_version("largest", "1")
        else:
            tracker.client.delete_registered_model_alias("largest", "champion")
        await wait_for(lambda: bool(model._trouble))
        await asyncio.sleep(0.2)
        assert (await model.run_traced(TIE))[1].version == "largest version 1"
    (line,) = [line for line in logs if line["event"] == "model.stays"]
    assert (line["serving"], line["code"]) == ("largest version 1", "registry.not_found")


async def test_a_new_version_that_cannot_be_served_changes_nothing(
    stack: AsyncExitStack, tracker: Tracker, publish: Callable[[int], str], tmp_path: Path
) -> None:
    publish(1)
    model = await start(stack, tracker, tmp_path / "store")
    (tmp_path / "pickled").mkdir()
    (tmp_path / "pickled" / "model.pkl").write_bytes(b"cos\nsystem\n.")
    with capture_logs() as logs:
        register(tracker, "largest", tmp_path / "pickled")
        await wait_for(lambda: model._trouble == "model.no_manifest")
        await asyncio.sleep(0.2)
        assert (await model.run_traced(TIE))[1].version == "largest version 1"
        publish(2)
        await wait_for_version(model, "largest version 3")
    assert [line["event"] for line in logs] == ["model.stays", "model.serving", "model.followed_again"]


async def test_a_node_that_starts_while_the_registry_is_away_serves_what_it_served_last(
    stack: AsyncExitStack, tracker: Tracker, publish: Callable[[int], str], tmp_path: Path
) -> None:
    publish(1)
    store = tmp_path / "store"
    await (await start(stack, tracker, store)).stop()
    away = replace(tracker, uri="http://127.0.0.1:9")
    model = await start(stack, away, store)
    assert (await model.run_traced(TIE))[1].version == "largest version 1"
    with pytest.raises(NodeMisconfigured) as caught:
        await start(stack, away, tmp_path / "other")
    assert caught.value.code == "registry.unreachable"


async def test_on_first_use_nothing_is_fetched_before_it_is_asked_for(
    stack: AsyncExitStack, tracker: Tracker, publish: Callable[[int], str], tmp_path: Path
) -> None:
    publish(1)
    model = await start(stack, tracker, tmp_path / "store", is_ahead=False)
    cache = ModelCache(tmp_path / "store")
    assert cache.list() == []
    assert (await model.run_traced(TIE))[1].version == "largest version 1"
    publish(2)
    await wait_for(lambda: model._wanted is not None and model._wanted.version == "largest version 2")
    assert len(cache.list()) == 1
    assert (await model.run_traced(TIE))[1].version == "largest version 2"


async def test_the_model_that_serves_never_leaves_the_cache(
    stack: AsyncExitStack, tracker: Tracker, publish: Callable[[int], str], tmp_path: Path
) -> None:
    digest = publish(1)
    model = await start(stack, tracker, tmp_path / "store")
    assert ModelCache(tmp_path / "store")._evict(digest) is False
    await model.stop()
    assert ModelCache(tmp_path / "store")._evict(digest) is True


async def test_an_inference_workflow_stands_around_each_version(
    stack: AsyncExitStack, tracker: Tracker, publish: Callable[[int], str], tmp_path: Path
) -> None:
    publish(1)
    (tmp_path / "flow.py").write_text(
        "from infernet.workflows import InferenceWorkflow\n"
        "class Next(InferenceWorkflow):\n"
        "    name, model = 'next', 'models:/largest@champion'\n"
        "    def postprocess(self, outputs):\n"
        "        return {'label': outputs['label'] + 10}\n"
    )
    arguments = {"workflow": str(tmp_path / "flow.py"), "workflow_name": None}
    model = await start(stack, tracker, tmp_path / "store", entry=INFERENCE_ENTRY, arguments=arguments)
    assert decode_int256s(await model.run(TIE)).tolist() == [11]
    publish(2)
    await wait_for_version(model, "largest version 2")
    assert decode_int256s(await model.run(TIE)).tolist() == [12]


async def test_a_name_that_stands_for_nothing_is_refused_at_the_start(
    stack: AsyncExitStack, tracker: Tracker, tmp_path: Path
) -> None:
    with pytest.raises(NodeMisconfigured) as caught:
        await start(stack, tracker, tmp_path / "store")
    assert caught.value.code == "registry.not_found"
