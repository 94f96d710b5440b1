"""`infernet models publish`, `fetch` and `earnings`: models between this machine, storage and the chain."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infernet.cli.money import LOCAL, Coordinator, Keystore, RpcUrl, check_coordinator, parse_amount
from infernet.cli.options import CONFIG_FILE, MODEL_STORE, AsJson, Store, TrackingUri, load_user_signer
from infernet.cli.output import console, errors, print_json
from infernet.cli.run import run
from infernet.errors import InfernetError

if TYPE_CHECKING:
    from infernet.app.earnings import Earned
    from infernet.app.publishing import Offer, Published
    from infernet.keys.signer import LocalSigner
    from infernet.models.cache import HeldModel
    from infernet.models.download import Progress
    from infernet.models.mlflow_registry import RegisteredVersion

MAX_ROYALTY_PERCENT = 50.0
_BYTES_PER_STEP = 1 << 10
StartBlock = Annotated[
    int, typer.Option(help="The first block to read, the Coordinator's deployment or earlier.", min=0)
]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where models are, and the chain that knows of them."""

    store: Path
    tracking_uri: str
    rpc_url: str
    coordinator: str
    start_block: int = 0


def publish(
    model: Annotated[str, typer.Argument(help="models:/NAME@ALIAS, models:/NAME/VERSION, or a model of the store.")],
    name: Annotated[str, typer.Option("--as", help="namespace/name, or with :version; the namespace is claimed.")],
    to: Annotated[
        str, typer.Option(help="Where the files go: a folder, or s3://bucket/folder.", envvar="INFERNET_STORAGE")
    ],
    url: Annotated[
        str,
        typer.Option(help="The web address of that folder or bucket, where others shall fetch.", show_default=False),
    ] = "",
    royalty: Annotated[
        float, typer.Option(help="Your share of each fee, in percent.", min=0, max=MAX_ROYALTY_PERCENT)
    ] = 0.0,
    royalty_to: Annotated[str, typer.Option(help="Who receives it; the sender without it.", show_default=False)] = "",
    price: Annotated[str, typer.Option(help="What an answer should cost: '0.001 ether'.", show_default=False)] = "",
    alias: Annotated[str, typer.Option(help="Point namespace/name@ALIAS at this version.", show_default=False)] = "",
    coordinator: Coordinator = "",
    rpc_url: RpcUrl = LOCAL,
    keystore: Keystore = None,
    store: Store = MODEL_STORE,
    tracking_uri: TrackingUri = None,
    as_json: AsJson = False,
) -> None:
    """Upload a model by its hash and enter it in the chain's ModelRegistry. The same command again goes on where it
    stopped, and changes nothing that is done.
    """
    from infernet.app.publishing import Offer
    from infernet.models.mlflow_registry import find_registered, parse_reference
    from infernet.models.storage import Location
    from infernet.workflows.tracker import choose_tracking_uri, hide_password

    tracking = choose_tracking_uri(tracking_uri)
    place = _Place(store, tracking, rpc_url, check_coordinator(coordinator))
    offer = Offer(
        name=name,
        root=Location(to),
        public_url=url,
        royalty_bps=round(royalty * 100),
        royalty_to=royalty_to or None,
        price=parse_amount(price) if price else None,
        alias=alias or None,
        registry=hide_password(tracking) if model.startswith("models:/") else "",
    )
    registered = find_registered(tracking, parse_reference(model)) if model.startswith("models:/") else None
    done = run(_publish(registered or model, offer, place, load_user_signer(keystore)))
    if registered is not None:
        _note_in_registry(tracking, registered, done)
    if as_json:
        facts = {"name": done.container, "hash": done.manifest_hash.hex(), "uri": done.uri}
        print_json(facts | {"transactions": done.transactions})
        return
    console().print(f"published [bold]{done.container}[/]  manifest {done.manifest_hash.hex()}", soft_wrap=True)
    console().print(f"  {done.uri}  ({done.transactions} transactions)", style="dim", soft_wrap=True)


