"""The npm package, as a project of somebody else uses it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
import tomllib
from pathlib import Path

import pytest
from documents import ROOT
from needs import need

CONTRACTS = ROOT / "contracts"
MODULES = CONTRACTS / "node_modules"
EXAMPLE = ROOT / "examples" / "forge-project"


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need(MODULES.is_dir() and shutil.which("npm") is not None, "no npm, or no forge: run `make setup`")
    folder = tmp_path_factory.mktemp("package")
    _run(folder, "npm", "pack", "--silent", str(CONTRACTS / "src"))
    return next(folder.glob("*.tgz"))


def _run(folder: Path, *command: str) -> str:
    """What the command printed; its home and npm's cache are empty, so nothing comes from elsewhere."""
    environment = {
        **os.environ,
        "npm_config_cache": str(folder / ".npm"),
        "npm_config_offline": "true",
        "FOUNDRY_OFFLINE": "true",
        "FOUNDRY_SOLC": str(CONTRACTS / "tools" / "solc"),
    }
    done = subprocess.run(command, check=False, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.chain
def test_the_package_holds_what_integrators_need(tarball: Path) -> None:
    with tarfile.open(tarball) as tar:
        names = {name.removeprefix("package/") for name in tar.getnames()}
    sources = {str(path.relative_to(CONTRACTS / "src")) for path in (CONTRACTS / "src").rglob("*.sol")}
    shipped = {name for name in sources if not name.startswith("examples/")}
    assert {name for name in names if name.endswith(".sol")} == shipped
    assert {"LICENSE", "README.md", "artifacts/EIP712Coordinator.json", "artifacts/IVerifier.json"} <= names
    assert not any("Digits" in name or "Store" in name for name in names)


def test_the_package_has_this_version_and_the_libraries_of_the_build() -> None:
    package = json.loads((CONTRACTS / "src" / "package.json").read_text())
    build = json.loads((CONTRACTS / "package.json").read_text())
    example = json.loads((EXAMPLE / "package.json").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert package["version"] == project["version"] == example["dependencies"][package["name"]]
    assert package["dependencies"].items() <= build["devDependencies"].items()


def test_what_integrators_inherit_imports_nothing_else() -> None:
    for folder in ("consumer", "interfaces", "forge"):
        for path in (CONTRACTS / "src" / folder).glob("*.sol"):
            text = path.read_text()
            assert "pragma solidity ^0.8.24;" in text, path
            assert all(' from ".' in line for line in text.splitlines() if line.startswith("import ")), path


@pytest.mark.chain
def test_the_example_project_passes_its_tests_with_the_packed_package(tarball: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns("node_modules", "out", "cache"))
    libraries = (str(MODULES / "@openzeppelin" / "contracts"), str(MODULES / "solady"))
    _run(project, "npm", "install", "--no-save", "--no-audit", "--no-fund", str(tarball), *libraries)

    forge = str(CONTRACTS / "tools" / "forge")
    results = json.loads(_run(project, forge, "test", "--root", str(project), "--json"))
    tests = {name: result["status"] for suite in results.values() for name, result in suite["test_results"].items()}
    assert len(tests) == 3
    assert set(tests.values()) == {"Success"}
