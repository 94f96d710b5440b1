"""Put a model where others can fetch it: its files by their hashes first, its manifest last, then all is read back."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from infernet.errors import NodeMisconfigured
from infernet.models.download import MANIFEST_FILE, PUBLICATION_FILE, Progress, check_safe, find_file
from infernet.models.storage import Location, Report, check_writable, read_size, stream, write
from infernet.models.store import verify_files
from infernet.protocol.manifest import Manifest, compute_manifest_hash, encode_manifest


def upload_model(
    manifest: Manifest, folder: Path, root: Location, publication: bytes, progress: Progress | None = None
) -> Location:
    """The uploaded manifest's folder below `root`. What is there already is not sent again, so that a command that was
    broken off goes on where it stopped; a manifest that can be read means that all its files can be.

    Raises:
        NodeMisconfigured: `model.file_missing`, `model.hash_mismatch`, `model.unsafe`; `storage.not_verified`: what is
            read back differs from what was sent; or as `write`.
        InvalidInput, RetryLater: as `write`.
    """
    check_writable(root)
    check_safe(manifest)
    verify_files(manifest, folder)
    target = root / compute_manifest_hash(manifest).hex()
    total, done = 2 * sum(file.size_bytes for file in manifest.files), 0

    def report(size_bytes: int) -> None:
        nonlocal done
        done += size_bytes
        if progress is not None:
            progress(min(done, total), total)

    for file in manifest.files:
        place = find_file(file, target)
        if read_size(place) == file.size_bytes:
            report(file.size_bytes)
        else:
            write(place, folder / file.path, report)
    done = total // 2
    for file in manifest.files:
        _verify(find_file(file, target), file.sha256, report)
    _write_bytes(target / PUBLICATION_FILE, publication)
    _write_bytes(target / MANIFEST_FILE, encode_manifest(manifest))
    _verify(target / MANIFEST_FILE, compute_manifest_hash(manifest).hex(), lambda _: None)
    return target


def _verify(place: Location, sha256: str, report: Report) -> None:
    digest = hashlib.sha256()
    for chunk in stream(place):
        digest.update(chunk)
        report(len(chunk))
    if digest.hexdigest() != sha256:
        raise NodeMisconfigured(
            "storage.not_verified",
            f"{place.uri} reads back as something else than what was sent (sha256 {digest.hexdigest()[:12]}…, expected "
            f"{sha256[:12]}…): remove it and publish again",
        )


def _write_bytes(place: Location, content: bytes) -> None:
    with tempfile.NamedTemporaryFile(prefix="infernet-") as file:
        file.write(content)
        file.flush()
        write(place, Path(file.name))
