"""What the log says of a mistake of ours: the error and its place, and no values of the code around it."""

from __future__ import annotations

import traceback
from pathlib import Path

_MAX_CHARS = 500


def describe_fault(error: Exception) -> dict[str, str]:
    """Fields of one line of the log."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return {"error": repr(error)[:_MAX_CHARS], "at": f"{Path(place.filename).name}:{place.lineno} in {place.name}"}
