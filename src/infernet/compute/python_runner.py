"""Inside a worker: a user's function or class that carries the decorator of `infernet.serve`."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from infernet.errors import JobRejected, NodeMisconfigured


def load_python(target: str, container_id: str) -> Callable[[bytes], bytes]:
    """Import `module:attribute` or `path/to/file.py:attribute` and give back what turns features into an output.

    Raises:
        NodeMisconfigured: `container.not_found`; `container.not_decorated`; `container.id_mismatch`.
    """
    place, _, attribute = target.rpartition(":")
    if not place or not attribute:
        raise NodeMisconfigured(
            "container.not_found", f"{target!r} names no container: write module:name or path/to/file.py:name"
        )
    served = getattr(_import(place, target), attribute, None)
    if served is None:
        raise NodeMisconfigured("container.not_found", f"there is no {attribute!r} in {place}")
    _check(served, target, container_id)
    run = served.load()

    def run_checked(features: bytes) -> bytes:
        output = run(features)
        if not isinstance(output, bytes | bytearray):
            raise JobRejected("container.failed", f"{container_id} returned {type(output).__name__}, not bytes")
        return bytes(output)

    return run_checked


def _import(place: str, target: str) -> ModuleType:
    if not place.endswith(".py"):
        sys.path.insert(0, os.getcwd())
        try:
            return importlib.import_module(place)
        except ModuleNotFoundError as error:
            if error.name and (place == error.name or place.startswith(error.name + ".")):
                raise NodeMisconfigured("container.not_found", f"there is no module {place} for {target!r}") from None
            raise
    path = Path(place).resolve()
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise NodeMisconfigured("container.not_found", f"there is no file {path} for {target!r}")
    sys.path.insert(0, str(path.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _check(served: Any, target: str, container_id: str) -> None:
    if not isinstance(getattr(served, "id", None), str) or not callable(getattr(served, "load", None)):
        raise NodeMisconfigured(
            "container.not_decorated", f"{target} is not a container: put @infernet.serve.container(...) on it"
        )
    if served.id != container_id:
        raise NodeMisconfigured(
            "container.id_mismatch",
            f"{target} calls itself {served.id!r}, the node was told {container_id!r}: make them equal",
        )
