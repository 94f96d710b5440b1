"""Fetch a model from where it lies: its manifest, then its files, each verified, taken up where a break left it."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TypeVar

from infernet.errors import InvalidInput, NodeMisconfigured, RetryLater
from infernet.models.storage import Location, stream
from infernet.protocol.manifest import Flavour, Manifest, ManifestFile, compute_manifest_hash, parse_manifest

T = TypeVar("T")
MANIFEST_FILE = "manifest.json"
MAX_MANIFEST_BYTES = 1 << 20
PUBLICATION_FILE = "publication.json"
"""Beside the manifest, what its publisher says of it (the run, the time): not part of what the hash covers."""
_RUN = re.compile(r"[0-9a-f]{32}")
SAFE_SUFFIXES = frozenset({".onnx", ".data", ".safetensors", ".gguf", ".json", ".txt"})
"""What a fetched model may consist of: formats of numbers and words, which cannot run code when they are loaded."""
ATTEMPTS = 5
"""In a row that bring nothing."""
FIRST_PAUSE_S = 0.2

Progress = Callable[[int, int], None]
"""Told of the bytes so far and in all."""


def fetch_manifest(folder: Location, expected_hash: str | None = None) -> Manifest:
    """The manifest of the model in a folder.

    Raises:
        NodeMisconfigured: `model.no_manifest`, `model.hash_mismatch`, `model.unsafe`, or as `stream`.
        InvalidInput: `manifest.invalid`, or as `stream`.
        RetryLater: `storage.unreachable`.
    """
    place = folder / MANIFEST_FILE
    try:
        content = _retrying(lambda: _read_small(place))
        manifest = parse_manifest(content)
    except FileNotFoundError:
        raise NodeMisconfigured(
            "model.no_manifest",
            f"there is no {place.uri}: it was taken away, or it is no model of Infernet "
            "('infernet train' registers models with a manifest)",
        ) from None
    except InvalidInput as error:
        raise InvalidInput(error.code, f"{place.uri} is not a manifest: {error.message}") from error
    found = compute_manifest_hash(manifest).hex()
    if expected_hash is not None and found != expected_hash:
        raise NodeMisconfigured(
            "model.hash_mismatch",
            f"{place.uri} is not the manifest that was asked for (it hashes to {found[:12]}…, expected "
            f"{expected_hash[:12]}…)",
        )
    check_safe(manifest)
    return manifest


def fetch_publication_run(folder: Location) -> str:
    """The MLflow run that a publisher names beside the manifest, no part of what its hash covers; empty without one.

    Raises:
        InfernetError: as `stream`.
    """
    try:
        run = json.loads(_read_small(folder / PUBLICATION_FILE)).get("mlflow_run")
    except (FileNotFoundError, ValueError, AttributeError):
        return ""
    return run if isinstance(run, str) and _RUN.fullmatch(run) else ""


def check_safe(manifest: Manifest) -> None:
    """Refuse what could run code when it is loaded, pickles above all.

    Raises:
        NodeMisconfigured: `model.unsafe`.
    """
    unsafe = [file.path for file in manifest.files if PurePosixPath(file.path).suffix.lower() not in SAFE_SUFFIXES]
    if manifest.flavour not in (Flavour.ONNX, Flavour.LLM):
        unsafe.append(f"the flavour {manifest.flavour}")
    if unsafe:
        raise NodeMisconfigured(
            "model.unsafe",
            f"{manifest.name} is refused for {unsafe[0]}: a fetched model consists of "
            f"{', '.join(sorted(SAFE_SUFFIXES))} files, for others could run code",
            model=manifest.name,
        )


def download_files(manifest: Manifest, folder: Location, target: Path, progress: Progress | None = None) -> None:
    """Bring a model's files into a folder of this machine. What lies there from an attempt before is gone on with.

    Raises:
        NodeMisconfigured: `model.file_missing`, `model.hash_mismatch`, or as `stream`.
        RetryLater: `storage.unreachable`, after several attempts.
    """
    total = sum(file.size_bytes for file in manifest.files)
    done = 0
    for file in manifest.files:
        path = target / file.path
        path.parent.mkdir(parents=True, exist_ok=True)

        def report(arrived: int, before: int = done) -> None:
            if progress is not None:
                progress(before + arrived, total)

        _download_file(file, folder, path, manifest.name, report)
        done += file.size_bytes
        report(0, done)


def _download_file(
    file: ManifestFile, folder: Location, target: Path, model: str, report: Callable[[int], None]
) -> None:
    if target.is_file():  # whole files alone have their own names
        return
    partial = target.with_name(target.name + ".part")
    place = find_file(file, folder)
    try:
        _retrying(lambda: _append(place, partial, file.size_bytes, report), lambda: partial.stat().st_size)
    except FileNotFoundError:
        partial.unlink(missing_ok=True)
        raise NodeMisconfigured(
            "model.file_missing",
            f"{file.path} of {model} is not at {place.uri}: its publisher has to upload it again",
            model=model,
            path=file.path,
        ) from None
    _check_content(file, partial, place, model)
    partial.rename(target)


def find_file(file: ManifestFile, folder: Location) -> Location:
    """Where a file of the model in a folder lies."""
    is_by_hash = re.fullmatch(r"[0-9a-f]{64}", folder.name) is not None
    return folder.parent / f"blobs/{file.sha256}" if is_by_hash else folder / file.path


def _append(place: Location, partial: Path, size_bytes: int, report: Callable[[int], None]) -> None:
    """Go on with a file until it has its size. More than that is not read, whatever the other side sends.

    Raises:
        RetryLater: `storage.unreachable` when it ends early.
    """
    with partial.open("ab") as output:
        arrived = output.tell()
        chunks = stream(place, arrived) if arrived < size_bytes or not size_bytes else iter(())
        for chunk in chunks:
            output.write(chunk[: size_bytes - arrived])
            output.flush()
            arrived = min(size_bytes, arrived + len(chunk))
            report(arrived)
            if arrived == size_bytes:
                break
    if arrived < size_bytes:
        message = f"{place.uri} broke off after {arrived:,} of {size_bytes:,} bytes: try again"
        raise RetryLater("storage.unreachable", message)


def _check_content(file: ManifestFile, partial: Path, place: Location, model: str) -> None:
    with partial.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if found != file.sha256:
        partial.unlink()  # the next attempt begins anew
        raise NodeMisconfigured(
            "model.hash_mismatch",
            f"{file.path} of {model} is not what its manifest says: {place.uri} has sha256 {found[:12]}…, expected "
            f"{file.sha256[:12]}…",
            model=model,
            path=file.path,
        )


def _read_small(place: Location) -> bytes:
    content = bytearray()
    for chunk in stream(place):
        content += chunk
        if len(content) > MAX_MANIFEST_BYTES:
            raise InvalidInput("manifest.invalid", f"it has more than {MAX_MANIFEST_BYTES:,} bytes")
    return bytes(content)


def _retrying(attempt: Callable[[], T], measure: Callable[[], int] = lambda: 0) -> T:
    """Its result, tried again while the other side cannot be reached, and as long as each attempt brings some more."""
    tries, before = 1, 0
    while True:
        try:
            return attempt()
        except RetryLater:
            now = measure()
            tries, before = (1, now) if now > before else (tries + 1, before)
            if tries > ATTEMPTS:
                raise
        time.sleep(FIRST_PAUSE_S * 2 ** (tries - 1))
