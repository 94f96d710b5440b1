"""Workflows for tests, in a module that a new process imports quickly."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infernet.protocol.abi_codec import encode_abi
from infernet.vm.spc.training import TrainingFailed


class Adder:
    """A workflow that adds."""

    def train(self, spec: Mapping[str, Any], folder: Path) -> bytes:
        (folder / "sum").write_text("made")
        if "add" not in spec:
            raise TrainingFailed('the specification needs "add"')
        return encode_abi(["uint256"], [sum(spec["add"])])


class Rogue:
    """A workflow that does what it should not."""

    def train(self, spec: Mapping[str, Any], folder: Path) -> bytes:
        match spec["how"]:
            case "break":
                raise ZeroDivisionError("with a secret")
            case "die":
                os._exit(1)
            case "hang":
                time.sleep(600)
        return bytes(16_385)
