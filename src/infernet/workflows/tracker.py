"""MLflow, the one tracker and registry: where it is, and runs in it."""

from __future__ import annotations

import logging
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from infernet.errors import InfernetError, InvalidInput, NodeMisconfigured, RetryLater

T = TypeVar("T")
DEFAULT_URI = "sqlite:///mlflow.db"
"""MLflow's own default: its page, opened in the same folder, shows the same."""
_VARIABLE = "MLFLOW_TRACKING_URI"
_CHECK_TIMEOUT_S = 5.0
_CURRENT = threading.Lock()
_EXTRA = ("lightgbm", "matplotlib", "mlflow", "onnx", "onnxmltools", "optuna", "pandas", "skl2onnx", "skops", "sklearn")
_BATCH = 900
"""MLflow takes 1,000 metrics at once, 100 tags and 100 parameters."""


def choose_tracking_uri(given: str | None = None) -> str:
    """Where MLflow is: what is given, else MLFLOW_TRACKING_URI, else a database in this folder."""
    return given or os.environ.get(_VARIABLE) or DEFAULT_URI


def import_mlflow() -> Any:
    """The package, quiet and without telemetry.

    Raises:
        NodeMisconfigured: `workflows.not_installed`.
    """
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    for name, value in (
        ("MLFLOW_LOGGING_LEVEL", "ERROR"),
        ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2"),
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", "30"),
        ("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false"),
        ("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true"),
        ("GIT_PYTHON_REFRESH", "quiet"),
    ):
        os.environ.setdefault(name, value)
    try:
        import mlflow  # noqa: PLC0415  (takes seconds, and is an extra)
    except ModuleNotFoundError as error:
        raise build_missing(error) from None
    logging.getLogger("alembic").setLevel(logging.ERROR)
    return mlflow


