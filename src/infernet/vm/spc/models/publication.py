"""The calls that bring a model to a chain, one after the other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from infernet.models.store import read_manifest, verify_files
from infernet.protocol.abi import BYTES, BYTES32, AbiType, Function
from infernet.protocol.manifest import compute_manifest_hash, encode_manifest

PART_BYTES = 131_072
"""Of a file in one call, which costs 6.5 million gas: 2.1 million to bring, 4.2 million to keep."""

_PUT_BLOB = Function("putBlob", {"data": BYTES}, BYTES32)
_ASSEMBLE = Function("assemble", {"parts": AbiType("bytes32[]", "hashes", lambda value: True)}, BYTES32)
_PUBLISH = Function("publish", {"manifest": BYTES}, BYTES32)
_FILE_SIZE = Function("fileSize", {"sha256Hash": BYTES32})
_IS_PUBLISHED = Function("isPublished", {"manifestHash": BYTES32})
_TRUE = (1).to_bytes(32, "big")


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a publication.

    Attributes:
        question: calldata of the view that says whether the call is still needed.
    """

    data: bytes
    question: bytes

    def is_made(self, returned: bytes) -> bool:
        """Whether a chain whose view returned this has no need of the call."""
        return returned[:32] == _TRUE


def plan_publication(folder: Path, part_bytes: int = PART_BYTES) -> Iterator[Step]:
    """The files in parts, then the manifest. The last step is made only where all of them are.

    Raises:
        NodeMisconfigured: `model.file_missing`, `model.hash_mismatch`.
        InvalidInput: `manifest.invalid`.
    """
    manifest = read_manifest(folder)
    verify_files(manifest, folder)
    for file in manifest.files:
        content = (folder / file.path).read_bytes()
        parts = [content[at : at + part_bytes] for at in range(0, max(len(content), 1), part_bytes)]
        digests = [hashlib.sha256(part).digest() for part in parts]
        for digest, part in dict(zip(digests, parts, strict=True)).items():
            yield Step(_PUT_BLOB.encode(part), _FILE_SIZE.encode(digest))
        if len(parts) > 1:
            yield Step(_ASSEMBLE.encode(digests), _FILE_SIZE.encode(bytes.fromhex(file.sha256)))
    yield Step(_PUBLISH.encode(encode_manifest(manifest)), _IS_PUBLISHED.encode(compute_manifest_hash(manifest)))


def build_publication(folder: Path, part_bytes: int = PART_BYTES) -> Iterator[bytes]:
    """The same as calldata for the inference precompile, all of it.

    Raises:
        InfernetError: as `plan_publication`.
    """
    return (step.data for step in plan_publication(folder, part_bytes))
