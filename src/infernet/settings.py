"""The node's configuration file: one TOML file, every key checked, no secrets in it."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from infernet.errors import InvalidInput, NodeMisconfigured
from infernet.protocol.hashing import to_address
from infernet.protocol.model_names import parse_published_name
from infernet.types import Address

M = TypeVar("M", bound=BaseModel)


def _parse_address(value: str) -> Address:
    try:
        return to_address(value)
    except InvalidInput as error:
        raise ValueError(error.message) from error


def _parse_namespace(value: str) -> str:
    try:
        return parse_published_name(f"{value}/name:1").namespace
    except InvalidInput as error:
        raise ValueError(f"{value!r} is no namespace: write what stands before the / of a published name") from error


_SQL_LIMIT = 2**63
"""The journal's integers are smaller."""
_DAY_S = 86_400

AddressField = Annotated[str, AfterValidator(_parse_address)]
NamespaceField = Annotated[str, AfterValidator(_parse_namespace)]


class Section(BaseModel):
    """A table of a settings file: it knows all of its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AccountSettings(Section):
    """The account that delivers."""

    keystore: Path = Path("node.keystore.json")
    password_file: Path | None = None


class JournalSettings(Section):
    """The node's memory."""

    path: Path = Path("journal.sqlite")


class ModelSettings(Section):
    """Where models are kept, and when those that follow a name are fetched."""

    store: Path = Path("models")
    max_bytes: int | None = Field(default=None, gt=0, lt=_SQL_LIMIT)
    fetch: Literal["ahead", "first-use"] = "ahead"
    poll_interval_s: float = Field(default=5.0, gt=0, le=_DAY_S)
    trusted_folders: tuple[Path, ...] = ()
    private_addresses: bool = False


class MlflowSettings(Section):
    """The registry of trained models."""

    tracking_uri: str = "sqlite:///mlflow.db"


class ApiSettings(Section):
    """The HTTP API. Port 0 takes a free one."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: int = Field(default=4000, ge=0, le=65535)


class LogSettings(Section):
    """What the node says on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


class PolicySettings(Section):
    """Whom the node serves, and how it shares work with others; see `protocol.decision.Policy`."""

    allowed_owners: tuple[AddressField, ...] = ()
    denied_owners: tuple[AddressField, ...] = ()
    turn_window_s: int = Field(default=0, ge=0, le=_DAY_S)
    max_callback_gas: int = Field(default=5_000_000, ge=0, lt=2**32)
    job_timeout_s: float = Field(default=3600.0, gt=0, le=_DAY_S)
    minimum_fees: dict[AddressField, int] = Field(default_factory=dict)
    margin_percent: int = Field(default=0, ge=0, le=10_000)
    verifiers: tuple[AddressField, ...] = ()
    namespaces: tuple[NamespaceField, ...] = ()
    creators: tuple[AddressField, ...] = ()


class ChainSettings(Section):
    """One chain, one Coordinator."""

    rpc_url: str
    chain_id: int = Field(gt=0, lt=_SQL_LIMIT)
    coordinator: AddressField
    start_block: int = Field(default=0, ge=0, lt=_SQL_LIMIT)
    poll_interval_s: float = Field(default=1.0, gt=0, le=_DAY_S)
    tip_wei: int = Field(default=10**9, ge=0, lt=_SQL_LIMIT)
    max_fee_wei: int | None = Field(default=None, gt=0, lt=_SQL_LIMIT)


class ContainerSettings(Section):
    """One container that the node serves. A model is served under its own name unless `id` says otherwise."""

    id: str | None = Field(default=None, pattern=r"^[^,\s]+$")
    kind: Literal["model", "python", "training", "evaluation"]
    model: str | None = None
    target: str | None = None
    workflow: Path | None = None
    workflow_name: str | None = None
    column: str | None = None
    metric: str = "accuracy"
    decimals: int = Field(default=6, ge=0, le=12)
    folders: tuple[Path, ...] = ()
    private_addresses: bool = False
    max_rows: int = Field(default=1_000_000, gt=0, lt=_SQL_LIMIT)
    max_bytes: int = Field(default=2**30, gt=0, lt=_SQL_LIMIT)
    memory_bytes: int | None = Field(default=None, gt=0, lt=_SQL_LIMIT)
    concurrency: int = Field(default=1, ge=1, le=64)
    timeout_s: float = Field(default=60.0, gt=0, le=_DAY_S)

    @property
    def name(self) -> str:
        """What subscriptions call it."""
        return self.id or self.model or ""


