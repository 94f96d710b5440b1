"""A container whose model is fetched: an alias in MLflow's registry or on the chain, looked at every few seconds, or a
version that was published on the chain.

A new version is fetched and started beside the one that serves, then takes over; runs that began stay with the version
that they began with, whose workers end after the last of them. Whatever goes wrong with the name or the new version,
the node serves on what it has and says so in one line.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import structlog

from infernet.app.model_sources import Found, ModelSources
from infernet.compute.model import ModelContainer
from infernet.errors import InfernetError, NodeMisconfigured, RetryLater
from infernet.models.cache import HeldModel
from infernet.models.storage import Location
from infernet.models.store import ModelStore
from infernet.ports import Clock
from infernet.protocol.manifest import NAME_PATTERN
from infernet.types import ModelUse

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class _Version:
    """One version at work; `held` keeps its files where they are."""

    found: Found
    held: HeldModel
    container: ModelContainer
    runs: int = 0
    is_retired: bool = False


class FollowingModel:
    """Serves the version that a reference stands for.

    Args:
        reference: `models:/name@alias`, `models:/name/3`, `namespace/name@alias` or `namespace/name:version`.
        is_ahead: fetch a version when the name moves to it; else when the first request for it comes.
        options: for each version's `ModelContainer`: concurrency, times.
    """

    def __init__(
        self,
        container_id: str,
        reference: str,
        sources: ModelSources,
        clock: Clock,
        *,
        is_ahead: bool = True,
        poll_interval_s: float = 5.0,
        max_concurrency: int = 1,
        **options: Any,
    ) -> None:
        self._id = container_id
        self._reference = reference
        self._sources = sources
        self._clock = clock
        self._is_ahead = is_ahead
        self._poll_interval_s = poll_interval_s
        self._max_concurrency = max_concurrency
        self._options = options
        self._wanted: Found | None = None
        self._refused: tuple[Found, NodeMisconfigured] | None = None
        self._serving: _Version | None = None
        self._retired: set[_Version] = set()
        self._switching = asyncio.Lock()
        self._trouble = ""
        self._follower: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def id(self) -> str:
        return self._id

    @property
    def max_concurrency(self) -> int:
        return self._max_concurrency

    async def start(self) -> None:
        """Find out what the name stands for; ahead, fetch and start it.

        Raises:
            NodeMisconfigured: it stands for nothing, or for what cannot be served; or the registry does not answer and
                no version of it has ever served here.
        """
        if self._follower is not None:
            return
        try:
            self._wanted = await self._resolve_or_recall()
            if self._is_ahead:
                await self._switch(self._wanted)
        except RetryLater as error:
            raise NodeMisconfigured(error.code, error.message, **error.fields) from error
        except NodeMisconfigured as error:
            if error.code != "registry.not_found" or not re.fullmatch(NAME_PATTERN, self._reference):
                raise
            raise self._build_not_found() from error
        self._follower = asyncio.create_task(self._follow(), name=f"follow {self._reference}")

    async def run(self, features: bytes) -> bytes:
        """The output by the version that serves now."""
        return (await self.run_traced(features))[0]

    async def run_traced(self, features: bytes) -> tuple[bytes, ModelUse]:
        """The same, with the version.

        Raises:
            JobRejected, RetryLater: as `ModelContainer.run`.
            InfernetError: why the version cannot be fetched, where none has served before.
        """
        version = await self._choose()
        version.runs += 1
        try:
            return await version.container.run_traced(features)
        finally:
            version.runs -= 1
            self._close_if_done(version)

    async def stop(self) -> None:
        """End all workers and stop following."""
        if self._follower is not None:
            self._follower.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._follower
            self._follower = None
        versions = self._retired | ({self._serving} if self._serving else set())
        self._serving = None
        self._retired.clear()
        for version in versions:
            await _close(version)
        await asyncio.gather(*self._closing)

    async def _choose(self) -> _Version:
        """The version for a run that begins now."""
        if self._follower is None:
            raise RetryLater("container.stopped", f"container {self._id} is not running")
        wanted = self._wanted
        if wanted is not None and (self._serving is None or self._serving.found != wanted) and not self._is_ahead:
            await self._try(wanted)
        if self._serving is None:
            raise RetryLater("container.stopped", f"container {self._id} has no version to run")
        return self._serving

    async def _try(self, wanted: Found) -> None:
        """Switch where it is possible; else serve on what there is.

        Raises:
            InfernetError: there is nothing else.
        """
        try:
            await self._switch(wanted)
        except InfernetError as error:
            if self._serving is None:
                raise
            self._note_trouble(error)

    async def _follow(self) -> None:
        while True:
            await self._clock.sleep(self._poll_interval_s)
            try:
                self._wanted = await self._sources.resolve(self._reference)
                if self._is_ahead:
                    await self._switch(self._wanted)
            except InfernetError as error:
                self._note_trouble(error)
            else:
                self._note_trouble(None)

    async def _switch(self, wanted: Found) -> None:
        """Let a version serve. The one before finishes what it has begun."""
        async with self._switching:
            before = self._serving
            if before is not None and before.found == wanted:
                return
            if before is not None and self._refused is not None and self._refused[0] == wanted:
                raise self._refused[1]  # it is not fetched again until the name moves on
            try:
                version = await self._start_version(wanted)
            except NodeMisconfigured as error:
                self._refused = (wanted, error)
                raise
            self._serving = version
            self._remember(wanted)
            log.info("model.serving", container=self._id, version=wanted.version, manifest=version.held.model.hash)
            if before is not None:
                before.is_retired = True
                self._retired.add(before)
                self._close_if_done(before)

    async def _start_version(self, found: Found) -> _Version:
        held, container = await self._sources.start(
            found,
            container_id=self._id,
            max_concurrency=self._max_concurrency,
            version=found.version,
            run_id=found.run_id,
            **self._options,
        )
        return _Version(found, held, container)

    def _close_if_done(self, version: _Version) -> None:
        if version.is_retired and not version.runs and version in self._retired:
            self._retired.discard(version)
            task = asyncio.create_task(_close(version))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _build_not_found(self) -> NodeMisconfigured:
        root = self._sources.cache.root
        return NodeMisconfigured(
            "model.not_found",
            f"no model {self._reference!r} in {root}, and none is published under that name on this chain: add it with "
            "'infernet models add', or correct the name",
            model=self._reference,
        )

    def _note_trouble(self, error: InfernetError | None) -> None:
        """One line when it begins, and one when it is over."""
        code = error.code if error else ""
        if code == self._trouble:
            return
        self._trouble = code
        serving = self._serving.found.version if self._serving else None
        if error is not None:
            log.warning("model.stays", container=self._id, serving=serving, code=code, reason=error.message)
        else:
            log.info("model.followed_again", container=self._id, serving=serving)

    # --- what served last, for a start while the registry is away ---------------------------------------------------

    async def _resolve_or_recall(self) -> Found:
        try:
            return await self._sources.resolve(self._reference)
        except RetryLater as error:
            if (last := self._recall()) is None:
                raise
            log.warning("model.stays", container=self._id, serving=last.version, code=error.code, reason=error.message)
            self._trouble = error.code
            return last

    def _place(self) -> Path:
        return self._sources.cache.root / "followed" / f"{quote(self._reference, safe='')}.json"

    def _remember(self, found: Found) -> None:
        fields = {
            "version": found.version,
            "run": found.run_id,
            "folder": found.folder.uri,
            "hash": found.manifest_hash,
        }
        place = self._place()
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = place.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(fields), encoding="utf-8")
        temporary.replace(place)

    def _recall(self) -> Found | None:
        try:
            fields = json.loads(self._place().read_text(encoding="utf-8"))
            return Found(fields["version"], fields["run"], Location(fields["folder"]), fields["hash"])
        except (OSError, ValueError, KeyError):
            return None


def is_fetched(reference: str, store: ModelStore) -> bool:
    """Whether a container's model is looked up elsewhere: a name that it follows, or a published version that is not in
    this machine's store.
    """
    if reference.startswith("models:/") or "@" in reference:
        return True
    return re.fullmatch(NAME_PATTERN, reference) is not None and not store.has_name(reference)


async def _close(version: _Version) -> None:
    await version.container.stop()
    version.held.release()
