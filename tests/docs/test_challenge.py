"""The challenge that the documents tell of."""

from __future__ import annotations

import subprocess
import sys

import pytest
from documents import ROOT, list_blocks

SCRIPT = "examples/challenge.py"


@pytest.mark.chain
def test_the_challenge_prints_what_the_document_shows() -> None:
    (block,) = [block for block in list_blocks("sh") if SCRIPT in block.text]
    done = subprocess.run([sys.executable, SCRIPT], check=False, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert block.output is not None
    assert done.stdout.strip() == block.output.strip()
