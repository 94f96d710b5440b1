"""The node's HTTP API, version 1."""

from infernet.api.routes import build_routes

__all__ = ["build_routes"]
