"""The score of a leaderboard's entry: a model of a stranger, run on a test set, judged in integers.

Honest nodes agree. What depends on the model alone, its files included, ends in a score, the lowest where it cannot be
judged; what depends on the node or the network ends in none. No clock decides. A float model can still differ between
kinds of processors where two scores of a row are all but equal, or an amount lies on the edge of rounding: models that
declare `exact` do not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from infernet.errors import InvalidInput, JobRejected, NodeMisconfigured
from infernet.models.storage import stream
from infernet.protocol.abi_codec import decode_abi, encode_abi
from infernet.protocol.manifest import TensorSpec
from infernet.workflows.entries import Entry, InvalidEntry, Places, fetch_entry
from infernet.workflows.integer_scores import AMOUNT_SCORES, CLASS_SCORES, parse_amount, scale_share
from infernet.workflows.test_sets import TestSet, parse_test_set
from infernet.workflows.tracker import needing_extra
from infernet.workflows.training_requests import limit_memory

FEATURES_ABI = ("bytes32", "string", "bytes32", "string")
"""Manifest hash and URI of the entry, sha256 and URI of the test set."""
WORST = -(2**255)
_LARGEST = 2.0**62
log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Judge:
    """Scores entries on test sets; of these it keeps the last."""

    column: str
    metric: str
    decimals: int
    places: Places
    max_rows: int
    max_bytes: int
    _test_sets: dict[bytes, TestSet] = field(default_factory=dict)

    def judge(self, manifest_hash: bytes, uri: str, test_set_hash: bytes, test_set_uri: str) -> int:
        """The score times 10**18; `WORST` of what cannot be judged.

        Raises:
            JobRejected: `test_set.malformed`, `test_set.refused`: no entry can be judged on it.
            RetryLater: model or test set cannot be reached.
            NodeMisconfigured: what this machine lacks.
        """
        test_set = self._fetch_test_set(test_set_hash, test_set_uri)
        truth = self._read_truth(test_set)
        try:
            entry = fetch_entry(uri, manifest_hash.hex(), self.max_bytes, self.places)
            return self._score(entry, test_set, truth)
        except InvalidEntry as error:
            log.info("entry.invalid", manifest_hash=manifest_hash.hex(), reason=str(error)[:300])
            return WORST

    def _score(self, entry: Entry, test_set: TestSet, truth: Sequence[Any]) -> int:
        features = test_set.select(entry.manifest.inputs[0].columns or test_set.columns)
        if features is None:
            raise InvalidEntry("the model wants columns that the test set has not")
        answers, spec = entry.predict(features), entry.manifest.outputs[0]
        if self.metric in CLASS_SCORES:
            return scale_share(CLASS_SCORES[self.metric](truth, _name_labels(answers, spec)))
        return AMOUNT_SCORES[self.metric](truth, _round_amounts(answers, spec, self.decimals), self.decimals)

    def _read_truth(self, test_set: TestSet) -> Sequence[Any]:
        if self.metric in CLASS_SCORES:
            return [_spell(text) for text in test_set.truth]
        return [parse_amount(text, self.decimals) for text in test_set.truth]

    def _fetch_test_set(self, digest: bytes, uri: str) -> TestSet:
        if digest not in self._test_sets:
            test_set = parse_test_set(self._download(digest, uri), self.column, self.max_rows)
            self._test_sets = {digest: test_set}
        return self._test_sets[digest]

    def _download(self, digest: bytes, uri: str) -> bytes:
        place = self.places.locate(uri)
        if place is None:
            raise JobRejected("test_set.refused", f"{uri} is no place that this node fetches from")
        content = bytearray()
        try:
            for chunk in stream(place):
                content += chunk
                if len(content) > self.max_bytes:
                    raise JobRejected("test_set.refused", f"the test set has more than {self.max_bytes} bytes")
        except FileNotFoundError:
            raise JobRejected("test_set.refused", f"there is no test set at {uri}") from None
        if hashlib.sha256(content).digest() != digest:
            raise JobRejected("test_set.refused", f"{uri} has not the hash that the features name")
        return bytes(content)


def load_scoring(
    column: str,
    metric: str,
    decimals: int,
    folders: Sequence[str],
    private_addresses: bool,
    max_rows: int,
    max_bytes: int,
    memory_bytes: int | None,
) -> Callable[[bytes], bytes]:
    """What turns an entry and a test set into a score, in a worker.

    Raises:
        NodeMisconfigured: `evaluation.metric`, `workflows.not_installed`.
    """
    limit_memory(memory_bytes)
    with needing_extra():
        import onnx  # noqa: F401, PLC0415  (what is missing is said when the node starts)
    if metric not in (*CLASS_SCORES, *AMOUNT_SCORES):
        known = ", ".join((*CLASS_SCORES, *AMOUNT_SCORES))
        raise NodeMisconfigured("evaluation.metric", f"{metric!r} is no metric of an evaluation: choose one of {known}")
    places = Places(tuple(Path(folder) for folder in folders), private_addresses)
    judge = Judge(column, metric, decimals, places, max_rows, max_bytes)

    def run(features: bytes) -> bytes:
        try:
            asked = decode_abi(FEATURES_ABI, features)
        except InvalidInput as error:
            raise JobRejected("evaluation.request", f"the features are no evaluation: {error.message}") from None
        return encode_abi(["int256"], [judge.judge(*asked)])

    return run


def _spell(text: str) -> str:
    """A label as `_name_labels` writes it."""
    return str(int(text)) if text.removeprefix("-").isascii() and text.removeprefix("-").isdigit() else text


def _name_labels(answers: NDArray[Any], spec: TensorSpec) -> list[str]:
    if spec.is_float:
        raise InvalidEntry("the model answers with amounts, not with labels")
    labels = [int(label) for label in answers.tolist()]
    if spec.classes is None:
        return [str(label) for label in labels]
    return [spec.classes[label] if 0 <= label < len(spec.classes) else "" for label in labels]


def _round_amounts(answers: NDArray[Any], spec: TensorSpec, decimals: int) -> list[int]:
    unscaled = 0 if spec.is_float else spec.scale or 0
    amounts = np.rint(answers.astype(np.float64) * float(10**decimals) / float(10**unscaled))  # exact powers
    if not (np.abs(amounts) < _LARGEST).all():  # also where one is no number
        raise InvalidEntry("the model answers with what is no amount")
    return [int(amount) for amount in amounts.tolist()]
