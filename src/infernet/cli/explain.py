"""`infernet explain`: what a node did for a subscription, and which model's version its answers came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from infernet.cli.options import CONFIG_FILE, AsJson, Config
from infernet.cli.output import console, print_json
from infernet.errors import InvalidInput

if TYPE_CHECKING:
    from infernet.store.reader import Record
    from infernet.types import ModelUse


def explain(
    number: Annotated[int, typer.Argument(metavar="ID", help="The subscription's id.", min=0, max=2**32 - 1)],
    owner: Annotated[str, typer.Option(help="Its owner, where several have that id.", show_default=False)] = "",
    config: Config = CONFIG_FILE,
    as_json: AsJson = False,
) -> None:
    """Say what became of a subscription: each answer's state and transaction, and the version, the manifest and the
    MLflow run of the model that it came from. Read from the node's journal, also while the node runs.
    """
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
        print_json([_describe(record) for record in records])
        return
    for record in records:
        _show(record)


def _describe(record: Record) -> dict[str, Any]:
    key = record.tracked.key
    return {
        "chainId": key.chain_id,
        "coordinator": key.coordinator,
        "owner": key.owner,
        "id": key.id,
        "container": record.tracked.container,
        "createdBlock": record.tracked.created_block,
        "endedBlock": record.ended_block,
        "jobs": [
            {
                "interval": job.key.interval,
                "state": job.state,
                "code": job.code,
                "reason": job.note,
                "tx": None if job.tx_hash is None else "0x" + job.tx_hash.hex(),
                "models": [
                    {
                        "container": m.container,
                        "version": m.version,
                        "manifestHash": m.manifest_hash,
                        "run": m.run_id or None,
                    }
                    for m in job.models
                ],
            }
            for job in record.jobs
        ],
    }


def _show(record: Record) -> None:
    key, tracked = record.tracked.key, record.tracked
    created = "signed, not on chain" if tracked.created_block is None else f"created in block {tracked.created_block}"
    ended = "" if record.ended_block is None else f", ended in block {record.ended_block}"
    _print(f"[bold]subscription {key.id}[/] of {key.owner} on chain {key.chain_id}: {tracked.container}")
    _print(f"  {created}{ended}")
    for job in record.jobs:
        reason = f": {job.note} ({job.code})" if job.code else ""
        tx = "" if job.tx_hash is None else f", transaction 0x{job.tx_hash.hex()}"
        _print(f"  answer {job.key.interval} {job.state}{tx}{reason}")
        for use in job.models:
            _print(f"    {_name(use)}")


def _name(use: ModelUse) -> str:
    run = f", MLflow run {use.run_id}" if use.run_id else ""
    return f"by {use.version}, manifest {use.manifest_hash}{run}"


def _print(line: str) -> None:
    console().print(line, soft_wrap=True)
