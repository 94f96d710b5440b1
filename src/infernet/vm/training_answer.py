"""An answer on its way onto the chain: its models first, then the call of `complete`."""

from __future__ import annotations

import structlog

from infernet.protocol.hashing import to_address
from infernet.vm.chain import Chain
from infernet.vm.request import CallRequest, TxRejected
from infernet.vm.spc.training import ADDRESS, Answer, TrainingFailed, build_failure, encode_get_job, is_open
from infernet.vm.training_account import ProducerAccount
from infernet.vm.training_publication import MODELS, Publication

_ROUNDS = 3
"""To publish, to answer, to see it in a block."""
log = structlog.get_logger()


def is_job_open(chain: Chain, job_id: bytes) -> bool:
    """Whether the job waits for its answer at the head."""
    asked = CallRequest(to=ADDRESS, data=encode_get_job(job_id))
    return is_open(chain.call(asked, chain.head.number).return_data)


class Underway:
    """One answer. What was done for it is read from the chain, so that a restart repeats nothing.

    Args:
        allowance_wei: what the gas may cost; None: whatever it does.
    """

    def __init__(self, chain: Chain, answer: Answer, allowance_wei: int | None = None) -> None:
        self._chain, self._answer, self._job = chain, answer, answer.job
        self._producer = ProducerAccount(chain, allowance_wei)
        self._publication: Publication | None = None
        self._is_answered = False
        self._complaint = ""

    def advance(self) -> bool:
        """Do what can be done now, which is all of it where blocks are made at once; whether nothing is left to do."""
        try:
            return any(self._advance() for _ in range(_ROUNDS))
        except TxRejected as error:
            self._complain(error)
            return False

    def _advance(self) -> bool:
        try:
            if not self._producer.is_settled():
                return False
            if not is_job_open(self._chain, self._job.id):  # answered, cancelled, or its block was taken back
                return self._end()
            if self._chain.head.timestamp > self._job.deadline:
                log.warning("training.too_late", job=self._job.id.hex())
                return True
            if not self._publish():
                return False
        except TrainingFailed as error:
            return self._fail(error)
        self._producer.send(ADDRESS, self._answer.encode(), self._answer.gas)
        self._is_answered = True
        return False

    def _publish(self) -> bool:
        if not self._answer.models or MODELS not in self._chain.genesis.spcs:
            return True
        if self._publication is None:
            self._publication = Publication(self._chain, self._producer, self._answer.models, self._answer.gas)
        return self._publication.advance()

    def _fail(self, error: TrainingFailed) -> bool:
        """The answer says why there is no model, unless it is the answer itself that reverts."""
        event = "training.not_answered" if self._is_answered else "training.not_published"
        log.warning(event, job=self._job.id.hex(), reason=str(error))
        self._answer = build_failure(self._job, str(error))
        return self._is_answered

    def _complain(self, error: TxRejected) -> None:
        """In one line, until it is something else that is wrong."""
        if error.code != self._complaint:
            self._complaint = error.code
            reason = f"the producer {to_address(self._chain.coinbase)} cannot send it: {error.message}"
            log.warning("training.waits", job=self._job.id.hex(), reason=reason)

    def _end(self) -> bool:
        if self._is_answered:
            spent = {"gas": self._producer.gas_used, "cost_wei": self._producer.cost_wei, "fee_wei": self._job.fee}
            log.info("training.answered", job=self._job.id.hex(), ok=self._answer.ok, **spent)
        return True
