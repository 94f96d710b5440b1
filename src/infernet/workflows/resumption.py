"""Trainings and searches that were killed, taken up where they stood, in a run of their own.

The same training is one of the same workflow, data, parameters, seed and packages. It has a run for each process that
was at it: the one that ends holds the whole learning curve and all trials, and says which run it goes on with.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infernet.errors import InfernetError
from infernet.workflows.checkpoints import Checkpoint, Saving, decode_checkpoint
from infernet.workflows.drawer import Drawer, Notice, discard_old
from infernet.workflows.preparation import Prepared
from infernet.workflows.runs import Run, describe_end, list_packages
from infernet.workflows.search import Trial
from infernet.workflows.workflow import TrainingWorkflow, compute_code_hash

RESUMED_FROM, RESUMED_AT, RESUME_DIFFERS, CONTINUED_IN = (
    "infernet.resumed_from",
    "infernet.resumed_at",
    "infernet.resume_differs",
    "infernet.continued_in",
)
_CHECKPOINT, _TRIALS = "checkpoint", "trials.jsonl"


@dataclass(slots=True, eq=False)
class Resumption:
    """What one run may go on with, and what it leaves for one that goes on with it.

    Attributes:
        root: the folder of all checkpoints.
        fresh: begin at the beginning, whatever is there.
        exact_only: go on only where what comes of it is the same, bit for bit.
        notice: told where it goes on.
        resumed_from: the run that it goes on with.
    """

    run: Run
    workflow: TrainingWorkflow
    identity: Mapping[str, object]
    root: Path
    fresh: bool
    exact_only: bool
    notice: Notice
    resumed_from: str | None = None
    _drawers: list[Drawer] = field(default_factory=list)

    def open_saving(self, params: Mapping[str, Any]) -> Saving:
        """For the training with these parameters."""
        drawer = self._open({**self.identity, "params": dict(params)})
        found = self._read_checkpoint(drawer)
        if found is not None:
            self._announce(found.run_id, f"step {found.at}", found.differs)
        return Saving(
            lambda content: drawer.replace(_CHECKPOINT, content),
            self.run.id,
            found=found,
            every_s=self.workflow.checkpoint_s,
            exact_only=self.exact_only,
        )

    def open_trials(self, params: Mapping[str, Any], at_once: int) -> KeptTrials:
        """For the search around these parameters."""
        drawer = self._open({**self.identity, "params": dict(params), "search": at_once})
        kept = KeptTrials(drawer, self.run)
        if kept.known:
            self._announce(kept.last_run, f"trial {len(kept.known)}")
        return kept

    def forget(self) -> None:
        """The training is over."""
        for drawer in self._drawers:
            drawer.clear()

    def close(self) -> None:
        """Another process may go on."""
        for drawer in self._drawers:
            drawer.close()

    def _open(self, identity: Mapping[str, object]) -> Drawer:
        drawer = Drawer(self.root, identity, self.notice)
        if self.fresh:
            drawer.clear()
        self._drawers.append(drawer)
        return drawer

    def _read_checkpoint(self, drawer: Drawer) -> Checkpoint | None:
        content = drawer.read(_CHECKPOINT)
        if content is None:
            return None
        try:
            found = decode_checkpoint(content)
        except (ValueError, KeyError, TypeError) as error:
            self.notice(f"{drawer.folder / _CHECKPOINT} is not used: {error}")
            return None
        return None if found.differs and self.exact_only else found

    def _announce(self, run_id: str, where: str, differs: str | None = None) -> None:
        self.notice(f"goes on from {where}, run {run_id} {describe_end(self.run.tracker, run_id)}")
        self.resumed_from = run_id
        tags = {RESUMED_FROM: run_id, RESUMED_AT: where}
        self.run.tag({**tags, RESUME_DIFFERS: differs} if differs else tags)
        with suppress(InfernetError):  # that run was deleted, or is in another MLflow
            self.run.tracker.log(run_id, tags={CONTINUED_IN: self.run.id})


class KeptTrials:
    """The trials of one search, a line for each in a file.

    Attributes:
        known: those that earlier runs have finished, by number.
        last_run: the last of these runs.
    """

    def __init__(self, drawer: Drawer, run: Run) -> None:
        self._drawer, self._run = drawer, run
        self.known: dict[int, Trial] = {}
        self._trial_runs: dict[int, str] = {}
        self.last_run = ""
        for line in (drawer.read(_TRIALS) or b"").splitlines():
            with suppress(ValueError, KeyError, TypeError):  # the last may be torn
                row = json.loads(line)
                trial = Trial(row["number"], row["params"], row["score"], row["error"])
                self._trial_runs[trial.number] = row["trial_run"]
                self.last_run = row["run"]
                self.known[trial.number] = trial

    def add(self, trial: Trial) -> None:
        """Log a trial that is over, new or known, below this run."""
        if trial is self.known.get(trial.number):
            trial_run = self._trial_runs[trial.number]
            self._run.adopt_trial(trial_run)
        else:
            trial_run = self._run.log_trial(f"trial {trial.number}", trial.params, trial.score, trial.error)
        row = {"run": self._run.id, "trial_run": trial_run, "number": trial.number, "params": dict(trial.params)}
        line = json.dumps({**row, "score": trial.score, "error": trial.error}, default=repr)
        self._drawer.append(_TRIALS, line.encode())


@contextmanager
def resuming(
    run: Run,
    workflow: TrainingWorkflow,
    prepared: Prepared,
    seed: int,
    root: Path,
    notice: Notice,
    *,
    fresh: bool = False,
    exact_only: bool = False,
) -> Iterator[Resumption]:
    """What there is of the same training; a training that ends well leaves nothing behind."""
    discard_old(root)
    identity = {
        "workflow": [workflow.name, compute_code_hash(workflow)],
        "data": [prepared.data_hash, prepared.schema_hash, prepared.split.held_out_hash, prepared.metric.name],
        "seed": seed,
        "packages": [platform.python_version(), *list_packages()],
    }
    resumption = Resumption(run, workflow, identity, root, fresh, exact_only, notice)
    try:
        yield resumption
        resumption.forget()
    finally:
        resumption.close()
