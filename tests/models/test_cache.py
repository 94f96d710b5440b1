"""Fetched models share a room of a given size."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from range_server import serve_folder
from small_models import write_model

from infernet.errors import NodeMisconfigured
from infernet.models.cache import HeldModel, ModelCache
from infernet.models.storage import Location
from infernet.protocol.manifest import compute_manifest_hash


def fetch(cache: ModelCache, folder: Path, number: int) -> HeldModel:
    source = folder / f"source-{number}"
    if not source.exists():
        write_model(source, f"demo/m:{number}", favourite=number % 3)
    return cache.fetch(Location(str(source)))


def measure(tmp_path: Path) -> int:
    """The bytes of one model."""
    write_model(tmp_path / "measured", "demo/m:0")
    return sum(path.stat().st_size for path in (tmp_path / "measured").iterdir())


def set_used(cache: ModelCache, root: Path, held: HeldModel, at: float) -> None:
    os.utime(root / "fetched" / f"{held.model.hash}.json", (at, at))


def test_the_longest_unused_leaves(tmp_path: Path) -> None:
    root = tmp_path / "store"
    cache = ModelCache(root, int(2.5 * measure(tmp_path)))
    first, second = fetch(cache, tmp_path, 1), fetch(cache, tmp_path, 2)
    for held, at in ((first, 200.0), (second, 100.0)):
        set_used(cache, root, held, at)
        held.release()
    with fetch(cache, tmp_path, 3) as third:
        assert {model.hash for model in cache.list()} == {first.model.hash, third.model.hash}
    assert not second.model.folder.exists()


def test_what_somebody_uses_stays(tmp_path: Path) -> None:
    root = tmp_path / "store"
    cache = ModelCache(root, int(2.5 * measure(tmp_path)))
    with fetch(cache, tmp_path, 1) as used:
        set_used(cache, root, used, 1.0)
        fetch(cache, tmp_path, 2).release()
        with fetch(cache, tmp_path, 3) as third:
            assert {model.hash for model in cache.list()} == {used.model.hash, third.model.hash}
            with pytest.raises(NodeMisconfigured) as caught:
                fetch(cache, tmp_path, 4)
            assert caught.value.code == "model.too_large"


def test_another_process_that_uses_a_model_keeps_it(tmp_path: Path) -> None:
    root = tmp_path / "store"
    cache = ModelCache(root, int(1.5 * measure(tmp_path)))
    held = fetch(cache, tmp_path, 1)
    held.release()
    script = (
        "import sys; from pathlib import Path; from infernet.models.cache import ModelCache\n"
        f"held = ModelCache(Path({str(root)!r})).hold({held.model.hash!r}); print(held is not None, flush=True)\n"
        "sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"True\n"
        with pytest.raises(NodeMisconfigured):
            fetch(cache, tmp_path, 2)
        other.kill()  # what it held is free, however it ended
        other.wait()
        with fetch(cache, tmp_path, 2) as second:
            assert [model.hash for model in cache.list()] == [second.model.hash]


def test_a_model_added_by_hand_never_leaves(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path / "store", int(1.5 * measure(tmp_path)))
    write_model(tmp_path / "mine", "you/mine:1")
    added = cache.store.add(tmp_path / "mine")
    fetch(cache, tmp_path, 1).release()
    fetch(cache, tmp_path, 2).release()
    assert cache.store.get("you/mine:1") == added
    assert len(cache.list()) == 1


def test_a_damaged_model_is_fetched_again(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path / "store")
    with fetch(cache, tmp_path, 1) as held:
        (held.model.folder / "model.onnx").write_bytes(b"damaged")
    assert cache.hold(held.model.hash) is None
    with fetch(cache, tmp_path, 1) as again:
        assert again.model == held.model
    assert cache.hold(held.model.hash) is not None


def test_a_model_that_is_here_is_not_asked_for_again(tmp_path: Path) -> None:
    manifest = write_model(tmp_path / "web" / "model")
    cache = ModelCache(tmp_path / "store")
    with serve_folder(tmp_path / "web") as server:
        place, digest = Location(f"{server.url}/model"), compute_manifest_hash(manifest).hex()
        for _ in range(2):
            cache.fetch(place, digest).release()
        assert len(server.requests) == 2
        assert cache.list()[0].source == place.uri


def test_many_who_fetch_the_same_at_once_fetch_it_once(tmp_path: Path) -> None:
    manifest = write_model(tmp_path / "web" / "model")
    cache = ModelCache(tmp_path / "store")
    found: list[str] = []
    with serve_folder(tmp_path / "web") as server:
        place = Location(f"{server.url}/model")
        threads = [threading.Thread(target=lambda: found.append(cache.fetch(place).model.hash)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [compute_manifest_hash(manifest).hex()] * 8
        assert sum("onnx" in path for path, _ in server.requests) == 1


def leave_a_part(root: Path, digest: str, size_bytes: int) -> Path:
    """What a fetch has brought whose process was killed."""
    part = root / "incoming" / digest / "model.onnx.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(size_bytes))
    (root / "incoming" / f"{digest}.lock").touch()
    return part


def test_what_was_given_up_half_way_counts_and_is_the_first_to_leave(tmp_path: Path) -> None:
    root, size = tmp_path / "store", measure(tmp_path)
    cache = ModelCache(root, int(2.5 * size))
    fetch(cache, tmp_path, 1).release()
    part = leave_a_part(root, "ab" * 32, size)
    fetch(cache, tmp_path, 2).release()
    assert len(cache.list()) == 2
    assert not part.exists()
    small = leave_a_part(root, "cd" * 32, 10)
    fetch(cache, tmp_path, 2).release()
    assert small.exists()  # it is taken up where it stopped, as long as there is room


def test_models_that_arrive_at_once_find_room_for_all_or_not_at_all(tmp_path: Path) -> None:
    root = tmp_path / "store"
    manifests = [write_model(tmp_path / "web" / f"model-{n}", f"demo/m:{n}", favourite=n) for n in range(2)]
    cache = ModelCache(root, int(1.5 * measure(tmp_path)))
    ended: list[object] = []

    def fetch_slowly(number: int) -> None:
        try:
            ended.append(cache.fetch(Location(f"{server.url}/model-{number}")).model.hash)
        except NodeMisconfigured as error:
            ended.append(error.code)

    with serve_folder(tmp_path / "web") as server:
        server.pause_s = 0.02
        threads = [threading.Thread(target=fetch_slowly, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    hashes = {compute_manifest_hash(manifest).hex() for manifest in manifests}
    assert "model.too_large" in ended
    assert len(hashes & {*ended}) == 1
    assert sum(model.size_bytes for model in cache.list()) <= 1.5 * measure(tmp_path / "again")
