from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from infernet.errors import InvalidInput, NodeMisconfigured
from infernet.models import MANIFEST_FILE, ModelStore
from infernet.models import store as store_module
from infernet.models.schema import SCHEMA_PATH, build_schema_text
from infernet.protocol.manifest import Manifest, compute_manifest_hash, encode_manifest, parse_manifest


def build_manifest(name: str = "demo/m:1", files: dict[str, bytes] | None = None) -> Manifest:
    tensor = {"name": "x", "dtype": "int64", "shape": [-1], "encoding": "int256[]"}
    entries = [
        {"path": path, "sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}
        for path, content in (files or {"model.onnx": b"weights"}).items()
    ]
    fields = {"schema_version": 1, "name": name, "flavour": "onnx", "files": entries, "inputs": [tensor]}
    return parse_manifest(json.dumps(fields | {"outputs": [tensor], "determinism": "exact"}).encode())


def write_folder(folder: Path, manifest: Manifest, files: dict[str, bytes] | None = None) -> Path:
    for path, content in (files or {"model.onnx": b"weights"}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    (folder / MANIFEST_FILE).write_bytes(encode_manifest(manifest))
    return folder


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "store")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "source", build_manifest())


def test_a_model_is_found_by_name_and_by_hash(store: ModelStore, source: Path) -> None:
    added = store.add(source)
    digest = compute_manifest_hash(build_manifest()).hex()
    assert added.hash == digest == added.folder.name
    for reference in ("demo/m:1", digest, "0x" + digest.upper()):
        assert store.get(reference) == added
    assert (added.folder / "model.onnx").read_bytes() == b"weights"
    assert store.list() == [added]


def test_the_store_keeps_its_own_copy(store: ModelStore, source: Path) -> None:
    store.add(source)
    (source / "model.onnx").write_bytes(b"changed")
    assert (store.get("demo/m:1").folder / "model.onnx").read_bytes() == b"weights"


def test_files_may_lie_in_folders_and_strangers_stay_outside(store: ModelStore, tmp_path: Path) -> None:
    files = {"graph/model.onnx": b"g", "graph/model.data": b"d"}
    folder = write_folder(tmp_path / "source", build_manifest(files=files), files | {"notes.txt": b"private"})
    added = store.add(folder)
    kept = sorted(path.relative_to(added.folder).as_posix() for path in added.folder.rglob("*") if path.is_file())
    assert kept == ["graph/model.data", "graph/model.onnx", "manifest.json"]


def test_an_empty_store_lists_nothing(store: ModelStore) -> None:
    assert store.list() == []


def test_adding_the_same_model_again_changes_nothing(store: ModelStore, source: Path) -> None:
    assert store.add(source) == store.add(source)
    assert len(store.list()) == 1


def test_a_name_never_comes_to_stand_for_another_model(store: ModelStore, source: Path, tmp_path: Path) -> None:
    store.add(source)
    files = {"model.onnx": b"better weights"}
    other = write_folder(tmp_path / "other", build_manifest(files=files), files)
    with pytest.raises(InvalidInput, match="new version") as caught:
        store.add(other)
    assert caught.value.code == "model.exists"
    assert (store.get("demo/m:1").folder / "model.onnx").read_bytes() == b"weights"


def test_two_processes_that_name_at_once_do_not_overwrite_each_other(
    store: ModelStore, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"model.onnx": b"other"}
    other = write_folder(tmp_path / "other", build_manifest(files=files), files)
    real_link = os.link

    def link_after_the_other(temporary: str, path: Path) -> None:
        monkeypatch.setattr(os, "link", real_link)
        store.add(other)
        real_link(temporary, path)

    monkeypatch.setattr(os, "link", link_after_the_other)
    with pytest.raises(InvalidInput, match="already stands"):
        store.add(source)
    assert (store.get("demo/m:1").folder / "model.onnx").read_bytes() == b"other"


