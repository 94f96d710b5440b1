"""What a node answers over HTTP: its health, what it serves, signed subscriptions taken in, what became of each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from infernet.errors import InvalidInput
from infernet.ports import ChainService
from infernet.protocol.hashing import to_address
from infernet.protocol.wire_json import decode_delegate_json
from infernet.types import Address, ChainId, ChainStatus, JobReport, ModelUse, SubscriptionId, SubscriptionReport
from infernet.web import JSONResponse, Request, Response, Route, read_json

STALE_AFTER_S = 30.0
"""A chain whose endpoint has not answered for this long makes the node unhealthy."""

_NUMBER = re.compile(r"[0-9]{1,78}")

Chains = Mapping[tuple[ChainId, Address], ChainService]


def build_routes(chains: Chains, containers: Iterable[str], *, stale_after_s: float = STALE_AFTER_S) -> list[Route]:
    """The routes of a node that serves these containers on these chains."""

    async def get_health(_: Request) -> Response:
        states = [chain.status() for chain in chains.values()]
        is_healthy = all(_is_fresh(state, stale_after_s) for state in states)
        body = {
            "status": "ok" if is_healthy else "stale",
            "chains": [_describe_chain(state, stale_after_s) for state in states],
        }
        return JSONResponse(body, status_code=200 if is_healthy else 503)

    async def get_containers(_: Request) -> Response:
        return JSONResponse({"containers": [{"id": name} for name in containers]})

    async def post_delegated(request: Request) -> Response:
        chain_id, coordinator, signed = decode_delegate_json(await read_json(request))
        key = await _find_chain(chains, chain_id, coordinator).accept_request(signed)
        return JSONResponse({"owner": key.owner, "id": key.id}, status_code=202)

    async def get_jobs(request: Request) -> Response:
        place = request.path_params
        chain_id, coordinator = ChainId(_read_number(place["chain_id"])), to_address(place["coordinator"])
        owner, number = to_address(place["owner"]), _read_number(place["id"])
        chain = _find_chain(chains, chain_id, coordinator)
        report = chain.report(owner, SubscriptionId(number)) if number < 2**32 else None
        if report is None:
            raise InvalidInput("subscription.unknown", f"this node knows no subscription {number} of {owner}")
        return JSONResponse(_describe_subscription(report))

    return [
        Route("/health", get_health),
        Route("/v1/containers", get_containers),
        Route("/v1/subscriptions/delegated", post_delegated, methods=["POST"]),
        Route("/v1/jobs/{chain_id}/{coordinator}/{owner}/{id}", get_jobs),
    ]


def _read_number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise InvalidInput("request.malformed", "a chain's or a subscription's id in the path is a decimal number")
    return int(text)


def _find_chain(chains: Chains, chain_id: ChainId, coordinator: Address) -> ChainService:
    chain = chains.get((chain_id, coordinator))
    if chain is None:
        raise InvalidInput(
            "chain.not_served", f"this node does not serve the Coordinator {coordinator} on chain {chain_id}"
        )
    return chain


def _is_fresh(state: ChainStatus, stale_after_s: float) -> bool:
    return state.head_age_s is not None and state.head_age_s < stale_after_s


def _describe_chain(state: ChainStatus, stale_after_s: float) -> dict[str, object]:
    return {
        "chainId": state.chain_id,
        "coordinator": state.coordinator,
        "status": "ok" if _is_fresh(state, stale_after_s) else "stale",
        "node": state.node,
        "head": state.head,
        "headAgeS": None if state.head_age_s is None else round(state.head_age_s, 3),
        "openSubscriptions": state.open_subscriptions,
        "jobs": dict(state.jobs),
    }


def _describe_subscription(report: SubscriptionReport) -> dict[str, object]:
    return {
        "container": report.container,
        "createdBlock": report.created_block,
        "code": report.code,
        "reason": report.reason,
        "jobs": [_describe_job(job) for job in report.jobs],
    }


def _describe_job(job: JobReport) -> dict[str, object]:
    return {
        "interval": job.interval,
        "state": job.state,
        "code": job.code,
        "reason": job.reason,
        "attempts": job.attempts,
        "tx": None if job.tx_hash is None else "0x" + job.tx_hash.hex(),
        "models": [_describe_model(use) for use in job.models],
    }


def _describe_model(use: ModelUse) -> dict[str, object]:
    return {
        "container": use.container,
        "version": use.version,
        "manifestHash": use.manifest_hash,
        "run": use.run_id or None,
    }
