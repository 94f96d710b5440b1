"""The table of the node's settings: keys, types and defaults from the code, their meanings from here."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Any

from docs_table import build_code, build_table
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from infernet.settings import Settings

WORDS = {
    "account.keystore": "Encrypted key file of the account that delivers.",
    "account.password_file": "File with the key file's password, where `INFERNET_KEY_PASSWORD` is not set.",
    "journal.path": "The node's memory, an SQLite file. One node at a time.",
    "models.store": "Folder of the model store.",
    "models.max_bytes": "How much all fetched models may take up, what has arrived of others included; the longest "
    "unused leave. No limit unless set.",
    "models.fetch": "When a model that lies elsewhere is fetched: `ahead`, or on `first-use`.",
    "models.poll_interval_s": "Seconds between two looks at the names that models follow.",
    "models.trusted_folders": "Folders of this machine that an entry of the chain's ModelRegistry may name.",
    "models.private_addresses": "Whether such an entry may lead to a web server of this machine's own networks.",
    "mlflow.tracking_uri": "MLflow's store, where training containers register: `sqlite:///PATH` or a server's URL.",
    "api.enabled": "Whether to serve HTTP.",
    "api.host": "Address to listen on. The default is this machine only.",
    "api.port": "Port; 0 takes a free one.",
    "log.level": "The least that is logged, on standard error.",
    "log.format": "`json` prints one object a line.",
    "policy.allowed_owners": "Addresses that may ask; empty allows all that are not denied.",
    "policy.denied_owners": "Addresses that are not served.",
    "policy.minimum_fees": "The least that this node works for, its own share of an answer's fee, by token (the zero "
    "address: ether), in units of the token. Where there is any, no other token is taken, and nothing free.",
    "policy.margin_percent": "What an answer paid in ether must earn at the least, in percent of what its delivery's "
    "gas costs at the present price and with the dearest callback. 0 does not look.",
    "policy.verifiers": "Verifiers that this node works with. Its bond towards each is read when it starts.",
    "policy.namespaces": "Namespaces of the first chain's ModelRegistry whose models are all served, also without a "
    "`[[containers]]` table: each is fetched when a subscription first asks for it. Needs `models.max_bytes`.",
    "policy.creators": "Accounts whose publications in these namespaces are served; empty: everybody's.",
    "policy.turn_window_s": "Seconds over which several nodes spread their answers. 0 answers at once.",
    "policy.max_callback_gas": "The most gas that a consumer's callback may be promised; the node pays for it.",
    "policy.job_timeout_s": "A job whose containers together take longer is given up, its waits for them included.",
    "chains.rpc_url": "JSON-RPC endpoint, http or https.",
    "chains.chain_id": "The chain expected there; another one stops the node at the start.",
    "chains.coordinator": "Address of the Coordinator.",
    "chains.start_block": "First block to read: that of the Coordinator's deployment, or an earlier one.",
    "chains.poll_interval_s": "Pause between two looks at the chain.",
    "chains.tip_wei": "Priority fee for a unit of gas.",
    "chains.max_fee_wei": "The most to pay for a unit of gas, beside each subscription's own `maxGasPrice`.",
    "containers.id": "What subscriptions call it. A model's own name where it is left out.",
    "containers.kind": "What it is.",
    "containers.model": "Of kind `model`: name or manifest hash of a model in the store; or a name that it follows: "
    "`models:/NAME@ALIAS` in MLflow's registry, `namespace/name@alias` on the first chain; or `namespace/name:version` "
    "as it was published there, where the store has no model of that name.",
    "containers.target": "Of kind `python`: `module:name` or `path/to/file.py:name`.",
    "containers.workflow": "Of kind `training`: the Python file of a workflow. Of kind `model`: the file of an "
    "inference workflow, whose steps stand around the model.",
    "containers.workflow_name": "Which workflow, where the file has several.",
    "containers.column": "Of kind `evaluation`: the test set's column that models are to tell.",
    "containers.metric": "Of kind `evaluation`: `accuracy`, `balanced_accuracy`, `f1`, `mae`, `rmse` or `r2`.",
    "containers.decimals": "Of kind `evaluation`: places that predicted amounts are rounded to.",
    "containers.folders": "Of kind `evaluation`: folders of this machine that a `file:` URI may lead to.",
    "containers.private_addresses": "Of kind `evaluation`: whether a URI may lead to an address of this network.",
    "containers.max_rows": "Of kinds `training` and `evaluation`: rows of a table, or of a test set.",
    "containers.max_bytes": "The same in bytes; of kind `evaluation` for a model too.",
    "containers.memory_bytes": "Of kinds `training` and `evaluation`: the most address space that a worker may take.",
    "containers.concurrency": "Worker processes, so many runs at once.",
    "containers.timeout_s": "A run that takes longer is stopped.",
}


def list_keys() -> dict[str, tuple[FieldInfo, bool]]:
    """Key → its field, and whether its section may be repeated."""
    keys = {}
    for name, field in Settings.model_fields.items():
        section, is_list = _find_section(field.annotation)
        keys |= {f"{name}.{key}": (inner, is_list) for key, inner in section.model_fields.items()}
    return keys


def render_settings() -> str:
    """One table for each section of the file."""
    keys = list_keys()
    if set(keys) != set(WORDS):
        different = ", ".join(sorted(set(keys) ^ set(WORDS)))
        raise SystemExit(f"docs: the settings and their words in tools/docs_settings.py differ: {different}")
    return "\n\n".join(_render(section, keys) for section in dict.fromkeys(key.split(".")[0] for key in keys))


def _render(section: str, keys: dict[str, tuple[FieldInfo, bool]]) -> str:
    rows = [(key.split(".")[1], *keys[key]) for key in keys if key.startswith(f"{section}.")]
    is_list = rows[0][2]
    title = f"[[{section}]]" if is_list else f"[{section}]"
    required = [name for name, field in Settings.model_fields.items() if field.is_required()]
    note = ""
    if is_list:
        note = "At least one." if section in required else "May be repeated."
        note = f"{note}\n\n"
    table = build_table(
        ["key", "type", "default", "meaning"],
        (
            [build_code(name), " or ".join(_name_types(field.annotation)), _default(field), WORDS[f"{section}.{name}"]]
            for name, field, _ in rows
        ),
    )
    return f"#### `{title}`\n\n{note}{table}"


def _find_section(annotation: Any) -> tuple[type[BaseModel], bool]:
    for inner in typing.get_args(annotation):
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            return inner, True
    return annotation, False


def _name_types(annotation: Any) -> Iterator[str]:
    arguments = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        yield from (f"`{value}`" for value in arguments)
    elif origin is tuple:
        yield "list of text"
    elif origin is dict:
        yield "table"
    elif origin in (types.UnionType, typing.Union):
        for inner in arguments:
            if inner is not type(None):
                yield from _name_types(inner)
    else:
        names = {"int": "integer", "float": "number", "bool": "true or false", "Path": "path", "str": "text"}
        yield names.get(getattr(annotation, "__name__", ""), "text")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default is None or field.default_factory is not None or field.default == ():
        return "–"
    return build_code(str(field.default).lower() if isinstance(field.default, bool) else str(field.default))
