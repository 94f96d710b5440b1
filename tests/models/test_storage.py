"""Models travel: to a folder, a bucket, a web server, and back, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from range_server import FileServer, serve_folder
from s3_server import serve_bucket
from small_models import write_model

from infernet.errors import InfernetError, InvalidInput, NodeMisconfigured, RetryLater
from infernet.models import download as download_module
from infernet.models import upload as upload_module
from infernet.models.cache import ModelCache
from infernet.models.download import PUBLICATION_FILE, fetch_manifest, fetch_publication_run
from infernet.models.storage import Location, Report, read_size, stream, write
from infernet.models.store import verify_files
from infernet.models.upload import upload_model
from infernet.protocol.manifest import Manifest, compute_manifest_hash

PUBLICATION = b'{"run": "abc"}'


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "source"


@pytest.fixture
def manifest(source: Path) -> Manifest:
    return write_model(source)


@pytest.fixture
def cache(tmp_path: Path) -> ModelCache:
    return ModelCache(tmp_path / "store")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FileServer]:
    (tmp_path / "web").mkdir()
    with serve_folder(tmp_path / "web") as running:
        yield running


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_module, "FIRST_PAUSE_S", 0.001)


@pytest.fixture(scope="session")
def bucket() -> Iterator[str]:
    """A bucket of an S3 server on this machine."""
    with serve_bucket("models") as uri:
        yield uri


def test_a_model_that_was_uploaded_to_a_folder_is_fetched_from_it(
    source: Path, manifest: Manifest, cache: ModelCache, tmp_path: Path
) -> None:
    seen: list[tuple[int, int]] = []
    place = upload_model(
        manifest, source, Location(str(tmp_path / "public")), PUBLICATION, lambda *step: seen.append(step)
    )
    digest = compute_manifest_hash(manifest).hex()
    assert place.local_path == tmp_path / "public" / digest
    assert (place / PUBLICATION_FILE).local_path.read_bytes() == PUBLICATION
    assert seen[-1][0] == seen[-1][1] == 2 * manifest.files[0].size_bytes
    with cache.fetch(place, digest) as held:
        assert held.model.manifest == manifest
        verify_files(manifest, held.model.folder)


def test_a_file_uri_with_a_blank_in_its_path_is_the_path(tmp_path: Path) -> None:
    path = tmp_path / "a folder" / "file"
    path.parent.mkdir()
    path.write_bytes(b"content")
    assert b"".join(stream(Location(path.as_uri()))) == b"content"
    assert b"".join(stream(Location(path.parent.as_uri()) / "file")) == b"content"


def test_a_model_goes_to_a_bucket_and_back(source: Path, manifest: Manifest, cache: ModelCache, bucket: str) -> None:
    place = upload_model(manifest, source, Location(f"{bucket}/there"), PUBLICATION)
    assert place.uri == f"{bucket}/there/{compute_manifest_hash(manifest).hex()}"
    assert b"".join(stream(place / PUBLICATION_FILE, 3)) == PUBLICATION[3:]
    with cache.fetch(place) as held:
        verify_files(manifest, held.model.folder)


def test_what_is_missing_in_a_bucket_is_missing(bucket: str) -> None:
    assert read_size(Location(f"{bucket}/nothing")) is None
    with pytest.raises(FileNotFoundError):
        b"".join(stream(Location(f"{bucket}/nothing")))


def test_a_bucket_that_does_not_exist_is_one_line(source: Path, manifest: Manifest, bucket: str) -> None:
    with pytest.raises(InfernetError) as caught:
        upload_model(manifest, source, Location("s3://no-such-bucket/there"), PUBLICATION)
    assert "\n" not in caught.value.message


def test_an_upload_that_broke_off_goes_on_where_it_stopped(
    tmp_path: Path, manifest: Manifest, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []

    def write_and_note(location: Location, path: Path, *report: Report) -> None:
        written.append(location.name)
        if location.name == PUBLICATION_FILE and written.count(PUBLICATION_FILE) == 1:
            raise RetryLater("storage.unreachable", "the line broke")
        write(location, path, *report)

    monkeypatch.setattr(upload_module, "write", write_and_note)
    root = Location(str(tmp_path / "public"))
    with pytest.raises(RetryLater):
        upload_model(manifest, source, root, PUBLICATION)
    with pytest.raises(NodeMisconfigured) as caught:  # without a manifest nothing is published
        fetch_manifest(root / compute_manifest_hash(manifest).hex())
    assert caught.value.code == "model.no_manifest"
    upload_model(manifest, source, root, PUBLICATION)
    assert written == [manifest.files[0].sha256, PUBLICATION_FILE, PUBLICATION_FILE, "manifest.json"]


def test_storage_that_gives_back_something_else_is_found_out(tmp_path: Path, manifest: Manifest, source: Path) -> None:
    blob = tmp_path / "public" / "blobs" / manifest.files[0].sha256
    blob.parent.mkdir(parents=True)
    blob.write_bytes(bytes(manifest.files[0].size_bytes))
    with pytest.raises(NodeMisconfigured) as caught:
        upload_model(manifest, source, Location(str(tmp_path / "public")), PUBLICATION)
    assert caught.value.code == "storage.not_verified"
    assert not (tmp_path / "public" / compute_manifest_hash(manifest).hex() / "manifest.json").exists()


@pytest.mark.parametrize(
    ("content", "run"),
    [
        (b'{"mlflow_run": "5d82ea03c9c04f0aa1617ddc53b87516"}', "5d82ea03c9c04f0aa1617ddc53b87516"),
        (b'{"mlflow_run": "look at http://elsewhere"}', ""),
        (b'{"mlflow_run": 7}', ""),
        (b"[]", ""),
        (b"\xff", ""),
    ],
)
def test_what_a_publisher_says_of_the_run_is_taken_where_it_is_one(tmp_path: Path, content: bytes, run: str) -> None:
    assert fetch_publication_run(Location(str(tmp_path))) == ""
    (tmp_path / PUBLICATION_FILE).write_bytes(content)
    assert fetch_publication_run(Location(str(tmp_path))) == run


def test_a_web_server_is_read_only(source: Path, manifest: Manifest) -> None:
    with pytest.raises(InvalidInput) as caught:
        upload_model(manifest, source, Location("https://models.example"), PUBLICATION)
    assert caught.value.code == "storage.read_only"


def test_a_download_survives_connections_that_break(
    source: Path, manifest: Manifest, server: FileServer, tmp_path: Path
) -> None:
    upload_model(manifest, source, Location(str(server.folder)), PUBLICATION)
    part = manifest.files[0].size_bytes // 3
    server.breaks_after = part
    digest = compute_manifest_hash(manifest).hex()
    download_module.download_files(manifest, Location(f"{server.url}/{digest}"), tmp_path / "target")
    verify_files(manifest, tmp_path / "target")
    starts = [start for _, start in server.requests]
    assert starts == [place * part for place in range(len(starts))]
    assert len(starts) in (3, 4)


def test_what_a_stranger_wrote_does_not_lead_into_this_network(
    source: Path, manifest: Manifest, server: FileServer
) -> None:
    upload_model(manifest, source, Location(str(server.folder)), PUBLICATION)
    digest = compute_manifest_hash(manifest).hex()
    port = server.url.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost"):
        with pytest.raises(NodeMisconfigured) as caught:
            fetch_manifest(Location(f"http://{host}:{port}/{digest}", is_foreign=True))
        assert caught.value.code == "storage.private_address"
    assert server.requests == []


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_download_that_was_given_up_is_taken_up_where_it_stopped(
    source: Path, manifest: Manifest, server: FileServer, tmp_path: Path, knows_ranges: bool
) -> None:
    upload_model(manifest, source, Location(str(server.folder)), PUBLICATION)
    place = Location(f"{server.url}/{compute_manifest_hash(manifest).hex()}")
    partial = tmp_path / "target" / "model.onnx.part"
    partial.parent.mkdir()
    partial.write_bytes((source / "model.onnx").read_bytes()[:100])
    server.knows_ranges = knows_ranges
    download_module.download_files(manifest, place, tmp_path / "target")
    verify_files(manifest, tmp_path / "target")
    assert server.requests[-1][1] == 100


def test_a_server_that_never_sends_a_whole_file_is_given_up(
    source: Path, manifest: Manifest, cache: ModelCache, server: FileServer
) -> None:
    upload_model(manifest, source, Location(str(server.folder)), PUBLICATION)
    place = Location(f"{server.url}/{compute_manifest_hash(manifest).hex()}")
    blob = server.folder / "blobs" / manifest.files[0].sha256
    blob.write_bytes(blob.read_bytes()[:50])
    with pytest.raises(RetryLater) as caught:
        cache.fetch(place)
    assert caught.value.code == "storage.unreachable"
    assert "50 of" in caught.value.message
    assert cache.list() == []


def test_a_server_that_sends_without_end_is_read_no_further_than_the_manifest_says(
    source: Path, manifest: Manifest, server: FileServer, tmp_path: Path
) -> None:
    upload_model(manifest, source, Location(str(server.folder)), PUBLICATION)
    digest = compute_manifest_hash(manifest).hex()
    server.endless = True
    download_module.download_files(manifest, Location(f"{server.url}/{digest}"), tmp_path / "target")
    verify_files(manifest, tmp_path / "target")
    with pytest.raises(InvalidInput) as caught:
        fetch_manifest(Location(f"{server.url}/{digest}"))
    assert caught.value.code == "manifest.invalid"


def test_a_file_that_is_not_what_its_manifest_says_is_refused(
    source: Path, manifest: Manifest, cache: ModelCache
) -> None:
    content = bytearray((source / "model.onnx").read_bytes())
    content[-1] ^= 1
    (source / "model.onnx").write_bytes(content)
    for _ in range(2):  # also when the wrong bytes had arrived before
        with pytest.raises(NodeMisconfigured) as caught:
            cache.fetch(Location(str(source)))
        assert caught.value.code == "model.hash_mismatch"


def test_a_manifest_that_is_not_the_one_asked_for_is_refused(
    source: Path, manifest: Manifest, cache: ModelCache
) -> None:
    with pytest.raises(NodeMisconfigured) as caught:
        cache.fetch(Location(str(source)), "ab" * 32)
    assert caught.value.code == "model.hash_mismatch"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"flavour": "pyfunc"}, "the flavour pyfunc"),
        ({"files": [{"path": "model.pkl", "sha256": "00" * 32, "size_bytes": 3}]}, "model.pkl"),
        ({"files": [{"path": "weights.pt", "sha256": "00" * 32, "size_bytes": 3}]}, "weights.pt"),
    ],
)
def test_a_pickle_is_refused_before_it_is_fetched(
    source: Path, manifest: Manifest, cache: ModelCache, change: dict[str, object], reason: str
) -> None:
    fields = json.loads((source / "manifest.json").read_bytes()) | change
    (source / "manifest.json").write_text(json.dumps(fields))
    with pytest.raises(NodeMisconfigured) as caught:
        cache.fetch(Location(str(source)))
    assert caught.value.code == "model.unsafe"
    assert reason in caught.value.message


def test_a_server_that_cannot_be_reached_is_one_line(cache: ModelCache) -> None:
    with pytest.raises(RetryLater) as caught:
        cache.fetch(Location("http://user:secret@127.0.0.1:9/model"))
    assert caught.value.code == "storage.unreachable"
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("uri", ["ftp://host/model", "simplecache::s3://bucket/model", "zip://x::file:///etc/passwd"])
def test_other_schemes_are_refused(uri: str, cache: ModelCache) -> None:
    with pytest.raises(InfernetError) as caught:
        cache.fetch(Location(uri))
    assert caught.value.code in ("storage.unknown_scheme", "model.no_manifest")


def test_a_device_is_no_file() -> None:
    with pytest.raises(FileNotFoundError):
        next(stream(Location("file:///dev/zero")))
