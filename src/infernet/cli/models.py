"""`infernet models`: the models in this machine's store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infernet.cli.options import MODEL_STORE, AsJson, Store
from infernet.cli.output import console, print_json
from infernet.cli.publish import earnings, fetch, publish
from infernet.cli.rollback import rollback
from infernet.errors import InvalidInput

if TYPE_CHECKING:
    from infernet.protocol.manifest import TensorSpec

app = typer.Typer(
    help="The models of this machine's store, of MLflow's registry and of the chain's.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command("rollback")(rollback)
app.command("publish")(publish)
app.command("fetch")(fetch)
app.command("earnings")(earnings)


@app.command("add")
def add(
    path: Annotated[Path, typer.Argument(help="An .onnx file, or a folder with a manifest.json.")],
    name: Annotated[str | None, typer.Option(help="namespace/name:version, for an .onnx file.")] = None,
    store: Store = MODEL_STORE,
    as_json: AsJson = False,
) -> None:
    """Take a model in; its files are copied and verified. A version never changes afterwards."""
    from infernet.models.onnx_file import build_onnx_manifest
    from infernet.models.store import ModelStore

    if not path.exists():
        raise InvalidInput("model.file_missing", f"there is no {path}: give an .onnx file or a model's folder")
    if path.is_dir():
        model = ModelStore(store).add(path)
    elif name is None:
        raise InvalidInput("model.no_name", f"give {path.name} a name: --name you/{path.stem}:1")
    else:
        model = ModelStore(store).add(path.parent, build_onnx_manifest(path, name))
    if as_json:
        print_json({"name": model.manifest.name, "hash": model.hash, "folder": str(model.folder)})
    else:
        console().print(f"added [bold]{model.manifest.name}[/] {model.hash[:16]}… to {store}")


@app.command("list")
def list_models(store: Store = MODEL_STORE, as_json: AsJson = False) -> None:
    """Every model version in the store: those added by name, then those fetched, which leave when room is short."""
    from rich.table import Table

    from infernet.models.cache import ModelCache

    cache = ModelCache(store)
    models = cache.store.list()
    sources = {fetched.hash: fetched.source for fetched in cache.list()}
    models += [cache.store.get(digest) for digest in sources]
    if as_json:
        print_json([{"name": m.manifest.name, "hash": m.hash, "fetchedFrom": sources.get(m.hash)} for m in models])
        return
    if not models:
        console().print(f"no models in {store}: add one with 'infernet models add model.onnx --name you/model:1'")
        return
    table = Table("name", "flavour", "determinism", "hash", "fetched from", box=None)
    for model in models:
        manifest = model.manifest
        table.add_row(
            manifest.name,
            manifest.flavour.value,
            manifest.determinism.value,
            model.hash[:16] + "…",
            sources.get(model.hash, ""),
        )
    console().print(table)


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="A model's name or manifest hash.")],
    store: Store = MODEL_STORE,
    as_json: AsJson = False,
) -> None:
    """One model: files, encodings, origin. Its files are verified."""
    from rich.table import Table

    from infernet.models.store import ModelStore

    model = ModelStore(store).get(name)
    manifest = model.manifest
    if as_json:
        print_json({"hash": model.hash, "folder": str(model.folder), **manifest.model_dump(mode="json")})
        return
    table = Table(show_header=False, box=None, padding=(0, 2))
    table.add_row("name", f"[bold]{manifest.name}[/]")
    table.add_row("manifest hash", model.hash)
    table.add_row("determinism", manifest.determinism.value)
    for file in manifest.files:
        table.add_row("file", f"{file.path}  {file.size_bytes:,} bytes  sha256 {file.sha256[:16]}…")
    for tensor in manifest.inputs:
        table.add_row("input", _describe(tensor))
    for tensor in manifest.outputs:
        table.add_row("output", _describe(tensor))
    if manifest.provenance is not None:
        for key, value in manifest.provenance.model_dump(mode="json", exclude_none=True).items():
            table.add_row(key.replace("_", " "), str(value))
    console().print(table)


def _describe(tensor: TensorSpec) -> str:
    shape = " × ".join("n" if size in (None, -1) else str(size) for size in tensor.shape)
    return f"{tensor.name}  {tensor.dtype} {shape}  as {tensor.encoding}"
