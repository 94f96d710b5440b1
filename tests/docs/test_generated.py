"""The generated parts of the documents."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from documents import ROOT

import docs


def test_the_generated_parts_are_those_of_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert docs.main(["--check"]) == 0, capsys.readouterr().err


def test_a_changed_block_is_named_by_the_check_and_written_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    page = tmp_path / "docs" / "node.md"
    right = page.read_text(encoding="utf-8")
    page.write_text(right.replace("| `node.keystore.json` |", "| `other.json` |"), encoding="utf-8")
    assert docs.main([], tmp_path) == 0
    right = page.read_text(encoding="utf-8")
    page.write_text(right.replace("| `node.keystore.json` |", "| `other.json` |"), encoding="utf-8")

    assert docs.main(["--check"], tmp_path) == 1
    assert "docs/node.md differs" in capsys.readouterr().err
    assert docs.main([], tmp_path) == 0
    assert page.read_text(encoding="utf-8") == right
    assert docs.main(["--check"], tmp_path) == 0


def test_an_unknown_block_is_an_error() -> None:
    with pytest.raises(SystemExit, match="no generated block 'weather'"):
        docs.render_document("<!-- generated: weather -->\n<!-- end -->\n")


@pytest.mark.slow
def test_the_width_of_the_terminal_changes_nothing() -> None:
    command = [sys.executable, "tools/docs.py", "--check"]
    for columns in ("40", "200"):
        environment = {"COLUMNS": columns, "PATH": ""}
        done = subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_an_unknown_option_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert docs.main(["--verify"]) == 2
    assert "--check" in capsys.readouterr().err
