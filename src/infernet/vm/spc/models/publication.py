"""The calls that bring a model to a chain, one after the other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from infernet.models.store import read_manifest, verify_files
from infernet.protocol.abi import BYTES, BYTES32, AbiType, Function
from infernet.protocol.manifest import encode_manifest

PART_BYTES = 131_072
"""Of a file in one call, which costs 4.2 million gas to keep and up to 5.2 million to bring."""

_PUT_BLOB = Function("putBlob", {"data": BYTES}, BYTES32)
_ASSEMBLE = Function("assemble", {"parts": AbiType("bytes32[]", "hashes", lambda value: True)}, BYTES32)
_PUBLISH = Function("publish", {"manifest": BYTES}, BYTES32)


def build_publication(folder: Path, part_bytes: int = PART_BYTES) -> Iterator[bytes]:
    """Calldata for the inference precompile: the files in parts, then the manifest.

    Raises:
        NodeMisconfigured: `model.file_missing`, `model.hash_mismatch`.
        InvalidInput: `manifest.invalid`.
    """
    manifest = read_manifest(folder)
    verify_files(manifest, folder)
    for file in manifest.files:
        content = (folder / file.path).read_bytes()
        parts = [content[at : at + part_bytes] for at in range(0, max(len(content), 1), part_bytes)]
        for part in dict.fromkeys(parts):
            yield _PUT_BLOB.encode(part)
        if len(parts) > 1:
            yield _ASSEMBLE.encode([hashlib.sha256(part).digest() for part in parts])
    yield _PUBLISH.encode(encode_manifest(manifest))
