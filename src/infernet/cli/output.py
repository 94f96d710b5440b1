"""How commands speak: tables and lines for people, one JSON object on standard output for programs."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import structlog
from rich.console import Console

from infernet.errors import InfernetError

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    """One JSON value on a line of its own."""
    sys.stdout.write(json.dumps(value, default=_plain) + "\n")
    sys.stdout.flush()


def print_error(error: InfernetError, as_json: bool) -> None:
    """An expected error, in one line."""
    if as_json:
        print_json({"error": {"code": error.code, "message": error.message}})
    else:
        errors.print(f"[bold red]error[/] {_escape(error.message)} [dim]({error.code})[/]", soft_wrap=True)


def set_up_logs(level: str = "info", form: str = "console") -> None:
    """Structured logs on standard error."""
    renderer: Any = (
        structlog.processors.JSONRenderer(default=_plain)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _escape(text: str) -> str:
    return text.replace("[", r"\[")


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return str(value)
