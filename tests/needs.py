"""What tests need of the machine. Where it is missing they fail: a test that is skipped tests nothing.

`INFERNET_ALLOW_SKIP=1` skips instead, for a machine that cannot have it.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

import pytest

MAY_SKIP = os.environ.get("INFERNET_ALLOW_SKIP") == "1"


def need(is_there: bool, otherwise: str) -> None:
    """Fail (or skip) with what to do where something is not there."""
    if is_there:
        return
    if MAY_SKIP:
        pytest.skip(otherwise)
    pytest.fail(f"{otherwise}; INFERNET_ALLOW_SKIP=1 skips what needs it", pytrace=False)


def need_module(name: str) -> Any:
    """An extra's package."""
    return pytest.importorskip(name) if MAY_SKIP else importlib.import_module(name)
