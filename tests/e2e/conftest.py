"""Commands run as a user types them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from command import Place


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A folder to run commands in; whatever they do, no process and no temporary file is left."""
    place = Place(tmp_path)
    yield place
    place.check_nothing_left()
