"""The table of a node's HTTP routes, from the routes themselves."""

from __future__ import annotations

from docs_table import build_code, build_table

from infernet.api import build_routes

WORDS = {
    "/health": "Each chain's head and the number of jobs in each state. 200, or 503 where a chain has not answered for "
    "half a minute.",
    "/v1/containers": "The containers that the node serves.",
    "/v1/subscriptions/delegated": "Takes a signed request: 202 with `owner` and `id`; it is in the journal then.",
    "/v1/jobs/{chain_id}/{coordinator}/{owner}/{id}": "What became of a subscription: the state of each job, "
    "with code, reason and transaction.",
}


def render_routes() -> str:
    """The table."""
    routes = build_routes({}, ())
    if {route.path for route in routes} != set(WORDS):
        different = ", ".join(sorted({route.path for route in routes} ^ set(WORDS)))
        raise SystemExit(f"docs: the routes and their words in tools/docs_api.py differ: {different}")
    rows = []
    for route in routes:
        method = "POST" if "POST" in (route.methods or ()) else "GET"
        rows.append([build_code(f"{method} {route.path.replace(':int', '')}"), WORDS[route.path]])
    return build_table(["request", "answer"], rows)
