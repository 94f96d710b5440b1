"""Fetched models: kept in the store up to a size, the longest unused leave first, what somebody uses never.

    <root>/fetched/<manifest hash>.json     where it came from; its modification time is the last use
    <root>/incoming/<manifest hash>/        what a fetch has brought so far

Whoever uses a fetched model holds a shared lock on its file in `fetched`, which the operating system takes back when
the process ends, however it ends. Models that were added by hand are never removed.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from infernet.errors import NodeMisconfigured
from infernet.models.download import Progress, download_files, fetch_manifest
from infernet.models.storage import Location
from infernet.models.store import ModelStore, StoredModel
from infernet.protocol.manifest import Manifest, compute_manifest_hash, encode_manifest


@dataclass(frozen=True, slots=True)
class HeldModel:
    """A model that stays where it is until `release`."""

    model: StoredModel
    source: str
    _lock: TextIO | None

    def release(self) -> None:
        """From now on the model may leave. The second time nothing happens."""
        if self._lock is not None:
            self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


@dataclass(frozen=True, slots=True)
class FetchedModel:
    """A model in the cache."""

    hash: str
    source: str
    size_bytes: int
    used_at: float


class ModelCache:
    """Several processes may use one cache at once.

    Args:
        root: of the model store.
        max_bytes: how much all fetched models may take up together, with what has arrived of others; None for no
            limit.
    """

    def __init__(self, root: Path, max_bytes: int | None = None) -> None:
        self.root = root
        self.store = ModelStore(root)
        self._fetched = root / "fetched"
        self._incoming = root / "incoming"
        self._max_bytes = max_bytes

    def hold(self, digest: str) -> HeldModel | None:
        """The model of that manifest hash, its files verified, None where it is not here.

        Raises:
            NodeMisconfigured: as `ModelStore.get`, where a model that was added by hand is damaged.
        """
        lock = self._lock(digest)
        try:
            model = self.store.get(digest) if self.store.has(digest) else None
        except NodeMisconfigured:
            if lock is None:
                raise
            model = None  # it is fetched again
        if model is None:
            if lock is not None:
                lock.close()
            return None
        if lock is None:
            return HeldModel(model, "", None)
        os.utime(lock.fileno())
        return HeldModel(model, json.load(lock)["source"], lock)

    def fetch(self, folder: Location, expected_hash: str | None = None, progress: Progress | None = None) -> HeldModel:
        """The model in a folder somewhere, from here where it is here already.

        Args:
            expected_hash: of the manifest, where it is known.

        Raises:
            NodeMisconfigured, InvalidInput, RetryLater: as `fetch_manifest` and `download_files`; `model.too_large`.
        """
        if expected_hash is not None and (held := self.hold(expected_hash)) is not None:
            return held
        manifest = fetch_manifest(folder, expected_hash)
        digest = compute_manifest_hash(manifest).hex()
        with self._alone(digest) as lock:
            if (held := self.hold(digest)) is not None:
                return held
            self._make_room(manifest, digest, lock)
            incoming = self._incoming / digest
            incoming.mkdir(parents=True, exist_ok=True)
            download_files(manifest, folder, incoming, progress)
            self._note(digest, folder.uri)
            self.store.add(incoming, manifest, is_named=False)
            shutil.rmtree(incoming)
        held = self.hold(digest)
        if held is None:  # another process needed the room at once
            raise _too_large(manifest, self._max_bytes)
        return held

    def list(self) -> list[FetchedModel]:
        """What was fetched and is not in the store by name as well, the longest unused first."""
        found = []
        named = self.store.list_named()
        for path in self._fetched.glob("*.json"):
            if self.store.has(path.stem) and path.stem not in named:
                source = json.loads(path.read_text())["source"]
                found.append(
                    FetchedModel(path.stem, source, _measure(self.store.folder_of(path.stem)), path.stat().st_mtime)
                )
        return sorted(found, key=lambda model: model.used_at)

    def _make_room(self, manifest: Manifest, digest: str, lock: TextIO) -> None:
        """Remove what nobody uses until the model fits, and keep the room until `lock` is free.

        Raises:
            NodeMisconfigured: `model.too_large`.
        """
        if self._max_bytes is None:
            return
        with (self._incoming / "room").open("w") as others:
            fcntl.flock(others, fcntl.LOCK_EX)
            free = self._max_bytes - _compute_size(manifest)
            arriving = {path.stem for path in self._incoming.glob("*.lock")} - {digest}
            sizes = {other: self._measure_arriving(other) for other in sorted(arriving)}
            present = self.list()
            excess = sum(sizes.values()) + sum(model.size_bytes for model in present) - free
            for other, size_bytes in sizes.items():
                if excess > 0 and free >= 0 and self._give_up(other):
                    excess -= size_bytes
            for model in present:
                if excess > 0 and free >= 0 and self._evict(model.hash):
                    excess -= model.size_bytes
            if excess > 0:
                raise _too_large(manifest, self._max_bytes)
            lock.truncate(0)
            lock.write(str(_compute_size(manifest)))
            lock.flush()

    def _measure_arriving(self, digest: str) -> int:
        """What has arrived of a model, or all of it where somebody fetches it now."""
        arrived = _measure(self._incoming / digest)
        with self._lock_file(digest).open("a+") as lock:
            if _try_lock(lock):
                return arrived
            lock.seek(0)
            return max(arrived, int(lock.read() or 0))

    def _give_up(self, digest: str) -> bool:
        """Remove what has arrived of a model. False where somebody fetches it."""
        with self._lock_file(digest).open("a") as lock:
            if not _try_lock(lock):
                return False
            shutil.rmtree(self._incoming / digest, ignore_errors=True)
        return True

    def _evict(self, digest: str) -> bool:
        """False where somebody uses it."""
        path = self._fetched / f"{digest}.json"
        with path.open() as lock:
            if not _try_lock(lock):
                return False
            path.unlink(missing_ok=True)  # first: who waits for the lock then sees that the model is gone
            self.store.remove(digest)
        return True

    def _lock(self, digest: str) -> TextIO | None:
        """The shared lock of a fetched model, None where it was not fetched."""
        path = self._fetched / f"{digest}.json"
        try:
            lock = path.open()
        except FileNotFoundError:
            return None
        fcntl.flock(lock, fcntl.LOCK_SH)
        if not path.exists() or not os.path.samestat(path.stat(), os.fstat(lock.fileno())):
            lock.close()
            return self._lock(digest)
        return lock

    @contextmanager
    def _alone(self, digest: str) -> Iterator[TextIO]:
        """One process at a time fetches a model; the others then find it."""
        self._incoming.mkdir(parents=True, exist_ok=True)
        with self._lock_file(digest).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield lock

    def _lock_file(self, digest: str) -> Path:
        """Its content is the size of the model that whoever holds it fetches."""
        return self._incoming / f"{digest}.lock"

    def _note(self, digest: str, source: str) -> None:
        self._fetched.mkdir(parents=True, exist_ok=True)
        path = self._fetched / f"{digest}.json"
        if not path.exists():
            temporary = path.with_suffix(f".{os.getpid()}")
            temporary.write_text(json.dumps({"source": source}))
            temporary.rename(path)


def _try_lock(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _measure(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _compute_size(manifest: Manifest) -> int:
    return len(encode_manifest(manifest)) + sum(file.size_bytes for file in manifest.files)


def _too_large(manifest: Manifest, max_bytes: int | None) -> NodeMisconfigured:
    return NodeMisconfigured(
        "model.too_large",
        f"{manifest.name} ({_compute_size(manifest):,} bytes) finds no room among the fetched models, which may take "
        f"up {max_bytes or 0:,} bytes and of which those in use stay: set models.max_bytes (or --max-bytes) higher",
        model=manifest.name,
    )
