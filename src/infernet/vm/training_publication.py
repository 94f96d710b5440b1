"""Trained models on their way onto the chain, in the producer's transactions: of each only what is not there yet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from infernet.errors import InfernetError
from infernet.vm.chain import Chain
from infernet.vm.request import CallFailed, CallRequest
from infernet.vm.rpc.reverts import decode_reason
from infernet.vm.spc.addresses import TENSOR_INFERENCE
from infernet.vm.spc.models.publication import Step, plan_publication
from infernet.vm.spc.training import TrainingFailed
from infernet.vm.training_account import ProducerAccount

MODELS = bytes.fromhex(TENSOR_INFERENCE[2:])
_AT_ONCE = 8
"""Calls that wait for one block, which holds nine of the largest."""


class Publication:
    """The models of some folders. The last question of each is whether it is published; that says all."""

    def __init__(self, chain: Chain, producer: ProducerAccount, folders: Sequence[Path], reserve_gas: int) -> None:
        """
        Args:
            reserve_gas: of the producer's allowance, what must be left for the answer.

        Raises:
            TrainingFailed: the files are not what their manifest says.
        """
        self._chain, self._producer, self._reserve_gas = chain, producer, reserve_gas
        try:
            self._models = [list(plan_publication(folder)) for folder in folders]
        except InfernetError as error:
            raise TrainingFailed(f"the model cannot be published: {error.message}") from error
        self._made = [0] * len(self._models)

    def advance(self) -> bool:
        """Send what can be sent now; whether there is nothing left to do.

        Raises:
            TrainingFailed: the chain does not take a model.
            TxRejected: the producer cannot send now.
        """
        return all(self._bring(number, steps) for number, steps in enumerate(self._models))

    def _bring(self, number: int, steps: Sequence[Step]) -> bool:
        if self._is_made(steps[-1]):
            return True
        made = self._made[number]
        if made and not self._is_made(steps[made - 1]):  # its block was taken back
            made = 0
        while self._is_made(steps[made]):
            made += 1
        self._made[number] = made
        for step in steps[made : made + _AT_ONCE]:
            if not self._is_made(step) and not self._send(step):
                break
        return self._is_made(steps[-1])

    def _send(self, step: Step) -> bool:
        """False where it has to wait for what was sent before it."""
        request = CallRequest(sender=self._chain.coinbase, to=MODELS, data=step.data)
        try:
            gas = self._chain.estimate(request, self._chain.head.number)
        except CallFailed as error:
            if self._producer.has_sent:
                return False
            raise TrainingFailed(
                f"the model cannot be published: {decode_reason(error.data) or error.message}"
            ) from None
        if not self._producer.may_spend(gas + self._reserve_gas):
            raise TrainingFailed("the fee does not cover the gas of publishing the model: ask again with a higher one")
        self._producer.send(MODELS, step.data, gas)
        return True

    def _is_made(self, step: Step) -> bool:
        asked = CallRequest(to=MODELS, data=step.question)
        return step.is_made(self._chain.call(asked, self._chain.head.number).return_data)
