"""What a node says about one subscription, so that its owner sees why there is no answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from infernet.protocol.decision import Decision, Run, Tracked, Wait
from infernet.protocol.policy import Drop
from infernet.store.journal import Job, Journal
from infernet.types import JobReport, SubscriptionKey, SubscriptionReport


def read_report(
    journal: Journal,
    key: SubscriptionKey,
    tracked: Tracked | None,
    decide_now: Callable[[Tracked], Decision | None],
) -> SubscriptionReport | None:
    """The report on a subscription, None where nothing is known of it.

    Args:
        tracked: as it stands in memory, None where this node does not answer it.
        decide_now: the decision as of the newest block, None before the first.
    """
    known = journal.read_subscription(key)
    if known is None:
        return None
    return build_report(known[0], known[1], journal.read_newest_jobs(key), decide_now(tracked or known[0]))


def build_report(
    tracked: Tracked, ended_block: int | None, jobs: Iterable[Job], decision: Decision | None
) -> SubscriptionReport:
    """The report on a subscription: what the node would do with it now, and what it did."""
    code, reason = _describe(decision) if ended_block is None else ("over", f"block {ended_block} ended it")
    return SubscriptionReport(
        container=tracked.container,
        created_block=tracked.created_block,
        code=code,
        reason=reason,
        jobs=tuple(
            JobReport(job.key.interval, job.state, job.code, job.note, job.attempts, job.tx_hash, job.models)
            for job in jobs
        ),
    )


def _describe(decision: Decision | None) -> tuple[str, str]:
    match decision:
        case Drop(code=code, message=message):
            return code, message
        case Wait(until=until, code=code):
            return code, f"nothing to do before the chain's clock shows {until}"
        case Run(interval=interval):
            return "due", f"interval {interval} is to be answered"
    return "starting", "the node has not seen the chain's head yet"
