"""The journal, read beside the node that writes it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from infernet.protocol.decision import Tracked
from infernet.store.database import ReadOnlyDatabase
from infernet.store.records import Job, build_job, build_tracked
from infernet.types import SubscriptionId, SubscriptionKey

_KEY = "chain_id, coordinator, owner, id"
_JOB = f"{_KEY}, interval, state, code, note, starts_at, ends_at, attempts, NULL, NULL, tx_hash, models"


@dataclass(frozen=True, slots=True)
class Record:
    """What a journal holds of one subscription. `jobs` are without their outputs."""

    tracked: Tracked
    ended_block: int | None
    jobs: tuple[Job, ...]


def read_records(path: Path, number: SubscriptionId, newest: int = 100) -> list[Record]:
    """Every subscription of that id, whoever owns it, on whatever chain; of each the newest jobs by interval.

    Raises:
        NodeMisconfigured: `journal.missing`, `journal.version`, `journal.unusable`.
    """
    with closing(ReadOnlyDatabase(path)) as database:
        rows = database.execute("SELECT * FROM subscriptions WHERE id = ?", (number,))
        records = []
        for row in rows:
            jobs = database.execute(
                f"SELECT {_JOB} FROM jobs WHERE ({_KEY}) = (?, ?, ?, ?) ORDER BY interval DESC LIMIT ?",  # noqa: S608
                (*SubscriptionKey(*row[:4]), newest),
            )
            found = tuple(build_job(job) for job in reversed(jobs))
            records.append(Record(build_tracked(row, None), row[10], found))
        return records
