"""What an exported model answers, row by row: the answer that a contract gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infernet.onnx_session import open_session
from infernet.protocol.manifest import TensorSpec
from infernet.workflows.batches import run_batches


class Model:
    """A graph that takes one array of features, with what its manifest says of it."""

    def __init__(self, onnx: bytes, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> None:
        self._session = open_session(onnx)
        self._input, self._output = inputs[0], outputs[0]

    def predict(self, features: NDArray[Any]) -> NDArray[Any]:
        """Its first output for features of shape [rows, columns]. Raises as `run_batches`."""
        given = {self._input.name: self._prepare(features)}
        answers = run_batches(self._session, given, [self._output.name])[self._output.name].reshape(len(features), -1)
        answers = answers[:, 0] if answers.shape[1] == 1 else answers
        return answers if self._output.is_float or not self._output.scale else answers / 10.0**self._output.scale

    def _prepare(self, features: NDArray[Any]) -> NDArray[Any]:
        if self._input.is_float or not self._input.scale:
            return features.astype(self._input.dtype, copy=False)
        return np.rint(features.astype(np.float64) * 10.0**self._input.scale).astype(self._input.dtype)
