"""SIGKILL in the middle of an upload or a fetch: nothing half published, nothing torn, and the next one completes."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from range_server import FileServer, serve_folder
from s3_server import serve_bucket
from small_models import write_model

from infernet.errors import NodeMisconfigured
from infernet.models.cache import ModelCache
from infernet.models.download import fetch_manifest
from infernet.models.leftovers import MAX_AGE_S
from infernet.models.storage import Location, read_size
from infernet.models.store import MANIFEST_FILE, ModelStore, verify_files
from infernet.models.upload import upload_model
from infernet.protocol.manifest import Manifest, ManifestFile, compute_manifest_hash, encode_manifest

UPLOAD = """
import os, signal, sys
from pathlib import Path
import s3fs.core
from infernet.models.storage import Location
from infernet.models.store import read_manifest
from infernet.models.upload import upload_model

s3fs.core.calculate_chunksize = lambda *args, **named: 5 << 20  # the least that S3 takes for a part

def die(done, total):
    if done > {after}:
        os.kill(os.getpid(), signal.SIGKILL)

folder = Path({folder!r})
upload_model(read_manifest(folder), folder, Location({root!r}), b"{{}}", die)
"""
FETCH = """
import os, signal
from pathlib import Path
from infernet.models import store
from infernet.models.cache import ModelCache
from infernet.models.storage import Location

def die(*args, **named):
    os.kill(os.getpid(), signal.SIGKILL)

if {at!r} == "files":
    report = lambda done, total: done > {after} and die()
else:
    report = None
    places = {{"note": (ModelCache, "_note"), "add": (store.ModelStore, "add"), "copy": (store, "_sync")}}
    owner, name = places[{at!r}]
    setattr(owner, name, die)
ModelCache(Path({store!r})).fetch(Location({place!r}), {digest!r}, report)
"""


def run_until_killed(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A model with weights of several chunks beside its graph."""
    folder = tmp_path / "source"
    manifest = write_model(folder)
    weights = os.urandom(11 << 20)
    (folder / "weights.data").write_bytes(weights)
    file = ManifestFile(path="weights.data", sha256=hashlib.sha256(weights).hexdigest(), size_bytes=len(weights))
    files = (*manifest.files, file)
    (folder / MANIFEST_FILE).write_bytes(encode_manifest(manifest.model_copy(update={"files": files})))
    return folder


@pytest.fixture
def manifest(source: Path) -> Manifest:
    return ModelStore(source.parent / "made").add(source).manifest


@pytest.fixture(params=["a folder", "a bucket"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Location]:
    if request.param == "a folder":
        yield Location(str(tmp_path / "public"))
    else:
        with serve_bucket("killed") as bucket:
            yield Location(f"{bucket}/public")


@pytest.mark.slow
@pytest.mark.parametrize("after", [0, 1 << 20])
def test_an_upload_that_is_killed_publishes_nothing_and_the_next_one_completes(
    source: Path, manifest: Manifest, root: Location, tmp_path: Path, after: int
) -> None:
    run_until_killed(UPLOAD.format(after=after, folder=str(source), root=root.uri))
    digest = compute_manifest_hash(manifest).hex()
    with pytest.raises(NodeMisconfigured) as caught:
        fetch_manifest(root / digest)
    assert caught.value.code == "model.no_manifest"
    for file in manifest.files:  # whole or not there
        assert read_size(root / f"blobs/{file.sha256}") in (None, file.size_bytes)
    assert read_size(root / f"blobs/{manifest.files[1].sha256}") is None

    place = upload_model(manifest, source, root, b"{}")
    with ModelCache(tmp_path / "store").fetch(place, digest) as held:
        verify_files(manifest, held.model.folder)


@pytest.fixture
def server(source: Path, manifest: Manifest, tmp_path: Path) -> Iterator[FileServer]:
    upload_model(manifest, source, Location(str(tmp_path / "public")), b"{}")
    with serve_folder(tmp_path / "public") as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize("at", ["files", "note", "add", "copy"])
def test_a_fetch_that_is_killed_is_taken_up_and_its_model_is_never_torn(
    source: Path, manifest: Manifest, server: FileServer, tmp_path: Path, at: str
) -> None:
    store, digest = tmp_path / "store", compute_manifest_hash(manifest).hex()
    place = Location(f"{server.url}/{digest}")
    after = manifest.files[0].size_bytes + (5 << 20)
    run_until_killed(FETCH.format(at=at, after=after, store=str(store), place=place.uri, digest=digest))
    cache = ModelCache(store)
    assert cache.hold(digest) is None
    assert cache.list() == []

    server.requests.clear()
    with cache.fetch(place, digest) as held:
        verify_files(manifest, held.model.folder)
    starts = [start for path, start in server.requests if path.endswith(manifest.files[1].sha256)]
    if at == "files":
        assert len(starts) == 1
        assert 5 << 20 < starts[0] < 11 << 20
    else:
        assert starts == []
    assert [model.hash for model in cache.list()] == [digest]
    assert not (store / "incoming" / digest).exists()


def test_what_was_left_goes_a_day_later_and_not_before(source: Path, manifest: Manifest, tmp_path: Path) -> None:
    store, public = ModelStore(tmp_path / "store"), Location(str(tmp_path / "public"))
    store.add(source)
    upload_model(manifest, source, public, b"{}")
    left = [
        tmp_path / "store" / "models" / ".adding-x" / "model",
        tmp_path / "store" / "models" / ".removing-x" / "model",
        tmp_path / "public" / "blobs" / ".writing-x",
    ]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")

    def write_again() -> None:
        for blob in (tmp_path / "public" / "blobs").iterdir():
            if not blob.name.startswith("."):
                blob.unlink()
        upload_model(manifest, source, public, b"{}")
        (store.folder_of(compute_manifest_hash(manifest).hex()) / "model.onnx").write_bytes(b"damaged")
        store.add(source)

    write_again()
    assert all(path.exists() for path in left)
    old = time.time() - MAX_AGE_S - 60
    for path in (left[0].parent, left[1].parent, left[2]):
        os.utime(path, (old, old))
    write_again()
    assert not any(path.exists() for path in left)
