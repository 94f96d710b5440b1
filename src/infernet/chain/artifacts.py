"""The compiled contracts that ship with the package: ABI and bytecode, so that nobody has to compile."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from infernet.chain.abi import ContractAbi, parse_abi
from infernet.errors import InvalidInput


@dataclass(frozen=True)
class Artifact(ContractAbi):
    """A compiled contract. `bytecode` is empty for an interface or an abstract contract.

    Attributes:
        runtime: what stands on chain where the constructor sets nothing; empty where the file does not say.
    """

    bytecode: bytes = b""
    runtime: bytes = b""

    def encode_deployment(self, arguments: Sequence[Any] = ()) -> bytes:
        """Bytecode and constructor arguments: the data of the deploying transaction.

        Raises:
            InvalidInput: there is no bytecode, or the arguments do not fit.
        """
        if not self.bytecode:
            raise InvalidInput(
                "artifact.no_bytecode", f"{self.name} has no bytecode: deploy a contract, not an interface"
            )
        return self.bytecode + self.encode_constructor(arguments)


@cache
def list_artifacts() -> tuple[str, ...]:
    """The names that `load_artifact` takes."""
    folder = files("infernet") / "artifacts"
    if not folder.is_dir():
        return ()
    return tuple(sorted(entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json")))


@cache
def load_artifact(name: str) -> Artifact:
    """A contract that ships with the package.

    Raises:
        InvalidInput: there is none of that name.
    """
    if name not in list_artifacts():
        known = ", ".join(list_artifacts()) or "none (run `make contracts`)"
        raise InvalidInput("artifact.unknown", f"there is no contract {name!r} in this package; there is {known}")
    text = (files("infernet") / "artifacts" / f"{name}.json").read_text("utf-8")
    return _parse(name, text)


def read_artifact(path: Path) -> Artifact:
    """A contract of the caller's own: a JSON file with `abi` and `bytecode`, as forge, hardhat and solc write it.

    Raises:
        InvalidInput: the file is missing or is no artifact.
    """
    try:
        return _parse(path.stem, path.read_text("utf-8"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(
            "artifact.unreadable", f"{path} is no contract artifact ({error}): it needs abi and bytecode"
        ) from error


def _parse(name: str, text: str) -> Artifact:
    parsed = json.loads(text)
    return Artifact(name, parse_abi(parsed["abi"]), _read(parsed, "bytecode"), _read(parsed, "deployedBytecode"))


def _read(parsed: dict[str, Any], key: str) -> bytes:
    code = parsed.get(key, "")
    text = code["object"] if isinstance(code, dict) else code  # forge and solc nest it
    return bytes.fromhex(text.removeprefix("0x"))
