"""The table of make targets."""

from __future__ import annotations

import re
from pathlib import Path

from docs_table import build_code, build_table

MAKEFILE = Path(__file__).resolve().parent.parent / "Makefile"


def list_targets() -> dict[str, str]:
    """Target → what it does, of every target that says so."""
    text = MAKEFILE.read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z-]+):.*?## +(.*)$", text, re.MULTILINE))


def render_targets() -> str:
    """The table."""
    return build_table(["command", "what it does"], ([build_code(f"make {n}"), d] for n, d in list_targets().items()))
