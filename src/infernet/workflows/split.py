"""Which rows a model never learns from.

A row's own content decides, so that rows that come later move none from one side to the other, equal rows stay
together, and two nodes with the same data agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from infernet.errors import InvalidInput
from infernet.workflows.content_hash import compute_row_hashes, compute_set_hash
from infernet.workflows.data import Rows

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

_WORDS = 2**64


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Rows to learn from, and those that the model is judged by.

    Attributes:
        held_out_hash: of the held-out rows as a set, 64 hex digits.
    """

    train: Rows
    held_out: Rows
    held_out_hash: str


def build_split(rows: Rows, held_out: NDArray[np.bool_]) -> Split:
    """Cut the rows in two by a mask.

    Raises:
        InvalidInput: `data.too_few` when a side is empty, or has no second class to tell from the first.
    """
    train, judged = rows.take(~held_out), rows.take(held_out)
    for side, part in (("to learn from", train), ("held out", judged)):
        if len(part) < 2 or part.target.nunique() < 2:
            raise InvalidInput(
                "data.too_few", f"of {len(rows)} rows {len(part)} are {side}, all with the same target: add rows"
            )
    whole = judged.features.assign(**{f"target {judged.target.name}": judged.target})
    return Split(train, judged, compute_set_hash(whole))


def hold_out_share(keys: pd.DataFrame, share: float) -> NDArray[np.bool_]:
    """A share of the rows, by the hash of these columns: rows that are equal in them stay together.

    Raises:
        InvalidInput: `workflow.held_out`.
    """
    if not 0 < share < 1:
        raise InvalidInput("workflow.held_out", f"held_out is {share}: a share between 0 and 1")
    return compute_row_hashes(keys) < np.uint64(int(share * _WORDS))


def hold_out_later(times: pd.Series[object], since: object) -> NDArray[np.bool_]:
    """What happened at that time or later."""
    mask: NDArray[np.bool_] = (times >= since).to_numpy()
    return mask
