"""Publish a model: uploaded and read back first, on the chain last. Whatever stops it, the same command goes on."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path

from infernet.app.transfers import run_transfer
from infernet.client import AsyncClient
from infernet.errors import InvalidInput, JobRejected
from infernet.models.download import MANIFEST_FILE, Progress, fetch_manifest
from infernet.models.mlflow_registry import RegisteredVersion
from infernet.models.storage import Location
from infernet.models.store import StoredModel
from infernet.models.upload import upload_model
from infernet.protocol.hashing import ZERO_ADDRESS, compute_container_id
from infernet.protocol.manifest import Manifest, compute_manifest_hash
from infernet.protocol.model_names import PublishedName, parse_published_name
from infernet.types import Address
from infernet.workflows.tracker import open_tracker, translated

PUBLISHED_TAG = "infernet.published_as"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a creator asks for and says.

    Attributes:
        name: `namespace/name`, or with `:version`; without one, the manifest's own version stays.
        root: where the files go.
        public_url: where others find what is below `root`, if it is not there: the address of a web server.
        royalty_bps: of each fee, in 1/10,000.
        price: what an answer should cost, in wei; None says nothing.
        alias: that shall stand for this version; None moves none.
        run_id, registry: the MLflow run, for people.
    """

    name: str
    root: Location
    public_url: str = ""
    royalty_bps: int = 0
    royalty_to: str | None = None
    price: int | None = None
    alias: str | None = None
    run_id: str = ""
    registry: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """A published version. `transactions` counts those that this command needed."""

    container: str
    manifest_hash: bytes
    uri: str
    transactions: int


async def publish_model(
    client: AsyncClient, model: StoredModel, offer: Offer, progress: Progress | None = None
) -> Published:
    """Publish a model of this machine under the client's account.

    Raises:
        InvalidInput: `publish.namespace_taken`, `publish.version_taken`, `model.name`; storage and chain as they say.
        NodeMisconfigured, RetryLater, JobRejected: as `upload_model` and the client do.
    """
    name = choose_name(model.manifest, offer.name)
    manifest = model.manifest.model_copy(update={"name": str(name)})
    digest = bytes(compute_manifest_hash(manifest))
    owner = await _check_free(client, name, digest)  # before the upload, which can be long
    root, said = _make_absolute(offer.root), _describe(offer, name)
    folder = await run_transfer(lambda report: upload_model(manifest, model.folder, root, said, report), progress)
    place = folder if not offer.public_url else Location(offer.public_url) / folder.name
    if offer.public_url:
        await asyncio.to_thread(fetch_manifest, place, digest.hex())  # seen as others will see it
    uri = _write_uri(place / MANIFEST_FILE)
    sent = 0
    try:
        if owner == ZERO_ADDRESS:
            await client.claim_namespace(name.namespace)
            sent += 1
        if await client.read_model_hash(str(name)) is None:
            await client.publish_model(
                str(name), digest, uri, royalty_bps=offer.royalty_bps, royalty_to=offer.royalty_to
            )
            sent += 1
    except JobRejected as error:  # somebody was faster: say who has what
        if error.code == "revert.NamespaceTaken":  # perhaps by what is in no block yet
            raise _build_namespace_taken(name.namespace, error.fields["values"]["owner"]) from error  # type: ignore[index]
        await _check_free(client, name, digest)
        raise
    sent += await _set_terms(client, name, offer)
    return Published(str(name), digest, uri, sent)


def note_publication(tracking_uri: str, version: RegisteredVersion, done: Published) -> None:
    """Write into MLflow's registry where a version of it is published.

    Raises:
        NodeMisconfigured, RetryLater: MLflow is not installed, or refuses.
    """
    tracker = open_tracker(tracking_uri)
    with translated(tracking_uri):
        tracker.client.set_model_version_tag(version.name, str(version.version), PUBLISHED_TAG, done.container)


def choose_name(manifest: Manifest, wanted: str) -> PublishedName:
    """The name to publish under.

    Raises:
        InvalidInput: `model.name`.
    """
    version = manifest.name.rpartition(":")[2]
    name = parse_published_name(wanted if ":" in wanted or "@" in wanted else f"{wanted}:{version}")
    if name.is_alias:
        raise InvalidInput("model.name", f"{wanted} is an alias: publish under namespace/name, and give --alias")
    return name


async def _check_free(client: AsyncClient, name: PublishedName, digest: bytes) -> Address:
    """The namespace's owner, zero where it is free.

    Raises:
        InvalidInput: `publish.namespace_taken`, `publish.version_taken`.
    """
    owner = await client.read_namespace_owner(name.namespace)
    if owner not in (ZERO_ADDRESS, client.address):
        raise _build_namespace_taken(name.namespace, owner)
    there = await client.read_model_hash(str(name))
    if there not in (None, digest):
        raise InvalidInput(
            "publish.version_taken",
            f"{name} is published already with another manifest ({there.hex()[:12] if there else ''}…), and versions "
            f"never change: give this one another version, {name.namespace}/{name.name}:VERSION",
        )
    return owner


def _build_namespace_taken(namespace: str, owner: object) -> InvalidInput:
    return InvalidInput(
        "publish.namespace_taken", f"the namespace {namespace} belongs to {owner}: publish under another"
    )


async def _set_terms(client: AsyncClient, name: PublishedName, offer: Offer) -> int:
    """Price and alias, where they are not what they should be; the alias last, which makes nodes fetch."""
    sent = 0
    if offer.price is not None and await client.read_model_price(str(name)) != offer.price:
        await client.set_model_price(str(name), offer.price)
        sent += 1
    if offer.alias is not None:
        alias = str(name._replace(last=offer.alias, is_alias=True))
        if await client.read_model_alias(alias) != compute_container_id(str(name)):
            await client.set_model_alias(str(name), offer.alias)
            sent += 1
    return sent


def _describe(offer: Offer, name: PublishedName) -> bytes:
    """What the publisher says beside the manifest; no part of its hash."""
    said = {
        "published_as": str(name),
        "published_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "mlflow_run": offer.run_id or None,
        "registry": offer.registry or None,
    }
    return json.dumps({key: value for key, value in said.items() if value}, indent=2).encode()


def _make_absolute(root: Location) -> Location:
    return Location(str(Path(root.local_path).resolve())) if root.scheme == "file" else root


def _write_uri(place: Location) -> str:
    return place.local_path.as_uri() if place.scheme == "file" else place.uri
