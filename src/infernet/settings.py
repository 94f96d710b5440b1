"""The node's configuration file: one TOML file, every key checked, no secrets in it."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from infernet.errors import InvalidInput, NodeMisconfigured
from infernet.protocol.hashing import to_address
from infernet.types import Address


def _parse_address(value: str) -> Address:
    try:
        return to_address(value)
    except InvalidInput as error:
        raise ValueError(error.message) from error


AddressField = Annotated[str, AfterValidator(_parse_address)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AccountSettings(_Section):
    """The account that delivers."""

    keystore: Path = Path("node.keystore.json")
    password_file: Path | None = None


class JournalSettings(_Section):
    """The node's memory."""

    path: Path = Path("journal.sqlite")


class ModelSettings(_Section):
    """Where models are kept."""

    store: Path = Path("models")


class ApiSettings(_Section):
    """The HTTP API. Port 0 takes a free one."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: int = Field(default=4000, ge=0, le=65535)


class LogSettings(_Section):
    """What the node says on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


class PolicySettings(_Section):
    """Whom the node serves, and how it shares work with others; see `protocol.decision.Policy`."""

    allowed_owners: tuple[AddressField, ...] = ()
    denied_owners: tuple[AddressField, ...] = ()
    turn_window_s: int = Field(default=0, ge=0)


class ChainSettings(_Section):
    """One chain, one Coordinator."""

    rpc_url: str
    chain_id: int = Field(gt=0)
    coordinator: AddressField
    start_block: int = Field(default=0, ge=0)
    poll_interval_s: float = Field(default=1.0, gt=0)
    tip_wei: int = Field(default=10**9, ge=0)
    max_fee_wei: int | None = Field(default=None, gt=0)


class ContainerSettings(_Section):
    """One container that the node serves. A model is served under its own name unless `id` says otherwise."""

    id: str | None = Field(default=None, pattern=r"^[^,\s]+$")
    kind: Literal["model", "python"]
    model: str | None = None
    target: str | None = None
    concurrency: int = Field(default=1, ge=1, le=64)
    timeout_s: float = Field(default=60.0, gt=0)

    @property
    def name(self) -> str:
        """What subscriptions call it."""
        return self.id or self.model or ""


class Settings(_Section):
    """The whole file."""

    account: AccountSettings = AccountSettings()
    journal: JournalSettings = JournalSettings()
    models: ModelSettings = ModelSettings()
    api: ApiSettings = ApiSettings()
    log: LogSettings = LogSettings()
    policy: PolicySettings = PolicySettings()
    chains: tuple[ChainSettings, ...] = Field(min_length=1)
    containers: tuple[ContainerSettings, ...] = ()


def read_settings(path: Path) -> Settings:
    """The settings of a file, paths taken from the file's own folder.

    Raises:
        NodeMisconfigured: the file is missing or no TOML; a key is unknown (the nearest known one is named), a value
            is of the wrong kind.
    """
    try:
        parsed = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NodeMisconfigured("config.missing", f"there is no {path}: make one with 'infernet init'") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise NodeMisconfigured("config.unreadable", f"{path} cannot be read: {error}") from error
    try:
        settings = Settings.model_validate(parsed)
    except ValidationError as error:
        raise _explain(path, error) from error
    _check_containers(path, settings)
    return _anchor(settings, path.parent)


def _explain(path: Path, error: ValidationError) -> NodeMisconfigured:
    """The first thing that is wrong, in one line."""
    first = error.errors()[0]
    place = ".".join(str(part + 1) if isinstance(part, int) else part for part in first["loc"])
    if first["type"] != "extra_forbidden":
        what = "is missing" if first["type"] == "missing" else f"is wrong: {first['msg']}"
        return NodeMisconfigured("config.invalid", f"{path}: {place} {what}", key=place)
    key = str(first["loc"][-1])
    known = _known_keys(first["loc"])
    nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.4)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"known here: {', '.join(sorted(known))}"
    return NodeMisconfigured("config.unknown_key", f"{path}: unknown key {place!r}; {hint}", key=place)


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    section: Any = Settings
    for part in location[:-1]:
        if isinstance(part, str):
            annotation = section.model_fields[part].annotation
            section = next(
                (kind for kind in getattr(annotation, "__args__", ()) if hasattr(kind, "model_fields")), None
            )
            section = section or annotation
    return list(section.model_fields)


def _check_containers(path: Path, settings: Settings) -> None:
    ids = [container.name for container in settings.containers]
    for name in ids:
        if ids.count(name) > 1:
            raise NodeMisconfigured("config.invalid", f"{path}: two containers have the id {name!r}", key="containers")
    for container in settings.containers:
        for needed in ("model",) if container.kind == "model" else ("id", "target"):
            if getattr(container, needed) is None:
                raise NodeMisconfigured(
                    "config.invalid",
                    f"{path}: the container {container.name!r} of kind {container.kind!r} needs the key {needed!r}",
                    key=f"containers.{needed}",
                )


def _anchor(settings: Settings, folder: Path) -> Settings:
    def at(place: Path) -> Path:
        return (folder / place.expanduser()).resolve()

    password_file = settings.account.password_file
    return settings.model_copy(
        update={
            "account": AccountSettings(
                keystore=at(settings.account.keystore), password_file=at(password_file) if password_file else None
            ),
            "journal": JournalSettings(path=at(settings.journal.path)),
            "models": ModelSettings(store=at(settings.models.store)),
        }
    )
