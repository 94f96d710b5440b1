"""What a training leaves on the producer's disk: models, and its result beside them."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from infernet.errors import InfernetError
from infernet.models.store import MANIFEST_FILE, read_manifest, verify_files

_RESULT = ".result"


@dataclass(frozen=True, slots=True)
class Trained:
    """A training that has ended well: what it says, and the folders of its models."""

    result: bytes
    models: tuple[Path, ...] = ()


class JobFolder:
    """One job's. A producer that is stopped between a training and its answer does not train again."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def clear(self) -> Path:
        """Make it new, without what a training that was ended has left."""
        shutil.rmtree(self._path, ignore_errors=True)
        self._path.mkdir(parents=True)
        return self._path

    def keep(self, result: bytes) -> Trained:
        """Write down that the training has ended, and with which models: every folder that holds a manifest."""
        models = tuple(sorted(manifest.parent for manifest in self._path.rglob(MANIFEST_FILE)))
        names = [str(model.relative_to(self._path)) for model in models]
        written = self._path / f"{_RESULT}.part"
        with written.open("w", encoding="utf-8") as file:
            json.dump({"result": result.hex(), "models": names}, file)
            file.flush()
            os.fsync(file.fileno())
        written.rename(self._path / _RESULT)
        return Trained(result, models)

    def read(self) -> Trained | None:
        """What was kept; None where the training has not ended, or its models are not what they were."""
        try:
            kept = json.loads((self._path / _RESULT).read_text(encoding="utf-8"))
            models = tuple(self._path / name for name in kept["models"])
            for model in models:
                verify_files(read_manifest(model), model)
            return Trained(bytes.fromhex(kept["result"]), models)
        except (OSError, ValueError, KeyError, TypeError, InfernetError):
            return None
