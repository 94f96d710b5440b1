"""What verifying a circuit's proofs takes, read from its settings and its key before EZKL sees them.

EZKL lays a circuit out anew for every proof: as its settings say, in the number of rows that the key says. Both come
from strangers. What would take long, or more memory than there is, is no circuit here. EZKL gets the settings written
anew, so that no second reader finds something else in them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_SETTINGS_BYTES, _DEPTH = 1 << 16, 16
_LOG_ROWS = range(6, 19)
_RESERVED_ROWS = 32
"""At the most: what EZKL keeps for blinding."""
_TABLE_COLUMNS = 12
"""EZKL's own limit for one lookup."""
_MOST_COLUMNS, _MOST_KILOROWS = 8_192, 4_096
"""Half a second, half a gigabyte."""
_HIGHEST = 1 << 40


@dataclass(frozen=True, slots=True)
class CircuitSize:
    """A circuit's settings, and what to charge for.

    Attributes:
        settings: written anew.
        columns: of values, tables and lookups, as their gates multiply.
        kilorows: its rows times its selectors and the degree of its gates, in 1,024.
    """

    settings: bytes
    columns: int
    kilorows: int


def measure_circuit(settings: bytes, key: bytes) -> CircuitSize:
    """
    Raises:
        ValueError: these are no settings or no key of EZKL's, they contradict each other, or they are too large.
    """
    found = _parse(settings)
    run = _pick(found, "run_args")
    log_rows = _read_number(run, "logrows")
    if log_rows not in _LOG_ROWS or key[1:2] != bytes([log_rows]):
        raise ValueError(f"logrows is from {_LOG_ROWS[0]} to {_LOG_ROWS[-1]}, the same in settings and key")
    if found.get("num_blinding_factors") is not None and _read_number(found, "num_blinding_factors") > _RESERVED_ROWS:
        raise ValueError("too many blinding factors")
    rows = (1 << log_rows) - _RESERVED_ROWS
    inner = _read_number(run, "num_inner_cols")
    if inner == 0:
        raise ValueError("num_inner_cols is 1 or more")
    blocks = _read_number(found, "total_assignments") // (rows * inner) + 1
    tables = [span // rows + 1 for span in _list_spans(found, run)]
    widest = max(tables, default=1)
    if widest > _TABLE_COLUMNS:
        raise ValueError(f"a lookup has at most {_TABLE_COLUMNS} columns")
    degree = 1 << (widest + 2).bit_length()
    selectors = inner * blocks * (3 + sum(tables))
    gates = inner * blocks * (3 + sum(columns**2 for columns in tables))
    size = CircuitSize(
        settings=json.dumps(found).encode(),
        columns=gates + sum(_list_counts(found)) + sum(_list_sizes(found)) // rows,
        kilorows=(((degree + selectors) << log_rows) + 1023) // 1024,
    )
    if size.columns > _MOST_COLUMNS or size.kilorows > _MOST_KILOROWS:
        raise ValueError("the circuit is too large")
    return size


def _parse(settings: bytes) -> dict[str, Any]:
    if len(settings) > _SETTINGS_BYTES:
        raise ValueError(f"settings have at most {_SETTINGS_BYTES} bytes")
    try:
        found = json.loads(settings)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not _is_shallow(found):
        raise ValueError("not the settings of a circuit of EZKL's")
    return found


def _is_shallow(value: Any) -> bool:
    """How deep a parser goes depends on its stack: nobody's may decide."""
    level = [value]
    for _ in range(_DEPTH):
        level = [child for part in level for child in _list_children(part)]
    return not level


def _list_children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _list_spans(found: dict[str, Any], run: dict[str, Any]) -> Iterator[int]:
    """How many values each lookup's table has."""
    for _ in _pick_list(found, "required_lookups"):
        yield _read_span(run.get("lookup_range"), "lookup_range")
    for bounds in _pick_list(found, "required_range_checks"):
        yield _read_span(bounds, "required_range_checks")


def _list_counts(found: dict[str, Any]) -> Iterator[int]:
    for name in ("num_dynamic_lookups", "num_shuffles"):
        yield _read_number(found, name)


def _list_sizes(found: dict[str, Any]) -> Iterator[int]:
    """Values that stand in columns of their own."""
    for name in ("total_const_size", "total_dynamic_col_size", "max_dynamic_input_len", "total_shuffle_col_size"):
        yield _read_number(found, name)
    yield _read_number(_pick(found, "einsum_params"), "total_einsum_col_size")
    for size in _pick_list(_pick(found, "module_sizes"), "polycommit"):
        yield _check_number(size, "polycommit")


def _pick(found: dict[str, Any], name: str) -> dict[str, Any]:
    part = found.get(name)
    if isinstance(part, dict):
        return part
    raise ValueError(f"the settings have no {name}")


def _pick_list(found: dict[str, Any], name: str) -> list[Any]:
    part = found.get(name)
    if isinstance(part, list):
        return part
    raise ValueError(f"the settings have no {name}")


def _read_span(bounds: Any, name: str) -> int:
    if not isinstance(bounds, list) or len(bounds) != 2:
        raise ValueError(f"{name} are a lowest and a highest number")
    lowest, highest = bounds
    if type(lowest) is not int or type(highest) is not int or not -_HIGHEST <= lowest <= highest <= _HIGHEST:
        raise ValueError(f"{name} are a lowest and a highest number")
    return highest - lowest


def _read_number(found: dict[str, Any], name: str) -> int:
    return _check_number(found.get(name), name)


def _check_number(value: Any, name: str) -> int:
    if type(value) is not int or not 0 <= value <= _HIGHEST:
        raise ValueError(f"{name} is a number from 0 to {_HIGHEST}")
    return value
