"""A transfer that nobody waits for any more ends soon, and the next one goes on from there."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from range_server import serve_folder
from small_models import write_model

from infernet.app.model_sources import Found, ModelSources
from infernet.models.cache import ModelCache
from infernet.models.storage import Location
from infernet.protocol.manifest import compute_manifest_hash


async def test_a_fetch_that_is_cancelled_ends_and_is_taken_up(tmp_path: Path) -> None:
    manifest = write_model(tmp_path / "web" / "model")
    digest = compute_manifest_hash(manifest).hex()
    partial = tmp_path / "store" / "incoming" / digest / "model.onnx.part"
    sources = ModelSources(ModelCache(tmp_path / "store"), "")
    with serve_folder(tmp_path / "web") as server:
        found = Found("model", "", Location(f"{server.url}/model"), digest)
        server.pause_s = 0.2
        fetching = asyncio.create_task(sources.fetch(found))
        async with asyncio.timeout(30):
            while not partial.exists() or not partial.stat().st_size:  # noqa: ASYNC110  (a thread writes it)
                await asyncio.sleep(0.01)
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetching
        await asyncio.get_running_loop().shutdown_default_executor()  # once the thread is gone, which fetches no more
        arrived = partial.stat().st_size
        assert 0 < arrived < manifest.files[0].size_bytes
        server.pause_s = 0.0
        sources.cache.fetch(found.folder, digest).release()
        assert server.requests[-1] == ("/model/model.onnx", arrived)
