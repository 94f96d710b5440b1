"""A quarter of real weeks, forecast for a contract on a local chain."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap

import pytest
from documents import ROOT

SCRIPT = "examples/volatility_feed.py"


@pytest.mark.chain
def test_the_feed_prints_what_it_says() -> None:
    described = ast.get_docstring(ast.parse((ROOT / SCRIPT).read_text())) or ""
    shown = textwrap.dedent(described.partition("This is what it prints:\n\n")[2])
    done = subprocess.run([sys.executable, SCRIPT], check=False, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == shown.strip()
