"""`infernet train`: from a workflow's file to a registered version."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infernet.cli.options import AsJson, TrackingUri
from infernet.cli.output import console, errors, print_json
from infernet.cli.run import raise_interrupted
from infernet.errors import InvalidInput

if TYPE_CHECKING:
    from infernet.workflows.trainer import TrainedVersion


def train(
    file: Annotated[Path, typer.Argument(help="A Python file with a training workflow.")],
    workflow: Annotated[str | None, typer.Option("--workflow", help="Which one, where the file has several.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A parameter of its train(), as C=0.3; may be repeated.")
    ] = None,
    search: Annotated[
        int, typer.Option(help="Try so many settings of its space first, by cross-validation.", min=0, max=10_000)
    ] = 0,
    seed: Annotated[int, typer.Option(help="Where chance begins.", min=0, max=2**32 - 1)] = 7,
    ray: Annotated[
        str | None, typer.Option("--ray", help="Train on the Ray cluster at this address; 'local' starts one here.")
    ] = None,
    new_schema: Annotated[
        bool, typer.Option("--new-schema", help="Let the data have other columns than the champion.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin at the beginning, also where the same training was killed.")
    ] = False,
    tracking_uri: TrackingUri = None,
    as_json: AsJson = False,
) -> None:
    """Train, log to MLflow, register a version; the champion moves where the metric on held-out rows improves.

    Ctrl-C ends a training that reports its progress early and keeps what was learned; any other is given up. One that
    was killed goes on from its last checkpoint, where its workflow makes some, and a search behind its last trial.
    """
    from infernet.workflows.tracker import open_tracker
    from infernet.workflows.trainer import run_training
    from infernet.workflows.workflow import load_workflow, parse_parameters

    signal.signal(signal.SIGTERM, raise_interrupted)
    chosen = load_workflow(file, workflow)
    params = parse_parameters(chosen, dict(_split_setting(text) for text in settings or []))
    tracker = open_tracker(tracking_uri)
    trained = run_training(
        chosen,
        params,
        seed=seed,
        tracker=tracker,
        search=search,
        ray=ray,
        new_schema=new_schema,
        fresh=fresh,
        notice=lambda line: errors().print(line, soft_wrap=True, markup=False),
    )
    if as_json:
        print_json(_describe(trained))
    else:
        _show(trained, search)


def _split_setting(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise InvalidInput("workflow.parameter", f"--set {text} has no value: write it as C=0.3")
    return name, value


def _describe(trained: TrainedVersion) -> dict[str, Any]:
    return {
        "model": trained.model,
        "version": trained.version,
        "manifestHash": trained.manifest_hash,
        "metric": trained.metric,
        "score": round(trained.score, 6),
        "champion": trained.champion,
        "run": trained.run_id,
        "params": dict(trained.params),
        "endedAt": trained.ended_at,
        "resumedFrom": trained.resumed_from,
    }


def _show(trained: TrainedVersion, searched: int) -> None:
    line = f"[bold]models:/{trained.model}/{trained.version}[/]  {trained.metric} {trained.score:.4f} on held-out rows"
    console().print(line + (f"  (ended early after {trained.ended_at})" if trained.ended_at else ""))
    console().print(f"manifest {trained.manifest_hash}  run {trained.run_id}", soft_wrap=True)
    if searched:
        chosen = " ".join(f"--set {name}={value}" for name, value in trained.params.items())
        console().print(f"the best of the search: {chosen}", soft_wrap=True, markup=False)
    if trained.is_champion:
        console().print(f"it is the champion: infernet infer models:/{trained.model}@champion rows.csv")
    else:
        console().print(f"the champion stays version {trained.champion}")
