"""One MLflow run: what belongs to it, how it ends, and runs whose process is gone."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infernet.errors import InfernetError
from infernet.models import MANIFEST_FILE
from infernet.protocol.manifest import Manifest, encode_manifest
from infernet.workflows.tracker import Tracker, insert, translated
from infernet.workflows.workflow import TrainingWorkflow, compute_code_hash

if TYPE_CHECKING:
    from infernet.workflows.data import Rows, Table
    from infernet.workflows.flavours import Converted
    from infernet.workflows.progress import Progress
    from infernet.workflows.split import Split

PROCESS, ENDED = "infernet.process", "infernet.ended"
_KILLED = "its process was killed"
_PACKAGES = (
    "infernet", "numpy", "pandas", "scikit-learn", "lightgbm", "xgboost", "torch", "onnx", "onnxruntime", "skl2onnx",
    "onnxmltools", "mlflow",
)  # fmt: skip
_EXAMPLE_ROWS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A run that is going on."""

    tracker: Tracker
    experiment_id: str
    id: str

    def tag(self, tags: Mapping[str, object]) -> None:
        self.tracker.log(self.id, tags=tags)

    def log_params(self, params: Mapping[str, object]) -> None:
        self.tracker.log(self.id, params=params)

    def log_data(self, table: Table, data_hash: str, split: Split) -> None:
        """The data set as MLflow shows it, with its hash."""
        from mlflow.entities import Dataset, DatasetInput, InputTag  # noqa: PLC0415

        profile = f'{{"rows": {len(table.frame)}, "held_out_rows": {len(split.held_out)}}}'
        dataset = Dataset(table.source[:500], data_hash[:36], "local", table.source, profile=profile)
        inputs = [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])]
        with translated(self.tracker.uri):
            insert(lambda: self.tracker.client.log_inputs(self.id, inputs))
        self.tag({"infernet.data_hash": data_hash, "infernet.held_out_hash": split.held_out_hash})

    def log_history(self, progress: Progress, took_s: float) -> None:
        """What the training reported, and how long it took."""
        from mlflow.entities import Metric  # noqa: PLC0415

        now_ms = int(time.time() * 1000)
        metrics = [Metric(name, value, now_ms, step) for name, rows in progress.history.items() for step, value in rows]
        metrics.append(Metric("training_s", took_s, now_ms, 0))
        ended = {"infernet.ended_early": f"Ctrl-C after {progress.ended_at}"} if progress.ended_at else {}
        self.tracker.log(self.id, metrics=metrics, tags=ended)

    def log_scores(self, scores: Mapping[str, float]) -> None:
        """The figures on the held-out rows."""
        from mlflow.entities import Metric  # noqa: PLC0415

        now_ms = int(time.time() * 1000)
        metrics = [Metric(f"held_out_{name}", score, now_ms, 0) for name, score in scores.items()]
        self.tracker.log(self.id, metrics=metrics)

    def log_files(self, folder: str, files: Mapping[str, bytes]) -> None:
        """Artifacts of the run, by name."""
        with tempfile.TemporaryDirectory(prefix="infernet-") as work, translated(self.tracker.uri):
            for name, content in files.items():
                (Path(work) / name).write_bytes(content)
            self.tracker.client.log_artifacts(self.id, work, folder)

    def log_trial(self, name: str, params: Mapping[str, object], score: float | None, error: str | None) -> str:
        """One try of a search, as a run below this one; its id."""
        from mlflow.entities import Metric  # noqa: PLC0415

        with translated(self.tracker.uri):
            tags = {"mlflow.parentRunId": self.id, PROCESS: describe_process(os.getpid())}
            trial = self.tracker.client.create_run(self.experiment_id, run_name=name, tags=tags).info.run_id
        metrics = [] if score is None else [Metric("score", score, int(time.time() * 1000), 0)]
        self.tracker.log(trial, params=params, metrics=metrics, tags={ENDED: error} if error else {})
        with translated(self.tracker.uri):
            self.tracker.client.set_terminated(trial, "FAILED" if error else "FINISHED")
        return str(trial)

    def adopt_trial(self, trial: str) -> None:
        """A try that an earlier run had finished, as a run below this one."""
        with suppress(InfernetError):  # it was deleted, or is in another MLflow
            self.tracker.log(trial, tags={"mlflow.parentRunId": self.id})

    def log_model(self, converted: Converted, manifest: Manifest, sample: Rows, scores: Mapping[str, float]) -> Any:
        """The model's folder and the original beside it; the MLflow model is ready when all of it is there."""
        from mlflow.entities import LoggedModelOutput  # noqa: PLC0415

        client = self.tracker.client
        with tempfile.TemporaryDirectory(prefix="infernet-") as work, translated(self.tracker.uri):
            logged = client.create_logged_model(
                self.experiment_id, name=manifest.name.split("/")[1].split(":")[0], source_run_id=self.id
            )
            folder = Path(work) / "model"
            _write_model(folder, converted, manifest, sample, logged.model_id, self.id)
            client.log_model_artifacts(logged.model_id, str(folder))
            client.log_outputs(self.id, [LoggedModelOutput(logged.model_id, 0)])
            return client.finalize_logged_model(logged.model_id, "READY")


