"""The workflow `digits`: a classifier of handwritten digits, from the scans that ship with scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from infernet.errors import NodeMisconfigured
from infernet.protocol.abi_codec import encode_abi
from infernet.protocol.manifest import ModelName, compute_manifest_hash
from infernet.vm.spc.training import TrainingFailed
from infernet.workflows.digits import MODEL_NAME, train_digits

_MAX_SEED = 2**32 - 1
_NAME: TypeAdapter[str] = TypeAdapter(ModelName)


class DigitsTrainer:
    """`{"workflow": "digits", "seed": 7, "name": "demo/digits:1"}`, the last two optional.

    The result is `abi.encode(bytes32 manifestHash, string name, uint32 accuracy)`, the accuracy on held-out rows in
    ten-thousandths.
    """

    def train(self, spec: Mapping[str, Any], folder: Path) -> bytes:
        """See `Trainer.train`."""
        seed, name = spec.get("seed", 7), spec.get("name", MODEL_NAME)
        if type(seed) is not int or not 0 <= seed <= _MAX_SEED:
            raise TrainingFailed(f'the specification\'s "seed" is none from 0 to {_MAX_SEED}')
        try:
            _NAME.validate_python(name, strict=True)
        except ValidationError:
            raise TrainingFailed('the specification\'s "name" is none like "lab/digits:1"') from None
        try:
            trained = train_digits(folder, name=name, seed=seed)
        except NodeMisconfigured as error:
            raise TrainingFailed(error.message) from error
        manifest_hash = compute_manifest_hash(trained.manifest)
        return encode_abi(["bytes32", "string", "uint32"], [manifest_hash, name, round(trained.accuracy * 10_000)])
