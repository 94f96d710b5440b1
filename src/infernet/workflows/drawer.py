"""Where trainings keep what they go on from: files that are whole or not there, in folders that one user writes to.

They hold no code (`states`). Whoever could write one could still choose what a training learns, so what belongs to
another user, or what others may write to, is not read.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import stat
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

Notice = Callable[[str], None]
"""Told a line for people."""
FOLDER_VARIABLE = "INFERNET_CHECKPOINTS"
_KEPT_DAYS = 30
_LOCK_WAIT_S = 2.0


def choose_folder() -> Path:
    """Where checkpoints are: INFERNET_CHECKPOINTS, or this user's folder for what programs remember."""
    if given := os.environ.get(FOLDER_VARIABLE):
        return Path(given)
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "infernet" / "checkpoints"


def compute_key(identity: Mapping[str, object]) -> str:
    """A training's name: the same for the same training, 32 hex digits."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True, default=repr).encode()).hexdigest()[:32]


class Drawer:
    """What one training keeps: a folder that one process has at a time, made when something is put in.

    Args:
        notice: told why something that is there is not used, or why nothing is kept.
    """

    def __init__(self, root: Path, identity: Mapping[str, object], notice: Notice) -> None:
        self.folder = root / compute_key(identity)
        self._root, self._notice = root, notice
        self._lock: IO[bytes] | None = None
        self._is_open = True

    def read(self, name: str) -> bytes | None:
        """A file's content, where it is there and nobody else can have written it."""
        path = self.folder / name
        if not self._is_open or not path.exists() or not self._take():
            return None
        try:
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
                if reason := _find_foreign(os.fstat(file.fileno())):
                    self._notice(f"{path} is not used: {reason}")
                    return None
                return file.read()
        except OSError as error:
            self._notice(f"{path} is not used: {error.strerror or error}")
            return None

    def replace(self, name: str, content: bytes) -> None:
        """Write a whole file, so that a reader finds the one before or this one, whenever this process is killed."""
        if not self._take():
            return
        new = self.folder / f"{name}.new"
        try:
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.folder / name)
        except OSError as error:
            self._give_up(error)

    def append(self, name: str, line: bytes) -> None:
        """Add a line to a file; the last one may be torn when this process is killed."""
        if not self._take():
            return
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            with os.fdopen(os.open(self.folder / name, flags, 0o600), "ab") as file:
                file.write(line + b"\n")
        except OSError as error:
            self._give_up(error)

    def clear(self) -> None:
        """Keep nothing any more, where no other process is at it."""
        if self.folder.exists() and self._take():
            shutil.rmtree(self.folder, ignore_errors=True)
        self.close()

    def close(self) -> None:
        """Let another process have it."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _take(self) -> bool:
        if self._lock is not None or not self._is_open:
            return self._is_open
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            self.folder.mkdir(mode=0o700, exist_ok=True)
            if reason := _find_foreign(self.folder.stat()):
                self._notice(f"{self.folder} is not used: {reason}")
                self._is_open = False
                return False
            self._lock = (self.folder / "lock").open("wb")
            end_s = time.monotonic() + _LOCK_WAIT_S  # a process that was killed a moment ago may still be leaving
            while not _lock(self._lock):
                if time.monotonic() > end_s:
                    self._notice(
                        "another process is at the same training: this one begins anew and keeps no checkpoints"
                    )
                    self._is_open = False
                    break
                time.sleep(0.05)
        except OSError as error:
            self._give_up(error)
        return self._is_open

    def _give_up(self, error: OSError) -> None:
        self._notice(f"no checkpoint can be kept in {self.folder}: {error.strerror or error}")
        self._is_open = False


def _lock(file: IO[bytes]) -> bool:
    """For this process alone: unlike with flock, what it starts does not hold the lock when it is gone."""
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _find_foreign(status: os.stat_result) -> str | None:
    if status.st_uid != os.geteuid():
        return "it belongs to another user"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "other users may write to it"
    return None


def discard_old(root: Path) -> None:
    """What nobody has come back for in a month."""
    oldest_s = time.time() - _KEPT_DAYS * 24 * 3600
    with suppress(OSError):
        for folder in root.iterdir():
            if folder.is_dir() and max(path.stat().st_mtime for path in (folder, *folder.iterdir())) < oldest_s:
                shutil.rmtree(folder, ignore_errors=True)
