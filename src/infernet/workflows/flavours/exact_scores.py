"""Integer scores, and what becomes of them: the label of the largest, or a value in fixed point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infernet.protocol.fixed_point import to_stored
from infernet.workflows.flavours.export import LABEL
from infernet.workflows.graphs import Step

SCORES = "scores"


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """The steps up to int64 `scores`, shape [n, count]: one for each class, or of two classes that of the second alone.

    Attributes:
        one: what stands for 1 in them.
        dtype: of the features: `float`, or `int64` where they stay the integers as which they travel.
        threshold: from where the second of two classes wins.
    """

    steps: list[Step]
    constants: dict[str, NDArray[Any]]
    count: int
    one: int
    dtype: str
    threshold: int = 0

    def feed(self, features: NDArray[Any], scale: int) -> NDArray[Any]:
        """Features as the graph takes them."""
        return to_stored(features, scale) if self.dtype == "int64" else features.astype(np.float32)

    def finish(self, answer: str, classes: NDArray[Any] | None, output_scale: int) -> tuple[list[Step], list[Any]]:
        """The steps to the answer, and its shape beside the rows."""
        if answer == LABEL and classes is not None:
            return self._choose(classes), []
        return self._scale(answer, 10**output_scale), [self.count]

    def _choose(self, classes: NDArray[Any]) -> list[Step]:
        self.constants["classes"] = classes.astype(np.int64)
        if self.count > 1:
            place: list[Step] = [("ArgMax", [SCORES], ["place"], {"axis": 1, "keepdims": 0, "select_last_index": 0})]
        else:
            self.constants["threshold"] = np.array(self.threshold, np.int64)
            self.constants["flat"] = np.array([-1], np.int64)
            place = [
                ("Greater", [SCORES, "threshold"], ["is_second"], {}),
                ("Cast", ["is_second"], ["column"], {"to": 7}),
                ("Reshape", ["column", "flat"], ["place"], {}),
            ]
        return [*place, ("Gather", ["classes", "place"], [LABEL], {"axis": 0})]

    def _scale(self, answer: str, wanted: int) -> list[Step]:
        """Rounded to the nearest, halves away from zero."""
        common = int(np.gcd(wanted, self.one))
        up, down = wanted // common, self.one // common
        half = down // 2
        numbers = {"up": up, "down": down, "zero": 0, "half": half, "minus_half": -half}
        self.constants.update({name: np.array(number, np.int64) for name, number in numbers.items()})
        return [
            ("Mul", [SCORES, "up"], ["raised"], {}),
            ("Less", ["raised", "zero"], ["is_negative"], {}),  # Sign of int64 goes wrong in ONNX Runtime 1.31
            ("Where", ["is_negative", "minus_half", "half"], ["offset"], {}),
            ("Add", ["raised", "offset"], ["moved"], {}),
            ("Div", ["moved", "down"], [answer], {}),
        ]
