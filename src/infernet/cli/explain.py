"""`infernet explain`: what a node did for a subscription, and which model's version its answers came from."""

from __future__ import annotations

from typing import Annotated

import typer

from infernet.cli.options import CONFIG_FILE, AsJson, Config
from infernet.cli.output import console, print_json
from infernet.errors import InvalidInput


def explain(
    number: Annotated[int, typer.Argument(metavar="ID", help="The subscription's id.", min=0, max=2**32 - 1)],
    owner: Annotated[str, typer.Option(help="Its owner, where several have that id.", show_default=False)] = "",
    config: Config = CONFIG_FILE,
    as_json: AsJson = False,
) -> None:
    """Say what became of a subscription: each answer's state and transaction, and the version, the manifest and the
    MLflow run of the model that it came from. Read from the node's journal, also while the node runs.
    """
    from rich.text import Text

    from infernet.app.explanation import describe_record, explain_record
    from infernet.protocol.hashing import to_address
    from infernet.settings import read_settings
    from infernet.store.reader import read_records
    from infernet.types import SubscriptionId

    records = read_records(read_settings(config).journal.path, SubscriptionId(number))
    if owner:
        whose = to_address(owner)
        records = [record for record in records if record.tracked.key.owner == whose]
    if not records:
        raise InvalidInput("subscription.unknown", f"this node's journal holds no subscription {number}: check the id")
    if as_json:
        print_json([describe_record(record) for record in records])
        return
    for record in records:
        heading, *lines = explain_record(record)
        console().print(Text(heading, style="bold"), soft_wrap=True)
        for line in lines:
            console().print(Text(line), soft_wrap=True)
