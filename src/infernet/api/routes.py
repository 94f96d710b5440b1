"""What a node answers over HTTP: its health, what it serves, and signed subscriptions taken in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from infernet.errors import InvalidInput
from infernet.ports import ChainService
from infernet.protocol.wire_json import decode_delegate_json
from infernet.types import Address, ChainId, ChainStatus
from infernet.web import JSONResponse, Request, Response, Route, read_json

STALE_AFTER_S = 30.0
"""A chain whose endpoint has not answered for this long makes the node unhealthy."""


def build_routes(chains: Mapping[tuple[ChainId, Address], ChainService], containers: Sequence[str]) -> list[Route]:
    """The routes of a node that serves these containers on these chains."""

    async def get_health(_: Request) -> Response:
        states = [chain.status() for chain in chains.values()]
        healthy = all(state.head_age_s is not None and state.head_age_s < STALE_AFTER_S for state in states)
        body = {"status": "ok" if healthy else "stale", "chains": [_describe(state) for state in states]}
        return JSONResponse(body, status_code=200 if healthy else 503)

    async def get_containers(_: Request) -> Response:
        return JSONResponse({"containers": [{"id": name} for name in containers]})

    async def post_delegated(request: Request) -> Response:
        chain_id, coordinator, signed = decode_delegate_json(await read_json(request))
        chain = chains.get((chain_id, coordinator))
        if chain is None:
            raise InvalidInput(
                "chain.not_served", f"this node does not serve the Coordinator {coordinator} on chain {chain_id}"
            )
        key = chain.accept_request(signed)
        return JSONResponse({"owner": key.owner, "id": key.id}, status_code=202)

    return [
        Route("/health", get_health),
        Route("/v1/containers", get_containers),
        Route("/v1/subscriptions/delegated", post_delegated, methods=["POST"]),
    ]


def _describe(state: ChainStatus) -> dict[str, object]:
    return {
        "chainId": state.chain_id,
        "coordinator": state.coordinator,
        "node": state.node,
        "head": state.head,
        "headAgeS": None if state.head_age_s is None else round(state.head_age_s, 3),
        "openSubscriptions": state.open_subscriptions,
        "jobs": dict(state.jobs),
    }