@contextmanager
def recording(tracker: Tracker, workflow: TrainingWorkflow, seed: int) -> Iterator[Run]:
    """A run that ends as the block does: FINISHED, KILLED by Ctrl-C, or FAILED with the error in a tag."""
    experiment = tracker.find_experiment(workflow.name)
    with translated(tracker.uri):
        started = tracker.client.create_run(
            experiment, tags=_describe_code(workflow), run_name=f"{workflow.name}-{time.strftime('%m%d-%H%M%S')}"
        )
    run = Run(tracker, experiment, started.info.run_id)
    try:
        _log_environment(run, workflow)
        yield run
    except InfernetError as error:
        _end(run, "FAILED", f"{error.code}: {error.message}")
        raise
    except Exception as error:
        _end(run, "FAILED", f"{type(error).__name__}: {error}")
        raise
    except BaseException as error:
        _end(run, "KILLED", "Ctrl-C" if isinstance(error, KeyboardInterrupt) else "it was stopped")
        raise
    with translated(tracker.uri):
        tracker.client.set_terminated(run.id, "FINISHED")


def _end(run: Run, status: str, reason: str) -> None:
    """The run says why it ended, where MLflow still listens."""
    with suppress(InfernetError), translated(run.tracker.uri):
        _discard_models(run)
        run.tag({ENDED: reason})
        run.tracker.client.set_terminated(run.id, status)


def _discard_models(run: Run) -> None:
    """Models of the run that became no version."""
    client = run.tracker.client
    used = {version.source for version in client.search_model_versions(f"run_id='{run.id}'")}
    for logged in client.search_logged_models([run.experiment_id], f"source_run_id='{run.id}'"):
        if logged.model_uri not in used:
            client.delete_logged_model(logged.model_id)


def mark_abandoned_runs(tracker: Tracker, experiment_id: str) -> list[str]:
    """End the runs of this machine whose process is gone (it was killed), and what they left half done.

    Returns:
        The ids of those runs.
    """
    with translated(tracker.uri):
        running = tracker.client.search_runs([experiment_id], "attributes.status = 'RUNNING'")
    machine = f"{platform.node()} "
    found = []
    for row in running:
        process = row.data.tags.get(PROCESS, "")
        if process.startswith(machine) and process != describe_process(int(process.split()[1])):
            _end(Run(tracker, experiment_id, row.info.run_id), "KILLED", _KILLED)
            found.append(row.info.run_id)
    return found


def describe_end(tracker: Tracker, run_id: str) -> str:
    """How a run ended, in words that follow it."""
    try:
        with translated(tracker.uri):
            run = tracker.client.get_run(run_id)
    except InfernetError:
        return "is not in this MLflow"
    if run.info.status == "KILLED":
        return "was killed" if run.data.tags.get(ENDED) == _KILLED else "was stopped"
    return "failed" if run.info.status == "FAILED" else "ended"


def describe_process(pid: int) -> str:
    """A process so that no other has the same words; without a start where it is gone."""
    try:
        os.kill(pid, 0)
        start = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
    except ProcessLookupError:
        return f"{platform.node()} {pid} gone"
    except OSError:  # no Linux: the process id alone
        start, boot = "0", "0"
    return f"{platform.node()} {pid} {boot}-{start}"


def _describe_code(workflow: TrainingWorkflow) -> dict[str, str]:
    file = workflow.file
    tags = {
        PROCESS: describe_process(os.getpid()),
        "infernet.workflow": workflow.name,
        "infernet.code_hash": compute_code_hash(workflow),
        "mlflow.source.type": "LOCAL",
        "mlflow.source.name": str(file or workflow.name),
    }
    if file is not None and (commit := _read_commit(file)):
        tags["mlflow.source.git.commit"] = commit
    return tags


def _read_commit(file: Path) -> str | None:
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=file.parent, capture_output=True, text=True, check=True, timeout=5
        )
        return done.stdout.strip()
    return None


def _log_environment(run: Run, workflow: TrainingWorkflow) -> None:
    with tempfile.TemporaryDirectory(prefix="infernet-") as work, translated(run.tracker.uri):
        folder = Path(work)
        (folder / "environment.txt").write_text(describe_environment())
        name = workflow.file.name if workflow.file else "workflow.py"
        (folder / name).write_text(workflow.code, encoding="utf-8")
        run.tracker.client.log_artifacts(run.id, str(folder), "code")


def describe_environment() -> str:
    """Python, the machine and the packages that a model's bytes may depend on."""
    machine = f"python=={platform.python_version()}  # {platform.platform()}, {platform.machine()}"
    return "\n".join([machine, *list_packages()]) + "\n"


def list_packages() -> list[str]:
    """Those packages with their versions."""
    lines = []
    for package in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            lines.append(f"{package}=={metadata.version(package)}")
    return lines


def _write_model(
    folder: Path, converted: Converted, manifest: Manifest, sample: Rows, model_id: str, run_id: str
) -> None:
    """MLflow's ONNX flavour, with exactly the bytes that the manifest names."""
    import onnx  # noqa: PLC0415
    from mlflow.models import Model, infer_signature  # noqa: PLC0415
    from mlflow.onnx import save_model  # noqa: PLC0415

    from infernet.workflows.predictions import Model as Predictor  # noqa: PLC0415

    example = sample.matrix()[:_EXAMPLE_ROWS].astype(converted.inputs[0].dtype)
    answers = Predictor(converted.onnx, converted.inputs, converted.outputs).predict(sample.matrix()[:_EXAMPLE_ROWS])
    name = converted.outputs[0].name
    save_model(
        onnx.load_from_string(converted.onnx),
        str(folder),
        mlflow_model=Model(artifact_path="model", run_id=run_id, model_id=model_id),
        signature=infer_signature(example, {name: answers}),
        input_example=example,
        pip_requirements=[f"{package}=={metadata.version(package)}" for package in ("onnx", "onnxruntime", "numpy")],
        save_as_external_data=False,
    )
    (folder / "model.onnx").write_bytes(converted.onnx)
    (folder / MANIFEST_FILE).write_bytes(encode_manifest(manifest))
