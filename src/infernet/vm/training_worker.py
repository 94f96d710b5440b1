"""The producer's work on training jobs, beside the blocks: one at a time, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import queue
import threading
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import structlog

from infernet.vm.spc.training import (
    MAX_RESULT_BYTES,
    Answer,
    Job,
    Trainer,
    TrainingFailed,
    build_failure,
    read_spec,
)
from infernet.vm.training_folder import JobFolder, Trained

_START_TIMEOUT_S = 60.0
_POLL_S = 0.1
_BEGUN, _ENDED, _FAILED = b"b", b"e", b"f"
"""What a message of the child begins with."""
_SPAWN = multiprocessing.get_context("spawn")
log = structlog.get_logger()


class TrainingWorker:
    """Takes jobs and gives back answers, from whatever thread.

    Args:
        trainers: by the name of their workflow.
        folder: each job's models lie in a folder of its id below it.
        min_fee_wei: jobs that pay less are left to their deadline.
        timeout_s: a training that takes longer is ended and has failed; starting its process does not count.
    """

    def __init__(
        self, trainers: Mapping[str, Trainer], folder: Path, *, min_fee_wei: int = 0, timeout_s: float = 600.0
    ) -> None:
        self._trainers = dict(trainers)
        self._folder = folder
        self.min_fee_wei = min_fee_wei
        self._timeout_s = timeout_s
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._known: set[bytes] = set()
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="training", daemon=True)
        self._thread.start()

    def offer(self, job: Job) -> None:
        """Work on it some time. A job that was offered before is not taken again."""
        if job.fee < self.min_fee_wei or job.id in self._known:
            return
        self._known.add(job.id)
        self._jobs.put(job)

    def take_answers(self, timestamp: int) -> list[Answer]:
        """What has ended since the last time; an answer whose deadline is before the timestamp is forgotten."""
        taken: list[Answer] = []
        while True:
            try:
                answer = self._answers.get_nowait()
            except queue.Empty:
                return taken
            self._known.discard(answer.job.id)
            if answer.job.deadline >= timestamp:
                taken.append(answer)

    def folder_of(self, job: Job) -> Path:
        """Where its models lie."""
        return self._folder / job.id.hex()

    def close(self) -> None:
        """End what runs and forget the rest: the jobs are still open on the chain."""
        self._closing.set()
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None and not self._closing.is_set():
            answer = self._answer(job)
            if not self._closing.is_set():
                log.info("training.ended", job=job.id.hex(), ok=answer.ok)
                self._answers.put(answer)

    def _answer(self, job: Job) -> Answer:
        try:
            spec = read_spec(job.spec)
            trainer = self._trainers.get(spec["workflow"])
            if trainer is None:
                known = ", ".join(self._trainers) or "none"
                return build_failure(job, f"there is no workflow {spec['workflow'][:64]!r}: this layer has {known}")
            trained = self._train_once(trainer, spec, JobFolder(self.folder_of(job)))
            return Answer(job, True, trained.result, trained.models)
        except TrainingFailed as error:
            return build_failure(job, str(error))

    def _train_once(self, trainer: Trainer, spec: Mapping[str, Any], folder: JobFolder) -> Trained:
        return folder.read() or folder.keep(self._train_apart(trainer, spec, folder.clear()))

    def _train_apart(self, trainer: Trainer, spec: Mapping[str, Any], folder: Path) -> bytes:
        ours, theirs = _SPAWN.Pipe(duplex=False)
        process = _SPAWN.Process(target=_train, args=(trainer, dict(spec), folder, theirs), daemon=True)
        process.start()
        theirs.close()
        try:
            return self._receive(ours)
        finally:
            process.kill()
            process.join()
            ours.close()

    def _receive(self, pipe: Connection) -> bytes:
        self._wait(pipe, _START_TIMEOUT_S)
        said = self._wait(pipe, self._timeout_s)
        kind, content = said[:1], said[1:]
        if kind != _ENDED:
            raise TrainingFailed(content.decode("utf-8", "replace"))
        if len(content) > MAX_RESULT_BYTES:
            raise TrainingFailed(f"the result has {len(content)} bytes, more than {MAX_RESULT_BYTES}")
        return content

    def _wait(self, pipe: Connection, timeout_s: float) -> bytes:
        end_s = time.monotonic() + timeout_s
        while not pipe.poll(_POLL_S):
            if self._closing.is_set() or time.monotonic() >= end_s:
                raise TrainingFailed(f"the training took longer than {timeout_s:g} s")
        try:
            return pipe.recv_bytes()
        except EOFError:
            raise TrainingFailed("the training was killed") from None


def _train(trainer: Trainer, spec: Mapping[str, Any], folder: Path, pipe: Connection) -> None:
    """The child's side: says that it begins, then what came of it. What breaks unforeseen says only its kind."""
    pipe.send_bytes(_BEGUN)
    try:
        pipe.send_bytes(_ENDED + trainer.train(spec, folder))
    except TrainingFailed as error:
        pipe.send_bytes(_FAILED + str(error).encode("utf-8", "replace"))
    except Exception as error:  # noqa: BLE001  (the process ends here)
        pipe.send_bytes(_FAILED + f"the training broke: {type(error).__name__}".encode())
