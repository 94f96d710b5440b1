"""Many rows through one graph: cut into batches that stay in the processor's cache, run side by side on all cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infernet.errors import InvalidInput
from infernet.onnx_session import list_runtime_errors

BATCH_ROWS = 32_768


def run_batches(
    session: Any,
    features: Mapping[str, NDArray[Any]],
    outputs: Sequence[str] | None = None,
    *,
    batch_rows: int = BATCH_ROWS,
    threads: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> dict[str, NDArray[Any]]:
    """The graph's outputs for every row, in order.

    Args:
        session: of `open_session`: its one thread serves one batch.
        features: arrays by input name, with the graph's dtypes, the rows first.
        outputs: names; all of them unless told.
        threads: as many as there are processors unless told.
        on_progress: called with the number of rows of each finished batch.

    Raises:
        InvalidInput: `features.mismatch`: no rows, inputs of different lengths, or not what the graph takes;
            `model.unsupported`: an output that has not one entry for each row.
    """
    names = list(outputs or (node.name for node in session.get_outputs()))
    rows = _count_rows(features)
    filled: dict[str, NDArray[Any]] = {}

    def run(start: int) -> int:
        part = slice(start, min(start + batch_rows, rows))
        size = part.stop - part.start
        for name, result in zip(names, _run(session, names, features, part), strict=True):
            if result.shape[:1] != (size,):
                raise InvalidInput(
                    "model.unsupported", f"{name} has the shape {list(result.shape)} for {size} rows: no batches of it"
                )
            if name not in filled:
                filled[name] = np.empty((rows, *result.shape[1:]), result.dtype)
            filled[name][part] = result
        return size

    report = on_progress or (lambda _: None)
    report(run(0))  # alone: it sets up `filled`
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        for size in pool.map(run, range(batch_rows, rows, batch_rows)):
            report(size)
    return filled


def _count_rows(features: Mapping[str, NDArray[Any]]) -> int:
    lengths = {len(values) for values in features.values()}
    if len(lengths) != 1 or 0 in lengths:
        shown = " and ".join(map(str, sorted(lengths))) or "no"
        raise InvalidInput("features.mismatch", f"inputs of {shown} rows: each needs the same number, at least one")
    return lengths.pop()


def _run(session: Any, names: list[str], features: Mapping[str, NDArray[Any]], part: slice) -> list[NDArray[Any]]:
    try:
        results: list[NDArray[Any]] = session.run(names, {name: values[part] for name, values in features.items()})
    except (*list_runtime_errors(), ValueError) as error:  # of missing inputs it says ValueError
        reason = str(error).splitlines()[0]
        raise InvalidInput("features.mismatch", f"the graph refuses the features: {reason}") from None
    return results
