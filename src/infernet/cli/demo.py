"""`infernet demo`: the whole network on this machine, in a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infernet.cli.options import AsJson
from infernet.cli.output import console, print_json
from infernet.cli.run import run

if TYPE_CHECKING:
    from infernet.app.demo_events import Event, Summary


def demo(as_json: AsJson = False) -> None:
    """The whole network on this machine, in a minute.

    Models are trained on real data first. A contract asks and a node answers, free, signed and paid; another contract
    has its answers from the chain itself, inside its transactions; a third has a model trained, and made better.
    """
    from infernet.app.demo import run_demo
    from infernet.cli.timeline import show_event, show_summary

    if as_json:
        print_json(_describe(run(run_demo(lambda _: None))))
        return
    with console().status("training models of handwritten digits and of texts") as status:

        def show(event: Event) -> None:
            status.update("working")
            show_event(event)

        summary = run(run_demo(show))
    show_summary(summary)


def _describe(summary: Summary) -> dict[str, Any]:
    return {
        "accuracy": summary.accuracy,
        "tookS": round(summary.took_s, 3),
        "flows": [
            {
                "flow": row.flow,
                "answers": row.answers,
                "right": row.right,
                "requestGas": row.request_gas,
                "deliveryGas": row.delivery_gas,
                "blocksToAnswer": row.blocks,
            }
            for row in summary.rows
        ],
        "versions": [
            {
                "name": version.name,
                "manifestHash": version.manifest_hash,
                "accuracy": version.accuracy,
                "run": version.run_id,
            }
            for version in summary.versions
        ],
    }
