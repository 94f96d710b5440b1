"""Somebody who follows a page: in a folder of their own, with the installed command."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from documents import Block

COMMANDS = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
_VARIABLES = ".variables"


@dataclass
class Reader:
    """Where they are, and what is different there from what the page shows.

    Attributes:
        places: what the page shows, and what it is here: the address of a chain on a free port.
        variables: of the environment; what a shell block exports stays.
    """

    folder: Path
    places: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)

    def run(self, words: Sequence[str]) -> str:
        """What a command prints; it has to succeed."""
        done = subprocess.run(
            [self.place(word) for word in words],
            check=False,
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == 0, f"{shlex.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def run_shell(self, text: str) -> str:
        """What a block of commands prints. What it exports stays."""
        printed = self.run(["bash", "-ec", f"{text}\nenv -0 > {_VARIABLES}"])
        lines = (self.folder / _VARIABLES).read_text().split("\0")
        self.variables = dict(line.split("=", 1) for line in lines if line.startswith(("INFERNET_", "MLFLOW_")))
        return printed

    def run_python(self, text: str) -> str:
        return self.run([sys.executable, "-c", text])

    def save(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(self.place(text))

    def place(self, text: str) -> str:
        for shown, actual in self.places.items():
            text = text.replace(shown, actual)
        return text

    def compare(self, block: Block, printed: str) -> None:
        """What is printed is what the page shows, where … stands for anything in a line."""
        if block.output is None:
            return
        shown = "\n".join(line.rstrip() for line in self.place(block.output).strip("\n").splitlines())
        found = "\n".join(line.rstrip() for line in printed.strip("\n").splitlines())
        assert re.fullmatch(re.escape(shown).replace("…", ".+"), found), f"{block} prints\n{found}\ninstead of\n{shown}"

    @contextmanager
    def keep_running(self, command: str) -> Iterator[str]:
        """A command that stays, until the end of the block; its first line. What it complains of is in a file."""
        words = shlex.split(self.place(command))
        with (
            (self.folder / f"{words[1]}.log").open("w") as log,
            subprocess.Popen(
                words, cwd=self.folder, env=self._environment, stdout=subprocess.PIPE, stderr=log, text=True
            ) as process,
        ):
            try:
                assert process.stdout is not None
                yield process.stdout.readline()
            finally:
                process.terminate()

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "PATH": COMMANDS, **self.variables}
