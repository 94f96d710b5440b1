"""Reads an MLflow model registry without MLflow, whose import takes seconds: which version an alias stands for, where
its files lie. A SQLite store is read as it is, read-only; a server is asked over its REST interface.
"""

from __future__ import annotations

import base64
import os
import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

from infernet.errors import InvalidInput, NodeMisconfigured, RetryLater
from infernet.models.http_storage import fetch_json, name_host
from infernet.models.storage import Location

_REFERENCE = re.compile(r"models:/(?P<name>[^@:/]+)(?:@(?P<alias>[^@:/\s]+)|/(?P<version>[0-9]+))")
MANIFEST_HASH_TAG = "infernet.manifest_hash"
"""Of a version, written when it was registered."""
_API = "api/2.0/mlflow"
_ARTIFACTS = "api/2.0/mlflow-artifacts/artifacts"
_DELETED = "Deleted_Internal"
_NEEDED = {
    "model_versions": {"name", "version", "source", "run_id", "status", "current_stage", "storage_location"},
    "registered_model_aliases": {"name", "alias", "version"},
    "model_version_tags": {"name", "version", "key", "value"},
}
"""What this module reads of MLflow's tables; the same since MLflow 2.3."""


@dataclass(frozen=True, slots=True)
class ModelReference:
    """`models:/name@alias`, which may move, or `models:/name/version`."""

    name: str
    alias: str | None = None
    version: int | None = None

    def __str__(self) -> str:
        return f"models:/{self.name}@{self.alias}" if self.alias else f"models:/{self.name}/{self.version}"


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """A version in a registry.

    Attributes:
        run_id: of the run that made it, empty where none is named.
        folder: where its files lie.
    """

    name: str
    version: int
    run_id: str
    folder: Location
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def manifest_hash(self) -> str | None:
        """64 hex digits, None where the version does not say."""
        return self.tags.get(MANIFEST_HASH_TAG)

    def __str__(self) -> str:
        return f"{self.name} version {self.version}"


class MlflowRegistry(Protocol):
    """What both kinds answer."""

    @property
    def name(self) -> str:
        """For people: where it is, without secrets."""
        ...

    def resolve(self, reference: ModelReference) -> RegisteredVersion:
        """The version that a reference stands for now.

        Raises:
            NodeMisconfigured: `registry.not_found`: no such model, alias or version; `registry.not_ready`;
                `registry.unreadable`; `storage.refused`.
            RetryLater: `registry.unreachable`.
        """
        ...


def parse_reference(text: str) -> ModelReference:
    """Raises InvalidInput, `registry.reference`."""
    found = _REFERENCE.fullmatch(text)
    if not found:
        raise InvalidInput(
            "registry.reference",
            f"{text!r} names no registered model: write models:/NAME@ALIAS or models:/NAME/VERSION",
        )
    return ModelReference(found["name"], found["alias"], int(found["version"]) if found["version"] else None)


def open_registry(uri: str, headers: Mapping[str, str] | None = None) -> MlflowRegistry:
    """The registry behind a tracking URI.

    Args:
        uri: `sqlite:///path` or a server's http(s) URL.
        headers: what a server wants to see, an `Authorization` for one.

    Raises:
        InvalidInput: `registry.uri`.
    """
    if uri.startswith("sqlite:///"):
        return SqliteRegistry(Path(uri.removeprefix("sqlite:///").partition("?")[0]))
    if uri.startswith(("http://", "https://")):
        return RestRegistry(uri, headers or {})
    raise InvalidInput(
        "registry.uri", f"{uri!r} is no registry that can be read: give sqlite:///PATH or a server's http(s) URL"
    )


