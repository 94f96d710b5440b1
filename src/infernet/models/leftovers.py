"""What a process leaves that is killed while it writes: files and folders whose names begin with a dot."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path

MAX_AGE_S = 86_400
"""Nobody writes for so long without a trace."""


def remove_leftovers(folder: Path, *prefixes: str) -> None:
    """Take away what was begun in a folder and has not changed for a day."""
    for prefix in prefixes:
        for path in folder.glob(f"{prefix}*"):
            with suppress(OSError):  # another process was faster
                if time.time() - path.stat().st_mtime > MAX_AGE_S:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
