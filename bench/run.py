"""Measure everything and write docs/benchmarks.md. `make bench` runs it; `--print` leaves the page alone.

Exits with 1 where a goal is missed, and says which.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

import structlog

from bench.gas import measure_gas
from bench.inference import measure_inference
from bench.layer import measure_layer
from bench.page import PAGE, Figure, find_missed, render
from bench.spc import measure_spcs
from bench.speed import measure_blocks, measure_burst, measure_calls, measure_latency, measure_model
from bench.training import measure_training


async def measure() -> list[Figure]:
    """Every figure, one measurement after the other: they share the machine."""
    figures = []
    parts = (
        measure_gas,
        measure_latency,
        measure_blocks,
        measure_burst,
        measure_calls,
        measure_model,
        measure_layer,
        measure_spcs,
        measure_inference,
        measure_training,
    )
    for part in parts:
        figures += await part()
    return figures


def main() -> int:
    """Measure, print, write; answers 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--print", action="store_true", dest="only_print", help="print the page, write nothing")
    arguments = parser.parse_args()
    structlog.configure(
        processors=[structlog.processors.KeyValueRenderer()], logger_factory=structlog.ReturnLoggerFactory()
    )
    figures = asyncio.run(measure())
    page = render(figures)
    print(page)
    if not arguments.only_print:
        PAGE.write_text(page, encoding="utf-8")
    missed = find_missed(figures)
    for line in missed:
        print(line, file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