class Settings(Section):
    """The whole file."""

    account: AccountSettings = AccountSettings()
    journal: JournalSettings = JournalSettings()
    models: ModelSettings = ModelSettings()
    mlflow: MlflowSettings = MlflowSettings()
    api: ApiSettings = ApiSettings()
    log: LogSettings = LogSettings()
    policy: PolicySettings = PolicySettings()
    chains: tuple[ChainSettings, ...] = Field(min_length=1)
    containers: tuple[ContainerSettings, ...] = ()


def read_settings(path: Path) -> Settings:
    """The settings of a file, paths taken from the file's own folder.

    Raises:
        NodeMisconfigured: the file is missing or no TOML; a key is unknown (the nearest known one is named), a value
            is of the wrong kind, two parts do not go together.
    """
    settings = read_toml(path, Settings, made_by="infernet init")
    try:
        _check(settings)
        return _anchor(settings, path.parent)
    except _Contradiction as error:
        raise NodeMisconfigured("config.invalid", f"{path}: {error}", key=error.key) from error


def read_toml(path: Path, kind: type[M], *, made_by: str) -> M:
    """What a file of the user's holds.

    Args:
        made_by: the command that writes such a file.

    Raises:
        NodeMisconfigured: as `read_settings`.
    """
    try:
        parsed = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NodeMisconfigured("config.missing", f"there is no {path}: make one with '{made_by}'") from error
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise NodeMisconfigured("config.unreadable", f"{path} cannot be read as TOML: {reason}") from error
    try:
        return kind.model_validate_json(json.dumps(parsed, default=str), strict=True)  # as JSON: "1" is no 1
    except ValidationError as error:
        raise _explain(path, kind, error) from error


class _Contradiction(Exception):
    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def _explain(path: Path, kind: type[BaseModel], error: ValidationError) -> NodeMisconfigured:
    """The first thing that is wrong, in one line; a mistyped key before what is missing because of it."""
    first = min(error.errors(), key=lambda details: details["type"] != "extra_forbidden")
    place = ".".join(str(part + 1) if isinstance(part, int) else part for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return _explain_unknown(path, kind, place, first["loc"])
    if first["type"] == "missing":
        return NodeMisconfigured("config.invalid", f"{path}: the key {place} is missing: add it", key=place)
    reason = _REASONS.get(first["type"]) or first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if place in ("chains", "containers", "llm"):
        reason = f"write it as one [[{place}]] table or more"
    return NodeMisconfigured("config.invalid", f"{path}: {place} is wrong: {reason}", key=place)


_REASONS = {"tuple_type": "write a list", "model_type": "write a table"}


def _explain_unknown(
    path: Path, kind: type[BaseModel], place: str, location: tuple[int | str, ...]
) -> NodeMisconfigured:
    key, known = str(location[-1]), _known_keys(kind, location)
    nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.4)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"known here: {', '.join(sorted(known))}"
    return NodeMisconfigured("config.unknown_key", f"{path}: unknown key {place!r}; {hint}", key=place)


