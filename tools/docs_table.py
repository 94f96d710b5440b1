"""Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def build_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a bar inside a cell is escaped."""
    lines = [list(header), ["---"] * len(header), *(list(row) for row in rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def build_code(text: str) -> str:
    """Text in code type, empty where there is none."""
    return f"`{text}`" if text else ""
