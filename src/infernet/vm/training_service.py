"""Brings jobs from a producer's chain to its training worker, and answers back onto the chain."""

from __future__ import annotations

import structlog

from infernet.vm.block import LogEntry
from infernet.vm.chain import Chain
from infernet.vm.events import Event, NewHead
from infernet.vm.request import CallRequest, TxRejected
from infernet.vm.spc.training import ADDRESS, SUBMITTED, Answer, Job, decode_job, encode_get_job, is_open
from infernet.vm.training_worker import TrainingWorker
from infernet.vm.transaction import FEE_MARKET, Transaction, sign_transaction

log = structlog.get_logger()

_LOGS_AT_ONCE = 1_000
_BLOCKS_AT_ONCE = 10_000


class TrainingService:
    """All of it on the thread that runs the chain, but for the training itself."""

    def __init__(self, chain: Chain, worker: TrainingWorker) -> None:
        self._chain = chain
        self._worker = worker
        self._unsubscribe = chain.subscribe(self._hear)

    def resume(self) -> None:
        """Take up the jobs that were open when the chain was stopped."""
        head = self._chain.head.number
        for first in range(0, head + 1, _BLOCKS_AT_ONCE):
            last = min(first + _BLOCKS_AT_ONCE - 1, head)
            for entry in self._chain.logs(first, last, [ADDRESS], [[SUBMITTED]], _LOGS_AT_ONCE):
                self._offer(entry)

    def answer_finished(self) -> int:
        """Send what has ended as the producer; call it now and then. The answer is how many there were."""
        answers = self._worker.take_answers(self._chain.head.timestamp)
        for answer in answers:
            self._send(answer)
        return len(answers)

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
        if job is not None and self._is_open(job):
            self._worker.offer(job)

    def _is_open(self, job: Job) -> bool:
        asked = CallRequest(to=ADDRESS, data=encode_get_job(job.id))
        return is_open(self._chain.call(asked, self._chain.head.number).return_data)

    def _send(self, answer: Answer) -> None:
        if not self._is_open(answer.job):  # cancelled, or its block was taken back
            return
        try:
            self._chain.submit(self._sign(answer).raw)
        except TxRejected as error:
            log.warning("training.not_sent", job=answer.job.id.hex(), error=error.message)

    def _sign(self, answer: Answer) -> Transaction:
        chain = self._chain
        if chain.producer_key is None:
            raise TxRejected("tx.unknown_account", "this node is no producer")
        return sign_transaction(
            FEE_MARKET,
            chain.producer_key,
            chain_id=chain.chain_id,
            nonce=chain.next_nonce(chain.coinbase),
            gas=answer.gas,
            max_fee=2 * chain.next_base_fee,
            to=ADDRESS,
            data=answer.encode(),
        )
