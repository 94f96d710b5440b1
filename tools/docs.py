"""Writes the generated parts of the documents: docs/cli.md, docs/errors.md, docs/reference, marked blocks, and
deployments/addresses.json.

    python tools/docs.py            write
    python tools/docs.py --check    compare with what is there; exit 1 and name each file that differs

A marked block stands between `<!-- generated: NAME -->` and `<!-- end -->`. All of it comes from the code and the
compiled contracts, so a document cannot fall behind them unseen. So does the Coordinator's address in the examples.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from docs_api import render_routes
from docs_cli import render_commands
from docs_deployment import EXAMPLE, place_coordinator, render_addresses
from docs_errors import render_codes, render_outcomes
from docs_gas import render_verifier_gas
from docs_layer import render_layer_file, render_limits, render_precompiles, render_prices
from docs_make import render_targets
from docs_manifest import render_manifest, render_tensor
from docs_reference import list_pages, render_terms
from docs_settings import render_settings

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(<!-- generated: (?P<name>[a-z-]+) -->\n)(?P<text>.*?)(<!-- end -->)", re.DOTALL)
BLOCKS: dict[str, Callable[[], str]] = {
    "job-outcomes": render_outcomes,
    "layer-file": render_layer_file,
    "make-targets": render_targets,
    "manifest": render_manifest,
    "manifest-tensor": render_tensor,
    "precompile-limits": render_limits,
    "precompile-prices": render_prices,
    "precompiles": render_precompiles,
    "routes": render_routes,
    "settings": render_settings,
    "terms": render_terms,
    "verifier-gas": render_verifier_gas,
}
PAGES: dict[str, Callable[[], str]] = {
    "deployments/addresses.json": render_addresses,
    "docs/cli.md": render_commands,
    "docs/errors.md": render_codes,
    **list_pages(),
}


def render_document(text: str) -> str:
    """The document with its marked blocks as they should be."""

    def replace(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in BLOCKS:
            raise SystemExit(f"docs: there is no generated block {name!r}; there is {', '.join(sorted(BLOCKS))}")
        return f"{match[1]}{BLOCKS[name]().strip()}\n{match[4]}"

    return place_coordinator(BLOCK.sub(replace, text))


def render_all(root: Path) -> dict[Path, str]:
    """Every document with a generated part, as it should be."""
    rendered = {root / name: render().strip() + "\n" for name, render in PAGES.items()}
    for path in (*sorted(root.glob("*.md")), *sorted((root / "docs").glob("*.md"))):
        if path in rendered:
            continue
        text = path.read_text(encoding="utf-8")
        if "<!-- generated: " in text or EXAMPLE.search(text):
            rendered[path] = render_document(text)
    return rendered


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Write or check; the exit code."""
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    rendered = render_all(root)
    differing = [p for p, text in rendered.items() if not p.exists() or p.read_text(encoding="utf-8") != text]
    if arguments:
        for path in differing:
            print(f"docs: {path.relative_to(root)} differs from the code: run make docs", file=sys.stderr)
        return 1 if differing else 0
    for path in differing:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(rendered[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