@pytest.mark.parametrize("reference", ["demo/none:1", "0" * 64, "model.onnx", "", "../../etc/passwd:1", "/etc/x:1"])
def test_an_unknown_model_says_how_to_add_it(store: ModelStore, source: Path, reference: str) -> None:
    store.add(source)
    with pytest.raises(NodeMisconfigured, match="infernet models add") as caught:
        store.get(reference)
    assert caught.value.code == "model.not_found"


def test_a_source_without_its_file_is_refused_and_leaves_nothing(store: ModelStore, source: Path) -> None:
    (source / "model.onnx").unlink()
    with pytest.raises(NodeMisconfigured) as caught:
        store.add(source)
    assert caught.value.code == "model.file_missing"
    assert store.list() == []
    assert not list((source.parent / "store").rglob("*onnx*"))


def test_a_source_with_another_file_is_refused_and_leaves_nothing(store: ModelStore, source: Path) -> None:
    (source / "model.onnx").write_bytes(b"tampered")
    with pytest.raises(NodeMisconfigured) as caught:
        store.add(source)
    assert caught.value.code == "model.hash_mismatch"
    assert not list((source.parent / "store" / "models").iterdir())


def test_a_source_without_a_manifest_is_refused(store: ModelStore, tmp_path: Path) -> None:
    with pytest.raises(NodeMisconfigured, match=r"manifest\.json"):
        store.add(tmp_path)


def test_a_source_whose_manifest_is_no_manifest_is_refused(store: ModelStore, source: Path) -> None:
    (source / MANIFEST_FILE).write_text('{"name": 1}')
    with pytest.raises(InvalidInput, match="is not a manifest") as caught:
        store.add(source)
    assert "\n" not in str(caught.value)


def test_a_link_out_of_the_source_counts_as_missing(store: ModelStore, source: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"weights")
    (source / "model.onnx").unlink()
    (source / "model.onnx").symlink_to(tmp_path / "secret")
    with pytest.raises(NodeMisconfigured, match="is not in"):
        store.add(source)


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda folder: (folder / "model.onnx").write_bytes(b"rot"), "model.hash_mismatch"),
        (lambda folder: (folder / "model.onnx").unlink(), "model.file_missing"),
        (lambda folder: (folder / MANIFEST_FILE).unlink(), "model.file_missing"),
        (
            lambda folder: (folder / MANIFEST_FILE).write_bytes(encode_manifest(build_manifest("demo/other:1"))),
            "model.hash_mismatch",
        ),
    ],
)
def test_damage_in_the_store_is_seen_and_adding_again_repairs_it(
    store: ModelStore, source: Path, damage, code: str
) -> None:
    damage(store.add(source).folder)
    with pytest.raises(NodeMisconfigured, match=r"again|manifest\.json") as caught:
        store.get("demo/m:1")
    assert caught.value.code == code
    assert "\n" not in str(caught.value)
    store.add(source)
    assert store.get("demo/m:1").manifest == build_manifest()


@pytest.mark.parametrize("step", ["_copy", "_sync", "verify_files"])
def test_a_crash_while_adding_leaves_no_half_model(
    store: ModelStore, source: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Crash(BaseException):
        pass

    def crash(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as broken:
        broken.setattr(store_module, step, crash)
        with pytest.raises(Crash):
            store.add(source)
    assert store.list() == []
    assert store.get(store.add(source).hash)


def test_a_crash_before_the_name_is_written_is_finished_by_adding_again(
    store: ModelStore, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def refuse(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(os, "link", refuse)
        with pytest.raises(OSError, match="disk"):
            store.add(source)
    assert store.list() == []
    store.add(source)
    assert [model.manifest.name for model in store.list()] == ["demo/m:1"]


def test_the_published_schema_is_the_one_that_the_code_generates() -> None:
    assert SCHEMA_PATH.read_text() == build_schema_text(), "run: python -m infernet.models.schema"