def build_registry_headers(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What an MLflow server wants to see, from the variables that MLflow's own client reads."""
    if token := environment.get("MLFLOW_TRACKING_TOKEN"):
        return {"Authorization": f"Bearer {token}"}
    if user := environment.get("MLFLOW_TRACKING_USERNAME"):
        words = f"{user}:{environment.get('MLFLOW_TRACKING_PASSWORD', '')}"
        return {"Authorization": "Basic " + base64.b64encode(words.encode()).decode()}
    return {}


def find_registered(tracking_uri: str, reference: ModelReference) -> RegisteredVersion:
    """What a reference stands for now, with the credentials of the environment. Raises as `MlflowRegistry.resolve`."""
    return open_registry(tracking_uri, build_registry_headers()).resolve(reference)


class SqliteRegistry:
    """The default registry: a file of this machine."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def name(self) -> str:
        return str(self._path)

    def resolve(self, reference: ModelReference) -> RegisteredVersion:
        """See `MlflowRegistry`."""
        if not self._path.is_file():
            raise NodeMisconfigured(
                "registry.not_found", f"there is no registry {self._path}: 'infernet train' makes it, or name another"
            )
        try:
            uri = f"{self._path.resolve().as_uri()}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True, timeout=10)) as connection:
                return self._resolve(connection, reference)
        except sqlite3.OperationalError as error:
            raise RetryLater("registry.unreachable", f"{self._path} cannot be read now: {error}") from error
        except sqlite3.DatabaseError as error:
            raise NodeMisconfigured("registry.unreadable", f"{self._path} is no MLflow store: {error}") from error

    def _resolve(self, connection: sqlite3.Connection, reference: ModelReference) -> RegisteredVersion:
        self._check_tables(connection)
        version = reference.version if reference.alias is None else self._find_alias(connection, reference)
        row = connection.execute(
            "SELECT version, coalesce(run_id, ''), coalesce(storage_location, source), status FROM model_versions "
            "WHERE name = ? AND version = ? AND current_stage <> ?",
            (reference.name, version, _DELETED),
        ).fetchone()
        if row is None:
            raise _not_found(reference, self.name)
        tags = connection.execute(
            "SELECT key, value FROM model_version_tags WHERE name = ? AND version = ?", (reference.name, version)
        ).fetchall()
        _check_ready(reference, row[3])
        return RegisteredVersion(reference.name, int(row[0]), row[1], Location(row[2]), dict(tags))

    def _find_alias(self, connection: sqlite3.Connection, reference: ModelReference) -> int | None:
        query = "SELECT version FROM registered_model_aliases WHERE name = ? AND alias = ?"
        values = (reference.name, reference.alias or "")
        if values[1].lower() == "latest":  # MLflow's own word for the newest version
            query = "SELECT max(version) FROM model_versions WHERE name = ? AND current_stage <> ?"
            values = (reference.name, _DELETED)
        found = connection.execute(query, values).fetchone()
        return int(found[0]) if found and found[0] is not None else None

    def _check_tables(self, connection: sqlite3.Connection) -> None:
        """The columns themselves rather than the schema's version, which changes for what is not read here."""
        for table, needed in _NEEDED.items():
            present = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
            if not needed <= present:
                missing = f"the table {table}" if not present else f"{table}.{sorted(needed - present)[0]}"
                raise NodeMisconfigured(
                    "registry.unreadable",
                    f"{self._path} lacks {missing}, so it is no store of a known MLflow: run 'infernet mlflow ui' once "
                    "to bring an older store up to date",
                )


class RestRegistry:
    """An MLflow server."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._url = url.rstrip("/")
        self._headers = headers

    @property
    def name(self) -> str:
        return name_host(self._url)

    def resolve(self, reference: ModelReference) -> RegisteredVersion:
        """See `MlflowRegistry`."""
        try:
            if reference.alias is not None:
                found = self._get("registered-models/alias", name=reference.name, alias=reference.alias)
            else:
                found = self._get("model-versions/get", name=reference.name, version=str(reference.version))
            version = found["model_version"]
            number = str(version["version"])
            place = self._get("model-versions/get-download-uri", name=reference.name, version=number)["artifact_uri"]
            tags = {tag["key"]: tag.get("value", "") for tag in version.get("tags", ())}
            _check_ready(reference, version.get("status", "READY"))
            return RegisteredVersion(reference.name, int(number), version.get("run_id", ""), self._locate(place), tags)
        except (FileNotFoundError, InvalidInput):  # MLflow answers 404 or, of an unknown alias, 400
            raise _not_found(reference, self.name) from None
        except (KeyError, TypeError, ValueError) as error:
            raise NodeMisconfigured(
                "registry.unreadable", f"{self.name} does not answer as an MLflow server: check its URL"
            ) from error
        except RetryLater as error:
            raise RetryLater("registry.unreachable", f"the model registry {error.message}") from error

    def _get(self, path: str, **query: str) -> dict[str, Any]:
        answer: dict[str, Any] = fetch_json(f"{self._url}/{_API}/{path}?{urlencode(query)}", self._headers)
        return answer

    def _locate(self, uri: str) -> Location:
        """`mlflow-artifacts:` URIs are the server's own; the rest is read where it lies."""
        parts = urlsplit(uri)
        if parts.scheme != "mlflow-artifacts":
            return Location(uri)
        server = (
            f"{'https' if self._url.startswith('https') else 'http'}://{parts.netloc}" if parts.netloc else self._url
        )
        headers = self._headers if not parts.netloc or server == self._url else {}  # no credentials for others
        return Location(f"{server}/{_ARTIFACTS}{parts.path}", headers)


def _check_ready(reference: ModelReference, status: str) -> None:
    if status != "READY":
        raise NodeMisconfigured("registry.not_ready", f"{reference} is not ready: its status is {status}")


def _not_found(reference: ModelReference, registry: str) -> NodeMisconfigured:
    return NodeMisconfigured(
        "registry.not_found",
        f"{registry} has no {reference}: it was never registered, or it was deleted",
        reference=str(reference),
    )
