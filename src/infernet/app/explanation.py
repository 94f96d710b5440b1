"""What a node's journal says of a subscription, in words and for programs."""

from __future__ import annotations

from typing import Any

from infernet.store.reader import Record
from infernet.types import ModelUse


def explain_record(record: Record) -> list[str]:
    """Its lines: whose it is, then each answer with the versions that it came from."""
    key, tracked = record.tracked.key, record.tracked
    created = "signed, not on chain" if tracked.created_block is None else f"created in block {tracked.created_block}"
    ended = "" if record.ended_block is None else f", ended in block {record.ended_block}"
    lines = [f"subscription {key.id} of {key.owner} on chain {key.chain_id}: {tracked.container}"]
    lines.append(f"  {created}{ended}")
    for job in record.jobs:
        reason = f": {job.note} ({job.code})" if job.code else ""
        tx = "" if job.tx_hash is None else f", transaction 0x{job.tx_hash.hex()}"
        lines.append(f"  answer {job.key.interval} {job.state}{tx}{reason}")
        lines += [f"    {_name(use)}" for use in job.models]
    return lines


def _name(use: ModelUse) -> str:
    run = f", MLflow run {use.run_id}" if use.run_id else ""
    return f"by {use.version}, manifest {use.manifest_hash}{run}"


def describe_record(record: Record) -> dict[str, Any]:
    """The same for programs."""
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
