"""The documents as the tests read them."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

PAGES = (
    *("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "contracts/src/README.md"),
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")),
)
FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block, with the output that the block after it shows (None where it shows none)."""

    page: str
    number: int
    info: str
    text: str
    output: str | None

    def __str__(self) -> str:
        return f"{self.page} block {self.number}"


@dataclass(frozen=True, slots=True)
class Compiled:
    """A project folder with `contracts/out`, and what forge said."""

    folder: Path
    returncode: int
    said: str


@cache
def read_page(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@cache
def list_blocks(language: str) -> tuple[Block, ...]:
    """Every block of that language."""
    found = []
    for page in PAGES:
        fences = list(FENCE.finditer(read_page(page)))
        for number, fence in enumerate(fences):
            following = fences[number + 1] if number + 1 < len(fences) else None
            output = following["text"] if following and following["info"] == "text output" else None
            if fence["info"].split(" ")[0] == language:
                found.append(Block(page, number + 1, fence["info"], fence["text"], output))
    return tuple(found)


def list_words(page: str) -> list[str]:
    """What stands in code type in a page's prose."""
    return re.findall(r"`([^`\n]+)`", FENCE.sub("", read_page(page)))


def list_commands() -> list[str]:
    """Every shell command of the documents, continued lines joined."""
    blocks = [line for block in list_blocks("sh") for line in block.text.replace("\\\n", " ").splitlines()]
    words = [word for page in PAGES for word in list_words(page)]
    return [re.sub(r"\s+# .*", "", line).strip() for line in (*blocks, *words)]
