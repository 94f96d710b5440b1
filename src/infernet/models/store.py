"""The local model store.

    <root>/models/<manifest hash>/manifest.json and the model's files
    <root>/names/<namespace>/<name>/<version>      a file that holds the manifest hash

A manifest's hash covers the hash of every file, so a folder's name says all that is in it. A model is built in a
temporary folder and renamed into place, its name comes last: a crash leaves a temporary folder, which goes a day later,
never half a model.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from infernet.errors import InvalidInput, NodeMisconfigured
from infernet.models.leftovers import remove_leftovers
from infernet.protocol.manifest import (
    NAME_PATTERN,
    Manifest,
    ManifestFile,
    check_file,
    compute_manifest_hash,
    encode_manifest,
    parse_manifest,
)

MANIFEST_FILE = "manifest.json"
_ADDING, _REMOVING = ".adding-", ".removing-"


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A model version in the store."""

    manifest: Manifest
    hash: str
    """The manifest hash, 64 hex digits."""
    folder: Path


class ModelStore:
    """The models of this machine. Several processes may use one store at once."""

    def __init__(self, root: Path) -> None:
        self._models = root / "models"
        self._names = root / "names"

    def add(self, folder: Path, manifest: Manifest | None = None, *, is_named: bool = True) -> StoredModel:
        """Take a model in: the folder's files, by the given manifest or the one that lies in the folder.

        Adding the same model again changes nothing, or repairs it.

        Args:
            is_named: False for a model that is found by its hash alone.

        Raises:
            InvalidInput: `manifest.invalid`; `model.exists` when the name stands for another model already.
            NodeMisconfigured: `model.file_missing`, `model.hash_mismatch`: the folder is not what the manifest says.
        """
        manifest = manifest or read_manifest(folder)
        digest = compute_manifest_hash(manifest).hex()
        if is_named:
            self._check_name_is_free(manifest.name, digest)
        target = self._models / digest
        if not _is_intact(manifest, target):
            self._install(manifest, folder, target)
        if is_named:
            self._write_name(manifest.name, digest)
        return StoredModel(manifest, digest, target)

    def list(self) -> list[StoredModel]:
        """Every named model, by name. The files are not verified.

        Raises:
            NodeMisconfigured: as `get`, when a name points to a manifest that is gone or was changed.
        """
        paths = sorted(self._names.glob("*/*/*"))
        return [self._read(path.read_text().strip()) for path in paths if not path.name.startswith(".")]

    def get(self, reference: str) -> StoredModel:
        """The model of that name or manifest hash, its files verified.

        Raises:
            NodeMisconfigured: `model.not_found`, `model.file_missing`, `model.hash_mismatch`.
        """
        model = self._read(self._find(reference))
        verify_files(model.manifest, model.folder)
        return model

    def has_name(self, name: str) -> bool:
        """Whether a model was added under that name."""
        return self._path_of_name(name).is_file()

    def has(self, digest: str) -> bool:
        """Whether a model of that manifest hash is there. Its files are not verified."""
        return (self._models / digest / MANIFEST_FILE).is_file()

    def folder_of(self, digest: str) -> Path:
        """Where a model of that manifest hash lies."""
        return self._models / digest

    def list_named(self) -> set[str]:
        """The hashes of the models that have names."""
        return {path.read_text().strip() for path in self._names.glob("*/*/*") if not path.name.startswith(".")}

    def remove(self, digest: str) -> None:
        """Take a model away that has no name. Whoever still uses its files must have been asked before."""
        folder = self._models / digest
        if folder.exists():
            with tempfile.TemporaryDirectory(prefix=_REMOVING, dir=self._models) as work:
                folder.rename(Path(work) / "model")  # at once for everybody, however long the deletion takes

    def _find(self, reference: str) -> str:
        digest = reference.removeprefix("0x").lower()
        if len(digest) == 64 and not digest.strip("0123456789abcdef"):
            if (self._models / digest).is_dir():
                return digest
        elif re.fullmatch(NAME_PATTERN, reference):
            path = self._path_of_name(reference)
            if path.is_file():
                return path.read_text().strip()
        raise NodeMisconfigured(
            "model.not_found",
            f"no model {reference!r} in {self._models.parent}: add it with 'infernet models add', or see what is "
            "there with 'infernet models list'",
            model=reference,
        )

    def _read(self, digest: str) -> StoredModel:
        folder = self._models / digest
        manifest = read_manifest(folder)
        if compute_manifest_hash(manifest).hex() != digest:
            raise NodeMisconfigured(
                "model.hash_mismatch",
                f"{folder / MANIFEST_FILE} was changed (it no longer hashes to {digest[:12]}…): add {manifest.name} "
                "again from its source",
                model=manifest.name,
            )
        return StoredModel(manifest, digest, folder)

    def _path_of_name(self, name: str) -> Path:
        path, version = name.rsplit(":", 1)
        return self._names / path / version

    def _check_name_is_free(self, name: str, digest: str) -> None:
        path = self._path_of_name(name)
        if path.is_file() and (present := path.read_text().strip()) != digest:
            raise InvalidInput(
                "model.exists",
                f"{name} already stands for another model ({present[:12]}…) and versions never change: give this one "
                "a new version",
                model=name,
            )

    def _install(self, manifest: Manifest, source: Path, target: Path) -> None:
        self._models.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self._models, _ADDING, _REMOVING)
        with tempfile.TemporaryDirectory(prefix=_ADDING, dir=self._models) as work:
            built = Path(work) / "model"
            for file in manifest.files:
                _copy(_locate(file, source, manifest.name), built / file.path)
            (built / MANIFEST_FILE).write_bytes(encode_manifest(manifest))
            verify_files(manifest, built)
            _sync(built)
            if target.exists():  # damaged: out of the way, it goes with the temporary folder
                target.rename(Path(work) / "damaged")
            built.rename(target)
            _sync(self._models)

    def _write_name(self, name: str, digest: str) -> None:
        path = self._path_of_name(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".name-", dir=path.parent)
        with os.fdopen(handle, "w") as stream:
            stream.write(digest + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(temporary, path)  # unlike a rename, this never replaces what another process named meanwhile
        except FileExistsError:
            self._check_name_is_free(name, digest)
        finally:
            os.unlink(temporary)


def read_manifest(folder: Path) -> Manifest:
    """The manifest that lies in a model's folder.

    Raises:
        NodeMisconfigured: `model.file_missing`.
        InvalidInput: `manifest.invalid`.
    """
    path = folder / MANIFEST_FILE
    if not path.is_file():
        raise NodeMisconfigured("model.file_missing", f"there is no {path}: a model's folder holds its {MANIFEST_FILE}")
    try:
        return parse_manifest(path.read_bytes())
    except InvalidInput as error:
        raise InvalidInput(error.code, f"{path} is not a manifest: {error.message}") from error


def verify_files(manifest: Manifest, folder: Path) -> None:
    """Compare every file of the folder with the manifest.

    Raises:
        NodeMisconfigured: `model.file_missing`, `model.hash_mismatch`.
    """
    for file in manifest.files:
        with _locate(file, folder, manifest.name).open("rb") as stream:
            check_file(file, stream, manifest.name)


def _is_intact(manifest: Manifest, folder: Path) -> bool:
    try:
        verify_files(manifest, folder)
        return encode_manifest(manifest) == (folder / MANIFEST_FILE).read_bytes()
    except (NodeMisconfigured, FileNotFoundError):
        return False


def _locate(file: ManifestFile, folder: Path, model: str) -> Path:
    """The file's place; a link that leads out of the folder counts as missing."""
    path = folder / file.path
    if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
        raise NodeMisconfigured(
            "model.file_missing",
            f"{file.path} of {model} is not in {folder}: put it back or add the model again from its source",
            model=model,
            path=file.path,
        )
    return path


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    _sync(target)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
