"""`infernet infer`: rows of a file through a model or an inference workflow."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infernet.cli.options import MODEL_STORE, AsJson, Store, TrackingUri
from infernet.cli.output import print_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infernet.workflows import InferenceWorkflow
    from infernet.workflows.loaded_model import LoadedModel


def infer(
    model: Annotated[
        str,
        typer.Argument(help="models:/NAME@ALIAS, models:/NAME/VERSION, a model of the store, or a workflow's file."),
    ],
    rows: Annotated[Path, typer.Argument(help="A CSV file whose first line names the columns.")],
    workflow: Annotated[str | None, typer.Option("--workflow", help="Which one, where the file has several.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the answers there as CSV.")] = None,
    ray: Annotated[
        str | None, typer.Option("--ray", help="Answer on the Ray cluster at this address; 'local' starts one here.")
    ] = None,
    store: Store = MODEL_STORE,
    tracking_uri: TrackingUri = None,
    as_json: AsJson = False,
) -> None:
    """Answer every row by the version that the name stands for now; on standard output, as CSV, unless told."""
    from infernet.workflows.csv_file import read_columns
    from infernet.workflows.inference_workflow import load_inference, start_inference
    from infernet.workflows.loaded_model import list_columns
    from infernet.workflows.tracker import choose_tracking_uri

    chosen = load_inference(Path(model), workflow) if model.endswith(".py") else model
    started = start_inference(chosen, store=store, tracking_uri=choose_tracking_uri(tracking_uri))
    wanted = None if _reads_rows_itself(chosen) else list_columns(started.loaded.manifest)
    answers = _answer(started, read_columns(rows, wanted), ray)
    if as_json:
        print_json({**_describe(started.loaded), "answers": {name: _plain(value) for name, value in answers.items()}})
    elif output is not None:
        with output.open("w", newline="", encoding="utf-8") as file:
            _write(answers, file)
    else:
        _write(answers, sys.stdout)


def _answer(started: InferenceWorkflow, rows: Mapping[str, Any], ray: str | None) -> Mapping[str, Any]:
    """With a progress bar where somebody looks."""
    from dataclasses import replace

    from infernet.workflows.inference_workflow import answer_rows
    from infernet.workflows.progress import showing_progress

    total, done = len(next(iter(rows.values()), ())), 0
    with showing_progress() as watch:

        def count(size: int) -> None:
            nonlocal done
            done += size
            watch("answering", done, total)

        started.loaded = replace(started.loaded, on_progress=count)
        return answer_rows(started, rows, ray)


def _reads_rows_itself(workflow: InferenceWorkflow | str) -> bool:
    """Whether it may want other columns than the manifest's."""
    from infernet.workflows import InferenceWorkflow

    if isinstance(workflow, str):
        return False
    kind, plain = type(workflow), InferenceWorkflow
    return kind.preprocess is not plain.preprocess or kind.__call__ is not plain.__call__


def _describe(model: LoadedModel) -> dict[str, Any]:
    return {"model": model.version, "hash": model.hash, "run": model.run_id or None}


def _write(answers: Mapping[str, Any], file: Any) -> None:
    """A column for each number of an answer."""
    import csv

    import numpy as np

    columns: list[Any] = []
    names: list[str] = []
    for name, values in answers.items():
        table = np.asarray(values).reshape(len(values), -1)
        names += [name] if table.shape[1] == 1 else [f"{name}_{place}" for place in range(table.shape[1])]
        columns += list(table.T)
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(zip(*(column.tolist() for column in columns), strict=True))


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value