def _known_keys(kind: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The keys of the section that a key stands in; the numbers in its place count tables of one kind."""
    section: Any = kind
    for part in location[:-1]:
        if isinstance(part, str):
            annotation = section.model_fields[part].annotation
            kinds = (annotation, *getattr(annotation, "__args__", ()))
            section = next(kind for kind in kinds if hasattr(kind, "model_fields"))
    return list(section.model_fields)


def _check(settings: Settings) -> None:
    chain_ids = [chain.chain_id for chain in settings.chains]
    for chain_id in chain_ids:
        if chain_ids.count(chain_id) > 1:  # they would take the same nonces of one account
            raise _Contradiction(
                "chains", f"two [[chains]] have the chain_id {chain_id}: run a second node with a key of its own"
            )
    if settings.policy.namespaces and settings.models.max_bytes is None:
        raise _Contradiction(
            "policy.namespaces", "policy.namespaces has others choose what is fetched: set models.max_bytes as well"
        )
    if settings.policy.creators and not settings.policy.namespaces:
        raise _Contradiction("policy.creators", "policy.creators narrows policy.namespaces: set those as well")
    names = [container.name for container in settings.containers]
    for container in settings.containers:
        _check_container(container)
        if names.count(container.name) > 1:
            raise _Contradiction(
                "containers", f"two containers have the id {container.name!r}: remove one or give it another id"
            )


_LIMITS = ("max_rows", "max_bytes", "memory_bytes")
_KEYS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "model": (("model",), ("workflow", "workflow_name")),
    "python": (("id", "target"), ()),
    "training": (("id", "workflow"), ("workflow_name", *_LIMITS)),
    "evaluation": (("id", "column"), ("metric", "decimals", "folders", "private_addresses", *_LIMITS)),
}
"""By kind of container: what it needs, and what it may have beside what all may."""


def _check_container(container: ContainerSettings) -> None:
    needed, optional = _KEYS[container.kind]
    refused = {key for keys in _KEYS.values() for key in (*keys[0], *keys[1])} - {"id", *needed, *optional}
    what = f"the container {container.name!r} of kind {container.kind!r}"
    for key in needed:
        if not getattr(container, key):
            raise _Contradiction(f"containers.{key}", f"{what} needs the key {key!r}")
    for key in sorted(refused & container.model_fields_set):
        raise _Contradiction(f"containers.{key}", f"{what} takes no key {key!r}: remove it")


def _anchor(settings: Settings, folder: Path) -> Settings:
    def at(key: str, place: Path) -> Path:
        try:
            return (folder / place.expanduser()).resolve()
        except (ValueError, RuntimeError, OSError) as error:
            raise _Contradiction(key, f"{key} is no path: {error}") from error

    password_file = settings.account.password_file
    account = {"keystore": at("account.keystore", settings.account.keystore)}
    if password_file is not None:
        account["password_file"] = at("account.password_file", password_file)
    return settings.model_copy(
        update={
            "account": AccountSettings(**account),
            "journal": JournalSettings(path=at("journal.path", settings.journal.path)),
            "models": settings.models.model_copy(
                update={
                    "store": at("models.store", settings.models.store),
                    "trusted_folders": tuple(at("models.trusted_folders", f) for f in settings.models.trusted_folders),
                }
            ),
            "mlflow": MlflowSettings(tracking_uri=_anchor_sqlite(settings.mlflow.tracking_uri, at)),
            "containers": tuple(_anchor_container(container, at) for container in settings.containers),
        }
    )


def _anchor_container(container: ContainerSettings, at: Callable[[str, Path], Path]) -> ContainerSettings:
    update: dict[str, Any] = {"target": _anchor_target(container.target, at)}
    if container.workflow is not None:
        update["workflow"] = at("containers.workflow", container.workflow)
    if container.folders:
        update["folders"] = tuple(at("containers.folders", folder) for folder in container.folders)
    return container.model_copy(update=update)


def _anchor_sqlite(uri: str, at: Callable[[str, Path], Path]) -> str:
    """`sqlite:///path` from the file's folder, a server's URL as it is."""
    prefix = "sqlite:///"
    return f"{prefix}{at('mlflow.tracking_uri', Path(uri.removeprefix(prefix)))}" if uri.startswith(prefix) else uri


def _anchor_target(target: str | None, at: Callable[[str, Path], Path]) -> str | None:
    """`path/to/file.py:name` from the file's folder, `module:name` as it is."""
    place, _, name = (target or "").rpartition(":")
    return f"{at('containers.target', Path(place))}:{name}" if place.endswith(".py") else target
