"""Data, loaded, checked and cut in two, before anything is trained."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from infernet.errors import InvalidInput
from infernet.models.store import read_manifest
from infernet.workflows.content_hash import compute_table_hash
from infernet.workflows.data import Rows, Table, build_rows
from infernet.workflows.manifests import compute_schema_hash, describe_change
from infernet.workflows.metrics import Metric, find_metric
from infernet.workflows.registry import SCHEMA_HASH, Registry
from infernet.workflows.split import Split, build_split, hold_out_later, hold_out_share
from infernet.workflows.workflow import TrainingWorkflow, check_workflow


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Checked data, cut in two."""

    table: Table
    split: Split
    data_hash: str
    schema_hash: str
    metric: Metric


def prepare(workflow: TrainingWorkflow) -> Prepared:
    """Load, check and split.

    Raises:
        InvalidInput: what is wrong with the workflow or its data.
    """
    check_workflow(workflow)
    table = _load(workflow)
    left_out = (*workflow.leave_out, *((workflow.time,) if workflow.time else ()))
    rows = build_rows(table, workflow.target, leave_out=left_out, dtype=workflow.feature_dtype)
    metric = find_metric(workflow.metric, for_classes=rows.is_classes)
    split = build_split(rows, _choose_held_out(workflow, table, rows))
    return Prepared(table, split, compute_table_hash(table.frame), compute_schema_hash(rows), metric)


def _load(workflow: TrainingWorkflow) -> Table:
    import pandas as pd  # noqa: PLC0415

    loaded = workflow.load()
    if isinstance(loaded, pd.DataFrame):
        return Table(loaded, source=workflow.name)
    if not isinstance(loaded, Table):
        kind = type(loaded).__name__
        raise InvalidInput("workflow.no_table", f"{workflow.name}'s load() returned a {kind}: return a Table")
    return replace(loaded, frame=loaded.frame.reset_index(drop=True))


def _choose_held_out(workflow: TrainingWorkflow, table: Table, rows: Rows) -> Any:
    for name in (*workflow.held_out_by, *((workflow.time,) if workflow.time else ())):
        if name not in table.frame:
            raise InvalidInput("workflow.held_out", f"there is no column {name!r} to hold rows out by")
    if workflow.time is not None:
        return hold_out_later(table.frame[workflow.time], workflow.since)
    keys = table.frame[list(workflow.held_out_by)] if workflow.held_out_by else rows.features
    return hold_out_share(keys, workflow.held_out)


def check_schema(registry: Registry, workflow: TrainingWorkflow, prepared: Prepared, new_schema: bool) -> int:
    """Whether contracts that use the champion can use what comes of this data.

    Args:
        new_schema: they need not.

    Returns:
        The newest version's number; 0 where there is none.

    Raises:
        InvalidInput: `data.schema_changed`.
    """
    champion = registry.find_champion(workflow.name)
    versions = registry.list_versions(workflow.name)
    if champion is not None and champion.is_ours and not new_schema:
        was = champion.tags.get(SCHEMA_HASH)
        if was != prepared.schema_hash:
            with tempfile.TemporaryDirectory(prefix="infernet-") as work:
                manifest = read_manifest(registry.fetch_folder(champion, Path(work)))
            raise InvalidInput(
                "data.schema_changed",
                f"the data has other columns than version {champion.number} of {workflow.name}, which contracts may "
                f"use: {describe_change(manifest, prepared.split.train)}; give the workflow another name, or allow it "
                "by --new-schema",
            )
    return versions[-1].number if versions else 0