@contextmanager
def _showing_bytes(what: str) -> Iterator[Progress]:
    """A progress bar on a terminal, in KiB."""
    from infernet.workflows.progress import showing_progress

    with showing_progress() as watch:
        yield lambda done, total: watch(f"{what} KiB", done // _BYTES_PER_STEP, total // _BYTES_PER_STEP)


async def _publish(model: RegisteredVersion | str, offer: Offer, place: _Place, signer: LocalSigner) -> Published:
    from dataclasses import replace

    from infernet.app.model_sources import ModelSources, describe_registered
    from infernet.app.publishing import publish_model
    from infernet.client import AsyncClient
    from infernet.models.cache import ModelCache

    sources = ModelSources(ModelCache(place.store), place.tracking_uri)
    with _showing_bytes("uploading") as progress:
        if isinstance(model, str):
            stored = sources.cache.store.get(model)
        else:
            offer = replace(offer, run_id=model.run_id)
            stored = (await sources.fetch(describe_registered(model))).model
        connecting = AsyncClient.connect(place.rpc_url, signer=signer, coordinator=place.coordinator)
        async with await connecting as client:
            return await publish_model(client, stored, offer, progress)


def _note_in_registry(tracking_uri: str, version: RegisteredVersion, done: Published) -> None:
    """The published version is on the chain, whatever becomes of this."""
    from infernet.app.publishing import note_publication

    try:
        note_publication(tracking_uri, version, done)
    except InfernetError as error:
        errors().print(f"MLflow does not know yet where it is published: {error.message}", soft_wrap=True)


def fetch(
    model: Annotated[
        str, typer.Argument(help="models:/NAME@ALIAS, namespace/name@alias or :version, or a manifest's URI.")
    ],
    coordinator: Coordinator = "",
    rpc_url: RpcUrl = LOCAL,
    start_block: StartBlock = 0,
    trusted: Annotated[
        list[Path] | None, typer.Option("--trust", help="A folder of this machine that the chain's entry may name.")
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Let it lead to a server of this network.")] = False,
    max_bytes: Annotated[
        int | None,
        typer.Option(
            help="How much all fetched models may take up; models.max_bytes of the node in this folder unless given.",
            show_default=False,
            min=1,
        ),
    ] = None,
    store: Store = MODEL_STORE,
    tracking_uri: TrackingUri = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a model into the store, every file verified. A fetch that breaks off is taken up where it stopped."""
    from infernet.workflows.tracker import choose_tracking_uri

    place = _Place(store, choose_tracking_uri(tracking_uri), rpc_url, coordinator, start_block)
    cache_bytes = _find_limit(store) if max_bytes is None else max_bytes
    version, held = run(_fetch(model, place, trusted or [], private, cache_bytes))
    if as_json:
        facts = {"model": version, "name": held.model.manifest.name, "hash": held.model.hash}
        print_json(facts | {"folder": str(held.model.folder), "source": held.source})
        return
    console().print(f"[bold]{version}[/]  manifest {held.model.hash}", soft_wrap=True)
    console().print(f"  in {held.model.folder}", style="dim", soft_wrap=True)


def _find_limit(store: Path) -> int | None:
    """The node's own, where the configuration in this folder has that store."""
    from infernet.settings import read_settings

    if not CONFIG_FILE.is_file():
        return None
    models = read_settings(CONFIG_FILE).models
    return models.max_bytes if models.store == store.resolve() else None


async def _fetch(
    reference: str, place: _Place, trusted: list[Path], private: bool, max_bytes: int | None
) -> tuple[str, HeldModel]:
    from contextlib import AsyncExitStack

    from infernet.app.model_sources import ModelSources
    from infernet.chain.model_registry import OnChainModels
    from infernet.chain.rpc import RpcChain
    from infernet.models.cache import ModelCache
    from infernet.protocol.hashing import to_address

    async with AsyncExitStack() as stack:
        models = None
        if place.coordinator:
            chain = await stack.enter_async_context(RpcChain(place.rpc_url))
            models = OnChainModels(chain, to_address(place.coordinator), place.start_block)
        cache = ModelCache(place.store, max_bytes)
        sources = ModelSources(cache, place.tracking_uri, models, trusted, private_addresses=private)
        with _showing_bytes("fetching") as progress:
            found = await sources.resolve(reference)
            return found.version, await sources.fetch(found, progress)


def earnings(
    model: Annotated[str, typer.Argument(help="namespace/name, for one model alone.", show_default=False)] = "",
    account: Annotated[str, typer.Option(help="Whose; the own account without it.", show_default=False)] = "",
    start_block: StartBlock = 0,
    coordinator: Coordinator = "",
    rpc_url: RpcUrl = LOCAL,
    keystore: Keystore = None,
    as_json: AsJson = False,
) -> None:
    """Show what each published model has earned: the creator's share of every answer, as the chain tells it."""
    from infernet.protocol.hashing import to_address

    creator = to_address(account) if account else load_user_signer(keystore).address
    place = _Place(MODEL_STORE, "", rpc_url, check_coordinator(coordinator), start_block)
    earned = run(_find_earnings(place, creator, model))
    if as_json:
        rows = [
            {"model": e.container, "token": e.token, "answers": e.answers, "royalty": str(e.royalty)} for e in earned
        ]
        print_json(rows)
    else:
        _show_earnings(earned, creator)


async def _find_earnings(place: _Place, creator: str, model: str) -> list[Earned]:
    from infernet.app.earnings import fetch_earnings
    from infernet.chain.rpc import RpcChain
    from infernet.protocol.hashing import to_address

    async with RpcChain(place.rpc_url) as chain:
        coordinator = to_address(place.coordinator)
        return await fetch_earnings(chain, coordinator, to_address(creator), start_block=place.start_block, model=model)


def _show_earnings(earned: list[Earned], creator: str) -> None:
    from rich.table import Table

    from infernet.protocol.hashing import ZERO_ADDRESS

    if not earned:
        console().print(f"no answer has paid a royalty to {creator} yet")
        return
    table = Table("model", "answers", "royalty", "token", box=None)
    for row in earned:
        token = "wei" if row.token == ZERO_ADDRESS else row.token
        table.add_row(row.container, f"{row.answers:,}", f"{row.royalty:,}", token)
    console().print(table)
