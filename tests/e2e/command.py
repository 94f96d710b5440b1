"""The installed command, run as a user types it, and what it leaves behind."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

INFERNET = str(Path(sys.executable).with_name("infernet"))
PASSWORD = "correct horse"
_MARK = "TEST_MARK"


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        (line,) = self.out.splitlines()
        return json.loads(line)

    def check_error(self, code: str) -> str:
        """One line on standard error, exit code 1, no traceback; answers the message."""
        assert (self.code, self.out) == (1, ""), self
        (line,) = self.err.splitlines()
        found = re.fullmatch(r"error (.+) \(([a-zA-Z_.0-9]+)\)", line)
        assert found, line
        assert found[2] == code, line
        return found[1]


@dataclass
class Place:
    """A folder to run commands in; every process started from here can be found again."""

    folder: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        self.temporary = self.folder / "tmp"
        self.temporary.mkdir()

    def build_environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("INFERNET_KEY")}
        ours = {_MARK: self.mark, "TMPDIR": str(self.temporary), "COLUMNS": "100", "NO_COLOR": "1"}
        return kept | ours | dict(extra or {})

    def run(self, *arguments: str, typed: str | None = None, timeout_s: float = 180, **variables: str) -> Done:
        done = subprocess.run(
            [INFERNET, *arguments],
            cwd=self.folder,
            env=self.build_environment(variables),
            input=typed,
            stdin=subprocess.DEVNULL if typed is None else None,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert "Traceback" not in done.stderr + done.stdout, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str, **variables: str) -> Started:
        process = subprocess.Popen(
            [INFERNET, *arguments],
            cwd=self.folder,
            env=self.build_environment(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=(self.folder / "stderr.txt").open("a"),
            text=True,
            start_new_session=True,
        )
        return Started(self, process)

    def find_processes(self) -> list[str]:
        """What still runs of all that was started from here."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and self.mark.encode() in (entry / "environ").read_bytes():
                    found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
        return found

    def check_nothing_left(self) -> None:
        deadline = time.monotonic() + 10  # a killed process may need a moment to disappear
        while (processes := self.find_processes()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert processes == []
        assert list(self.temporary.iterdir()) == []


@dataclass
class Started:
    """A command that stays up."""

    place: Place
    process: subprocess.Popen[str]

    def read_line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def read_json(self) -> Any:
        line = self.read_line()
        assert line, (self.place.folder / "stderr.txt").read_text()
        return json.loads(line)

    def stop(self, number: int) -> Done:
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> Done:
        out, _ = self.process.communicate(timeout=180)
        err = (self.place.folder / "stderr.txt").read_text()
        assert "Traceback" not in err, err
        return Done(self.process.returncode, out, err)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def make_place(base: Path | None = None) -> Place:
    return Place(Path(tempfile.mkdtemp(dir=base)))


def write_config(folder: Path, *, extra: str = "", chain: Sequence[str] = (), containers: str = "") -> Path:
    """A whole configuration; lines of `chain` replace those of the same key in [[chains]]."""
    keys = {
        "rpc_url": '"http://127.0.0.1:1"',
        "chain_id": "31337",
        "coordinator": '"0x5FbDB2315678afecb367f032d93F642f64180aa3"',
    }
    keys |= {line.split("=")[0].strip(): line.split("=", 1)[1].strip() for line in chain}
    text = f"{extra}\n[[chains]]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items()) + containers
    path = folder / "infernet.toml"
    path.write_text(text)
    return path
