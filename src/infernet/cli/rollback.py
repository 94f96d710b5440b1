"""`infernet models rollback`: the champion that was before."""

from __future__ import annotations

from typing import Annotated

import typer

from infernet.cli.options import AsJson, TrackingUri
from infernet.cli.output import console, print_json


def rollback(
    name: Annotated[str, typer.Argument(help="A registered model's name.")],
    to: Annotated[
        int | None, typer.Option("--to", help="A version; the champion before it unless given.", min=1)
    ] = None,
    tracking_uri: TrackingUri = None,
    as_json: AsJson = False,
) -> None:
    """Point a model's champion at an earlier version; later trainings do not bring the withdrawn one back."""
    from infernet.workflows.registry import Registry
    from infernet.workflows.tracker import open_tracker

    was, now = Registry(open_tracker(tracking_uri)).rollback(name.removeprefix("models:/").split("@")[0], to)
    if as_json:
        print_json({"model": now.model, "was": was.number, "champion": now.number})
    else:
        console().print(f"[bold]models:/{now.model}@champion[/] is version {now.number} now, it was {was.number}")
