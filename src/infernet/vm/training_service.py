"""Brings jobs from a producer's chain to its training worker, and answers back onto the chain."""

from __future__ import annotations

from collections import deque

from infernet.vm.block import LogEntry
from infernet.vm.chain import Chain
from infernet.vm.events import Event, NewHead
from infernet.vm.spc.training import ADDRESS, SUBMITTED, Answer, Job, decode_job
from infernet.vm.training_account import ProducerAccount
from infernet.vm.training_answer import Underway, is_job_open
from infernet.vm.training_worker import TrainingWorker

_LOGS_AT_ONCE = 1_000
_BLOCKS_AT_ONCE = 10_000


class TrainingService:
    """All of it on the thread that runs the chain, but for the training itself.

    Args:
        fee_covers_gas: whether what the answer and its models cost in gas must be within the job's fee, beside what
            the worker asks for the training; else the producer pays it.
    """

    def __init__(self, chain: Chain, worker: TrainingWorker, *, fee_covers_gas: bool = False) -> None:
        self._chain = chain
        self._worker = worker
        self._fee_covers_gas = fee_covers_gas
        self._underway: deque[Underway] = deque()
        self._unsubscribe = chain.subscribe(self._hear)

    def resume(self) -> None:
        """Take up the jobs that were open when the chain was stopped."""
        head, first = self._chain.head.number, 0
        while first <= head:
            last = min(first + _BLOCKS_AT_ONCE - 1, head)
            entries = self._chain.logs(first, last, [ADDRESS], [[SUBMITTED]], _LOGS_AT_ONCE)
            for entry in entries:
                self._offer(entry)
            is_cut = len(entries) == _LOGS_AT_ONCE  # then the last one's block may hold more
            first = max(entries[-1].block_number, first + 1) if is_cut else last + 1

    def answer_finished(self) -> int:
        """Publish and answer what has ended, as the producer; call it now and then. How many jobs are done with."""
        answers = self._worker.take_answers(self._chain.head.timestamp)
        self._underway.extend(Underway(self._chain, answer, self._allow(answer.job)) for answer in answers)
        done = 0
        while self._underway and self._underway[0].advance():
            self._underway.popleft()
            done += 1
        return done

    def close(self) -> None:
        """End the training too: what is open is taken up by the next `resume`."""
        self._unsubscribe()
        self._worker.close()

    def _hear(self, event: Event) -> None:
        if isinstance(event, NewHead):
            for receipt in event.receipts:
                for entry in receipt.logs:
                    self._offer(entry)

    def _offer(self, entry: LogEntry) -> None:
        job = decode_job(entry)
        if job is not None and is_job_open(self._chain, job.id) and self._covers_answer(job):
            self._worker.offer(job)

    def _covers_answer(self, job: Job) -> bool:
        """Without models, whose gas is not known before they are trained."""
        return ProducerAccount(self._chain, self._allow(job)).may_spend(Answer(job, True, b"").gas)

    def _allow(self, job: Job) -> int | None:
        return job.fee - self._worker.min_fee_wei if self._fee_covers_gas else None