@contextmanager
def needing_extra() -> Iterator[None]:
    """What the extra brings may be missing inside.

    Raises:
        NodeMisconfigured: `workflows.not_installed`.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name in _EXTRA:
            raise build_missing(error) from None
        raise


def build_missing(error: ModuleNotFoundError) -> NodeMisconfigured:
    """The error of a package of the extra that is not there."""
    return NodeMisconfigured(
        "workflows.not_installed", f"training needs {error.name}: pip install 'infernet[workflows]'", package=error.name
    )


@dataclass(frozen=True, slots=True, eq=False)
class Tracker:
    """One MLflow store or server.

    Attributes:
        client: MLflow's own.
    """

    uri: str
    client: Any

    @contextmanager
    def current(self) -> Iterator[None]:
        """MLflow looks up what belongs to a new version in whatever store is the process's current one, not in the
        client's: inside it is this one.
        """
        mlflow = import_mlflow()
        with _CURRENT:
            before, variable = mlflow.get_tracking_uri(), os.environ.get(_VARIABLE)
            is_by_call = mlflow.is_tracking_uri_set() and before != variable
            mlflow.set_tracking_uri(self.uri)
            try:
                yield
            finally:
                mlflow.set_tracking_uri(before if is_by_call else None)
                os.environ.pop(_VARIABLE, None)  # MLflow sets it as well
                if variable is not None:
                    os.environ[_VARIABLE] = variable

    def check(self) -> None:
        """Whether it answers now; a server's client would wait for long.

        Raises:
            RetryLater: `registry.unreachable`.
        """
        _check_answers(self.uri)

    def find_experiment(self, name: str) -> str:
        """The id of that experiment, made where there is none."""
        with translated(self.uri):
            found = self.client.get_experiment_by_name(name)
            if found is None:
                return self._create_experiment(name)
            if found.lifecycle_stage != "active":
                raise InvalidInput(
                    "registry.experiment_deleted",
                    f"the experiment {name} was deleted: restore it, or rename the workflow",
                )
            return str(found.experiment_id)

    def _create_experiment(self, name: str) -> str:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        try:
            return str(self.client.create_experiment(name, artifact_location=self._place_artifacts(name)))
        except MlflowException:  # another process was faster
            return str(self.client.get_experiment_by_name(name).experiment_id)

    def _place_artifacts(self, name: str) -> str | None:
        path = read_sqlite_path(self.uri)
        return None if path is None else str(path.parent / "mlruns" / name)

    def log(
        self,
        run_id: str,
        *,
        params: Mapping[str, object] = {},
        tags: Mapping[str, object] = {},
        metrics: list[Any] | None = None,
    ) -> None:
        """All at once, or in as few requests as MLflow allows."""
        from mlflow.entities import Param, RunTag  # noqa: PLC0415

        rows = list(metrics or [])
        with translated(self.uri):
            self.client.log_batch(
                run_id,
                metrics=rows[:_BATCH],
                params=[Param(name, str(value)[:6000]) for name, value in params.items()],
                tags=[RunTag(name, str(value)[:5000]) for name, value in tags.items()],
            )
            for start in range(_BATCH, len(rows), _BATCH):
                self.client.log_batch(run_id, metrics=rows[start : start + _BATCH])


def open_tracker(uri: str | None = None) -> Tracker:
    """MLflow at that URI, seen to answer.

    Raises:
        NodeMisconfigured: `workflows.not_installed`; `registry.unusable`.
        RetryLater: `registry.unreachable`.
        InvalidInput: `registry.uri`.
    """
    chosen = choose_tracking_uri(uri)
    _check_answers(chosen)
    mlflow = import_mlflow()
    with translated(chosen):
        client = mlflow.MlflowClient(chosen, chosen)
        client.search_experiments(max_results=1)  # makes the tables of a new database
        return Tracker(chosen, client)


def read_sqlite_path(uri: str) -> Path | None:
    """The file of a SQLite store; None for another kind."""
    prefix = "sqlite:///"
    return Path(uri.removeprefix(prefix)).absolute() if uri.startswith(prefix) else None


def build_ui_command(uri: str, host: str, port: int) -> list[str]:
    """Python's arguments for MLflow's own server on that store.

    Raises:
        NodeMisconfigured, InvalidInput, RetryLater: as `open_tracker`.
    """
    open_tracker(uri)
    path = read_sqlite_path(uri)
    artifacts = [] if path is None else ["--default-artifact-root", str(path.parent / "mlruns")]
    address = ["--host", host, "--port", str(port), "--workers", "1", "--uvicorn-opts", "--log-level=warning"]
    return ["-m", "mlflow", "server", "--backend-store-uri", uri, *artifacts, *address]


def _check_answers(uri: str) -> None:
    if urlsplit(uri).scheme in ("http", "https"):
        try:
            with urllib.request.urlopen(uri.rstrip("/") + "/health", timeout=_CHECK_TIMEOUT_S):  # noqa: S310  (http only)
                return
        except urllib.error.HTTPError:
            return  # it answers; what it lacks is for the client to say
        except (OSError, ValueError) as error:
            raise _build_unreachable(uri, getattr(error, "reason", error)) from None
    path = read_sqlite_path(uri)
    if path is not None and not path.parent.is_dir():
        raise InvalidInput("registry.uri", f"there is no folder {path.parent} for the database of {uri}")
    if "://" not in uri or uri.startswith("file:"):
        raise InvalidInput(
            "registry.uri", f"{uri} is no tracking URI that MLflow 3 takes: sqlite:///mlflow.db, or a server's http://…"
        )


@contextmanager
def translated(uri: str) -> Iterator[None]:
    """MLflow's errors as ours.

    Raises:
        RetryLater: `registry.unreachable`.
        NodeMisconfigured: `registry.unusable`.
    """
    from mlflow.exceptions import MlflowException  # noqa: PLC0415
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415  (comes with MLflow)

    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        text = str(error).strip().splitlines()[0][:300]
        if "Connection" in text or "Max retries" in text or "timed out" in text:
            raise _build_unreachable(uri, "it stopped answering") from error
        raise NodeMisconfigured("registry.unusable", f"MLflow at {hide_password(uri)} refuses: {text}") from error


def insert(action: Callable[[], T]) -> T:
    """MLflow looks and then inserts: of two processes that add the same row at once one is refused (BAD_REQUEST), and
    finds the row when it tries again.
    """
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    try:
        return action()
    except MlflowException as error:
        if error.error_code != "BAD_REQUEST":
            raise
    return action()


def _build_unreachable(uri: str, reason: object) -> InfernetError:
    return RetryLater("registry.unreachable", f"MLflow at {hide_password(uri)} does not answer: {reason}")


def hide_password(uri: str) -> str:
    """A URI that may be shown."""
    parts = urlsplit(uri)
    if parts.password is None:
        return uri
    with suppress(ValueError):
        return parts._replace(netloc=f"{parts.username}:…@{parts.hostname}:{parts.port}").geturl()
    return parts.scheme + "://…"
