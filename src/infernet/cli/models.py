"""`infernet models`: the models in this machine's store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infernet.cli.options import MODEL_STORE, AsJson, Store
from infernet.cli.output import console, print_json
from infernet.cli.publish import earnings, fetch, publish
from infernet.cli.rollback import rollback
from infernet.errors import InvalidInput, NodeMisconfigured

if TYPE_CHECKING:
    from infernet.models.store import StoredModel
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
    model = _find(store, name)
    manifest = model.manifest
    if as_json:
        print_json({"hash": model.hash, "folder": str(model.folder), **manifest.model_dump(mode="json")})
        return
    rows = [("name", manifest.name), ("manifest hash", model.hash), ("determinism", manifest.determinism.value)]
    for file in manifest.files:
        rows.append(("file", f"{file.path}  {file.size_bytes:,} bytes  sha256 {file.sha256[:16]}…"))
    rows += [("input", _describe(tensor)) for tensor in manifest.inputs]
    rows += [("output", _describe(tensor)) for tensor in manifest.outputs]
    if manifest.provenance is not None:
        for key, value in manifest.provenance.model_dump(mode="json", exclude_none=True).items():
            parts = value.items() if isinstance(value, dict) else ()
            rows.append((key.replace("_", " "), ", ".join(f"{k} {v}" for k, v in parts) or str(value)))
    for key, text in rows:
        console().print(f"{key:<14} {text}", markup=False, soft_wrap=True)


def _find(store: Path, name: str) -> StoredModel:
    """By name or hash; a fetched one, which has no name in the store, by the name in its manifest.

    Raises:
        NodeMisconfigured: as `ModelStore.get`.
    """
    from infernet.models.cache import ModelCache
    from infernet.models.store import read_manifest

    cache = ModelCache(store)
    try:
        return cache.store.get(name)
    except NodeMisconfigured as error:
        if error.code != "model.not_found":
            raise
        for fetched in cache.list():
            if read_manifest(cache.store.folder_of(fetched.hash)).name == name:
                return cache.store.get(fetched.hash)
        raise


def _describe(tensor: TensorSpec) -> str:
    """What has to be known to ask."""
    shape = " × ".join("n" if size in (None, -1) else str(size) for size in tensor.shape)
    scale = f", {tensor.scale} decimal places" if tensor.scale else ""
    named = f": {', '.join(tensor.columns)}" if tensor.columns else ""
    classes = f": {', '.join(f'{n} {name}' for n, name in enumerate(tensor.classes))}" if tensor.classes else ""
    return f"{tensor.name}  {tensor.dtype} {shape}  as {tensor.encoding}{scale}{named}{classes}"
