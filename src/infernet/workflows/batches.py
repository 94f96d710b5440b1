"""Many rows through one graph: cut into batches that stay in the processor's cache, run side by side on all cores.

The runtime reads each batch where it lies and writes its outputs where they belong; nothing is copied.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infernet.errors import InvalidInput
from infernet.onnx_session import list_runtime_errors

BATCH_ROWS = 8192
_FIRST_ROWS = 256
Arrays = Mapping[str, NDArray[Any]]


def run_batches(
    session: Any,
    features: Arrays,
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
            `model.unsupported`: an output that has not numbers for each row.
    """
    names = list(outputs or (node.name for node in session.get_outputs()))
    rows = count_rows(features)
    features = {name: np.ascontiguousarray(values) for name, values in features.items()}
    first = slice(0, rows if rows <= batch_rows else min(_FIRST_ROWS, batch_rows))  # shows the outputs' shapes
    filled = {
        name: _make_room(name, result, first.stop, rows)
        for name, result in zip(names, _run(session, names, _cut(features, first)), strict=True)
    }

    def run(start: int) -> int:
        part = slice(start, min(start + batch_rows, rows))
        _run_in_place(session, _cut(features, part), _cut(filled, part))
        return part.stop - part.start

    report = on_progress or (lambda _: None)
    report(first.stop)
    if first.stop == rows:
        return filled
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        for size in pool.map(run, range(first.stop, rows, batch_rows)):
            report(size)
    return filled


def count_rows(features: Arrays) -> int:
    """How many rows they all have.

    Raises:
        InvalidInput: `features.mismatch`.
    """
    lengths = {len(values) for values in features.values()}
    if len(lengths) != 1 or 0 in lengths:
        shown = " and ".join(map(str, sorted(lengths))) or "no"
        raise InvalidInput("features.mismatch", f"inputs of {shown} rows: each needs the same number, at least one")
    return lengths.pop()


def _cut(arrays: Arrays, part: slice) -> dict[str, NDArray[Any]]:
    return {name: values[part] for name, values in arrays.items()}


def _run(session: Any, names: list[str], features: Arrays) -> list[Any]:
    refusals: tuple[type[Exception], ...] = (ValueError, *list_runtime_errors())  # of missing inputs it says ValueError
    try:
        results: list[Any] = session.run(names, features)
    except refusals as error:
        reason = str(error).splitlines()[0]
        raise InvalidInput("features.mismatch", f"the graph refuses the features: {reason}") from None
    return results


def _make_room(name: str, result: Any, size: int, rows: int) -> NDArray[Any]:
    """An array for all rows that holds the first batch's."""
    if not isinstance(result, np.ndarray) or result.dtype.kind not in "biuf" or result.shape[:1] != (size,):
        raise InvalidInput("model.unsupported", f"{name} has not numbers for each row: no batches of it")
    if size == rows:
        return result
    room = np.empty((rows, *result.shape[1:]), result.dtype)
    room[:size] = result
    return room


def _run_in_place(session: Any, features: Arrays, outputs: Arrays) -> None:
    binding = session.io_binding()
    for bind, arrays in ((binding.bind_input, features), (binding.bind_output, outputs)):
        for name, values in arrays.items():
            bind(name, "cpu", 0, values.dtype.type, values.shape, values.ctypes.data)
    try:
        session.run_with_iobinding(binding)
    except RuntimeError as error:  # all that a binding raises
        reason = str(error).splitlines()[0]
        raise InvalidInput("model.unsupported", f"the graph answers batches in different shapes: {reason}") from None
