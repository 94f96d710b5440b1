"""Where a model comes from, whatever it is called: this machine's store, an MLflow registry, a chain, or a URI."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infernet.app.transfers import run_transfer
from infernet.chain.model_registry import OnChainModels
from infernet.compute.model import ModelContainer
from infernet.errors import InfernetError, InvalidInput, NodeMisconfigured
from infernet.models.cache import HeldModel, ModelCache
from infernet.models.download import MANIFEST_FILE, Progress, fetch_publication_run
from infernet.models.mlflow_registry import RegisteredVersion, find_registered, parse_reference
from infernet.models.storage import Location, check_scheme
from infernet.protocol.model_names import parse_published_name
from infernet.types import Address


@dataclass(frozen=True, slots=True)
class Found:
    """What a reference stands for now.

    Attributes:
        version: in the words of where it was found: `wine version 3`, `acme/wine:3`.
        run_id: of the MLflow run that made it, empty where none is known; of a published version as its publisher
            says.
        folder: where its files lie.
        manifest_hash: 64 hex digits, empty where only the files tell.
        publisher: the account that published it on a chain.
    """

    version: str
    run_id: str = field(compare=False)
    folder: Location = field(compare=False)
    manifest_hash: str = ""
    publisher: Address | None = field(default=None, compare=False)


class ModelSources:
    """Resolves references and fetches what they stand for.

    Args:
        tracking_uri: of MLflow's registry, for `models:/…`.
        chain_models: of the chain, for `namespace/name@alias`; None where there is none.
        trusted_roots: folders of this machine that a chain's entry may name; any other `file:` URI of one is refused.
        private_addresses: whether a chain's entry may lead to a web server of this machine's own networks.
    """

    def __init__(
        self,
        cache: ModelCache,
        tracking_uri: str,
        chain_models: OnChainModels | None = None,
        trusted_roots: Sequence[Path] = (),
        *,
        private_addresses: bool = False,
    ) -> None:
        self.cache = cache
        self._tracking_uri = tracking_uri
        self._chain_models = chain_models
        self._trusted_roots = tuple(trusted_roots)
        self._private_addresses = private_addresses
        self._runs: dict[str, str] = {}

    async def resolve(self, reference: str) -> Found:
        """What a reference stands for now: `models:/name@alias`, `models:/name/3`, `namespace/name@alias`,
        `namespace/name:version`, or the URI of a model's folder or manifest.

        Raises:
            InvalidInput: it is no reference.
            NodeMisconfigured: `registry.not_found` and others, where it stands for nothing.
            RetryLater: the registry or the chain cannot be reached.
        """
        if reference.startswith("models:/"):
            found = await asyncio.to_thread(find_registered, self._tracking_uri, parse_reference(reference))
            return describe_registered(found)
        if "://" in reference:
            return _find_folder(Location(reference))
        parse_published_name(reference)
        if self._chain_models is None:
            raise InvalidInput(
                "model.no_chain", f"{reference} is looked up on a chain: give --coordinator, or a models:/ reference"
            )
        publication = await self._chain_models.fetch_publication(reference)
        folder = _find_folder(Location(publication.uri, is_foreign=not self._private_addresses)).folder
        self._check_trusted(folder, publication.container)
        run_id = await self._find_run(publication.container, folder)
        manifest_hash = publication.manifest_hash.hex()
        return Found(publication.container, run_id, folder, manifest_hash, publication.publisher)

    async def start(self, found: Found, **options: Any) -> tuple[HeldModel, ModelContainer]:
        """The model in a container that has started; its files stay until they are released. Raises as `fetch`, and as
        `ModelContainer.start`.

        Args:
            options: of the `ModelContainer`.
        """
        held = await self.fetch(found)
        container = ModelContainer(held.model.manifest, held.model.folder, **options)
        try:
            await container.start()
        except BaseException:
            held.release()
            raise
        return held, container

    async def fetch(self, found: Found, progress: Progress | None = None) -> HeldModel:
        """The model itself, in the cache. Raises as `ModelCache.fetch`."""
        digest = found.manifest_hash or None
        return await run_transfer(lambda report: self.cache.fetch(found.folder, digest, report), progress)

    async def _find_run(self, container: str, folder: Location) -> str:
        if container not in self._runs:
            try:
                self._runs[container] = await asyncio.to_thread(fetch_publication_run, folder)
            except InfernetError:  # it is looked for again the next time
                return ""
        return self._runs[container]

    def _check_trusted(self, folder: Location, container: str) -> None:
        """Whoever publishes writes the URI: it must not make a node read its own machine."""
        check_scheme(folder)
        if folder.scheme != "file":
            return
        path = folder.local_path.resolve()
        if not any(path.is_relative_to(root.resolve()) for root in self._trusted_roots):
            raise NodeMisconfigured(
                "model.local_uri",
                f"{container} is published at {folder.uri}, a folder of its publisher's machine: add the folder to "
                "models.trusted_folders where it is this machine's too",
            )


def describe_registered(version: RegisteredVersion) -> Found:
    """A version of MLflow's registry as what was found."""
    return Found(str(version), version.run_id, version.folder, version.manifest_hash or "")


def _find_folder(place: Location) -> Found:
    folder = place.parent if place.name == MANIFEST_FILE else place
    return Found(folder.uri, "", folder)
