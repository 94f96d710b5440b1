"""Stores of MLflow for tests: an empty one takes seconds to make, so it is made once and copied."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path

from infernet.workflows.tracker import Tracker, open_tracker


def copy_store(shared: Path, folder: Path) -> str:
    """The tracking URI of a fresh store in `folder`.

    Args:
        shared: where the template lies, one for all processes of a session.
    """
    template = shared / "mlflow-template.db"
    with (shared / "mlflow-template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not template.exists():
            making = shared / "making.db"
            open_tracker(f"sqlite:///{making}")
            making.rename(template)
    shutil.copyfile(template, folder / "mlflow.db")
    return f"sqlite:///{folder / 'mlflow.db'}"


def register(
    tracker: Tracker, name: str, folder: Path, *, alias: str | None = "champion", tags: dict[str, str] | None = None
) -> int:
    """A version of the files in a folder, made with MLflow's own client, as a training leaves it."""
    client = tracker.client
    experiment = tracker.find_experiment(name)
    run = client.create_run(experiment)
    logged = client.create_logged_model(experiment, name="model", source_run_id=run.info.run_id)
    client.log_model_artifacts(logged.model_id, str(folder))
    client.finalize_logged_model(logged.model_id, "READY")
    client.set_terminated(run.info.run_id)
    if not client.search_registered_models(f"name='{name}'"):
        client.create_registered_model(name)
    with tracker.current():  # it looks up a logged model there, whichever client asks
        version = client.create_model_version(
            name, source=logged.model_uri, run_id=run.info.run_id, tags=tags or {}, model_id=logged.model_id
        )
    if alias is not None:
        client.set_registered_model_alias(name, alias, str(version.version))
    return int(version.version)
